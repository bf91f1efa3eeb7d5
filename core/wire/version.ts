/** Compares two resourceVersions by (length, text): negative, 0 or positive. Never as numbers, which lose digits. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) {
    return a.length - b.length;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The decimal text of an unsigned 64-bit number kept as low and high word at `base`. */
export function versionText(words: Int32Array, base = 0): string {
  const low = words[base] >>> 0;
  const high = words[base + 1] >>> 0;
  if (high < 0x200000) {
    return String(high * 0x100000000 + low);
  }
  return ((BigInt(high) << 32n) | BigInt(low)).toString();
}

/**
 * Reads decimal digits into low and high word at `base` without making a string. False when the text is not the plain form
 * of an unsigned 64-bit number (empty, other characters, leading zero, too large); the words are then undefined.
 */
export function parseVersion(bytes: Uint8Array, start: number, end: number, words: Int32Array, base: number): boolean {
  const size = end - start;
  if (size < 1 || size > 20 || (bytes[start] === 0x30 && size > 1)) {
    return false;
  }
  let low = 0;
  let high = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) {
      return false;
    }
    const sum = low * 10 + digit;
    low = sum % 0x100000000;
    high = high * 10 + (sum - low) / 0x100000000;
  }
  if (high > 0xffffffff) {
    return false;
  }
  words[base] = low | 0;
  words[base + 1] = high | 0;
  return true;
}
