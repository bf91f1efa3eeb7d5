/** Parts of the last time that `parseTime` read. */
export interface ParsedTime {
  /** Seconds since 1970; negative before. */
  seconds: number;
  micros: number;
}

/** Reads "2026-01-31T08:00:00.123456Z" or with an offset; false when it is not such a time. */
export function parseTime(bytes: Uint8Array, start: number, end: number, into: ParsedTime): boolean {
  const size = end - start;
  if (size < 20 || !hasShape(bytes, start)) {
    return false;
  }
  const year = digits(bytes, start, 4);
  const month = digits(bytes, start + 5, 2);
  const day = digits(bytes, start + 8, 2);
  const hour = digits(bytes, start + 11, 2);
  const minute = digits(bytes, start + 14, 2);
  const second = digits(bytes, start + 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || minute < 0 || second < 0) {
    return false;
  }
  let at = start + 19;
  let micros = 0;
  if (bytes[at] === 0x2e || bytes[at] === 0x2c) {
    let scale = 100_000;
    for (at++; at < end && bytes[at] >= 0x30 && bytes[at] <= 0x39; at++) {
      micros += (bytes[at] - 0x30) * scale;
      scale = scale > 1 ? scale / 10 : 0;
    }
  }
  const offset = zone(bytes, at, end);
  if (Number.isNaN(offset)) {
    return false;
  }
  into.seconds = daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
  into.micros = micros;
  return true;
}

function hasShape(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at + 4] === 0x2d &&
    bytes[at + 7] === 0x2d &&
    (bytes[at + 10] | 0x20) === 0x74 &&
    bytes[at + 13] === 0x3a &&
    bytes[at + 16] === 0x3a
  );
}

/** -1 when one of them is no digit. */
function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) {
      return -1;
    }
    value = value * 10 + digit;
  }
  return value;
}

/** Offset in seconds, NaN when it is not one. */
function zone(bytes: Uint8Array, at: number, end: number): number {
  if (end - at === 1 && (bytes[at] | 0x20) === 0x7a) {
    return 0;
  }
  if (end - at !== 6 || (bytes[at] !== 0x2b && bytes[at] !== 0x2d) || bytes[at + 3] !== 0x3a) {
    return Number.NaN;
  }
  const hours = digits(bytes, at + 1, 2);
  const minutes = digits(bytes, at + 4, 2);
  if (hours < 0 || minutes < 0) {
    return Number.NaN;
  }
  return (bytes[at] === 0x2d ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/** Days from 1970-01-01 in the Gregorian calendar. */
function daysSince1970(year: number, month: number, day: number): number {
  // Years are counted from March, so that the leap day is the last of its year.
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
