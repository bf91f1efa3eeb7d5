/** True for versions that can be compared at all. */
export function isNumeric(version: string): boolean {
  return /^[1-9]\d*$/.test(version);
}

/** True when `a` is surely older than `b`: both numeric, compared by length and then as text. */
export function isBelow(a: string, b: string): boolean {
  if (a === b || !isNumeric(a) || !isNumeric(b)) {
    return false;
  }
  return a.length === b.length ? a < b : a.length < b.length;
}
