const DOT = 46;
const LONGEST_LABEL = 63;
const LONGEST_NAME = 255;
const V4_BYTES = 4;
const V6_BYTES = 16;
const V6_GROUPS = 8;
/** IPv6 that ends in IPv4. */
const LONGEST_ADDRESS = 45;

/**
 * Wire labels of a name as text, in lower case, without the root's: "a.b" is 1 a 1 b. Undefined when a label is empty, longer
 * than 63 bytes, or the whole is longer than a name can be.
 */
export function labelsOf(name: string): Uint8Array | undefined {
  const text = name.endsWith(".") ? name.slice(0, -1) : name;
  const wire = new Uint8Array(text.length + 1);
  let start = 0;
  for (let n = 0; n <= text.length; n++) {
    const code = n === text.length ? DOT : text.charCodeAt(n);
    if (code > 0x7e || code <= 0x20) {
      return undefined;
    }
    if (code !== DOT) {
      wire[n + 1] = code >= 65 && code <= 90 ? code + 32 : code;
      continue;
    }
    const length = n - start;
    if (length === 0 || length > LONGEST_LABEL) {
      return undefined;
    }
    wire[start] = length;
    start = n + 1;
  }
  return wire.length >= LONGEST_NAME ? undefined : wire;
}

/** A name as text, for people, of wire labels. */
export function textOf(wire: Uint8Array, start = 0, end = wire.length): string {
  const labels: string[] = [];
  for (let at = start; at < end && wire[at] !== 0; at += wire[at] + 1) {
    labels.push(String.fromCharCode(...wire.subarray(at + 1, at + 1 + wire[at])));
  }
  return labels.join(".");
}

/**
 * Reads an address of `length` bytes at `start` into `out`: 4 or 16, the number of bytes it has, or 0 when it is none.
 * `separator` stands between the groups of IPv6; IPv4 has `dot` there. Allocates nothing.
 */
function readAddress(
  text: Uint8Array,
  start: number,
  end: number,
  { dot, colon }: { readonly dot: number; readonly colon: number },
  out: Uint8Array,
): number {
  return readV4(text, start, end, dot, out) ? V4_BYTES : readV6(text, start, end, colon, out) ? V6_BYTES : 0;
}

const DASH = 45;
const PLAIN = { dot: DOT, colon: 58 };
const DASHED = { dot: DASH, colon: DASH };

/** An address as it is in the first label of a pod's name: "10-0-0-1", "fd00--1". Gives 4, 16, or 0. */
export function readDashed(text: Uint8Array, start: number, end: number, out: Uint8Array): number {
  return readAddress(text, start, end, DASHED, out);
}

/** Bytes of an address; undefined when the text is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  const v4 = v4Of(text);
  if (v4 !== undefined || text.length > LONGEST_ADDRESS) {
    return v4;
  }
  const out = new Uint8Array(V6_BYTES);
  const bytes = Buffer.from(text, "latin1");
  const length = readAddress(bytes, 0, bytes.length, PLAIN, out);
  return length === 0 ? undefined : out.subarray(0, length);
}

/** IPv4 as most addresses are, without a copy of its text. */
function v4Of(text: string): Uint8Array | undefined {
  const out = new Uint8Array(V4_BYTES);
  let part = 0;
  let value = -1;
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    if (code === DOT && value >= 0 && part < V4_BYTES - 1) {
      out[part++] = value;
      value = -1;
    } else if (code >= 48 && code <= 57 && value !== 0) {
      value = Math.max(0, value) * 10 + code - 48;
      if (value > 255) {
        return undefined;
      }
    } else {
      return undefined;
    }
  }
  out[part] = value;
  return part === V4_BYTES - 1 && value >= 0 ? out : undefined;
}

/** An address as key of a Map. */
export function addressKey(bytes: Uint8Array): string {
  return bytes.length === V4_BYTES
    ? String.fromCharCode(bytes[0], bytes[1], bytes[2], bytes[3])
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** An address as Kubernetes writes it: the longest run of zeros in IPv6 is left out. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === V4_BYTES) {
    return bytes.join(".");
  }
  const groups = Array.from({ length: V6_GROUPS }, (_, n) => ((bytes[n * 2] << 8) | bytes[n * 2 + 1]).toString(16));
  let gap = { at: -1, length: 1 };
  for (let at = 0; at < V6_GROUPS; at++) {
    let length = 0;
    while (groups[at + length] === "0") {
      length++;
    }
    if (length > gap.length) {
      gap = { at, length };
    }
  }
  if (gap.at < 0) {
    return groups.join(":");
  }
  return `${groups.slice(0, gap.at).join(":")}::${groups.slice(gap.at + gap.length).join(":")}`;
}

/** The label that stands for an address: dashes for dots and colons, and no dash at its end. */
export function dashed(address: string): string {
  const label = address.toLowerCase().replace(/[.:]/g, "-");
  return label.endsWith("-") ? `${label}0` : label;
}

function readV4(text: Uint8Array, start: number, end: number, dot: number, out: Uint8Array): boolean {
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let n = start; n <= end; n++) {
    const code = n === end ? dot : text[n];
    if (code === dot) {
      if (digits === 0 || value > 255 || part === V4_BYTES) {
        return false;
      }
      out[part++] = value;
      digits = 0;
      value = 0;
      continue;
    }
    // A leading zero is octal to some and decimal to others.
    if (code < 48 || code > 57 || (digits > 0 && value === 0) || ++digits > 3) {
      return false;
    }
    value = value * 10 + code - 48;
  }
  return part === V4_BYTES;
}

function readV6(text: Uint8Array, start: number, end: number, colon: number, out: Uint8Array): boolean {
  let group = 0;
  let gap = -1;
  let at = start;
  if (end - start >= 2 && text[start] === colon && text[start + 1] === colon) {
    gap = 0;
    at += 2;
  }
  while (at < end) {
    let value = 0;
    let digits = 0;
    for (let digit = hexOf(text[at]); at < end && digit >= 0; digit = hexOf(text[++at])) {
      value = value * 16 + digit;
      digits++;
    }
    if (digits === 0 || digits > 4 || group === V6_GROUPS) {
      return false;
    }
    out[group * 2] = value >> 8;
    out[group * 2 + 1] = value & 255;
    group++;
    if (at === end) {
      break;
    }
    if (text[at++] !== colon || at === end) {
      return false;
    }
    if (text[at] === colon) {
      if (gap >= 0) {
        return false;
      }
      gap = group;
      at++;
    }
  }
  return gap < 0 ? group === V6_GROUPS : group < V6_GROUPS && spread(out, gap, group);
}

/** Moves what stands after "::" to the end. */
function spread(out: Uint8Array, gap: number, groups: number): boolean {
  const moved = (groups - gap) * 2;
  out.copyWithin(V6_BYTES - moved, gap * 2, groups * 2);
  out.fill(0, gap * 2, V6_BYTES - moved);
  return true;
}

/** The value of a hexadecimal digit, or -1. */
export function hexOf(code: number): number {
  if (code >= 48 && code <= 57) {
    return code - 48;
  }
  if (code >= 97 && code <= 102) {
    return code - 87;
  }
  return code >= 65 && code <= 70 ? code - 55 : -1;
}
