/** Middle of the values, NaN when there are none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which `share` (0 to 1) of the values lie, between neighbours by straight line; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) {
    return Number.NaN;
  }
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/** A number for a table: three significant digits, "-" for none. */
export function shown(value: number): string {
  if (Number.isNaN(value)) {
    return "-";
  }
  const size = Math.abs(value);
  if (size >= 100) {
    return Math.round(value).toLocaleString("en-US");
  }
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** Median with the range it comes from: "412 (398-455)". */
export function spread(values: readonly number[]): string {
  const real = values.filter((value) => !Number.isNaN(value));
  if (real.length === 0) {
    return "-";
  }
  return `${shown(median(real))} (${shown(Math.min(...real))}-${shown(Math.max(...real))})`;
}
