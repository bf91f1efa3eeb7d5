/** ASN.1 in its distinguished encoding, as far as certificates need it. */

function encode(tag: number, content: Uint8Array): Buffer {
  const size = content.length;
  if (size < 0x80) {
    return Buffer.concat([Buffer.from([tag, size]), content]);
  }
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) {
    bytes.unshift(rest % 256);
  }
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content]);
}

/** SEQUENCE of the given encoded parts. */
export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return encode(0x30, Buffer.concat(parts));
}

/** SET of the given encoded parts. */
export function setOf(...parts: readonly Uint8Array[]): Buffer {
  return encode(0x31, Buffer.concat(parts));
}

/** INTEGER, not negative, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  return encode(0x02, (bytes[0] & 0x80) === 0 ? bytes : Buffer.concat([Buffer.from([0]), bytes]));
}

/** BOOLEAN true. */
export function yes(): Buffer {
  return encode(0x01, Buffer.from([0xff]));
}

/** OBJECT IDENTIFIER from its dotted form. */
export function objectId(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const septets = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) {
      septets.unshift((left & 0x7f) | 0x80);
    }
    bytes.push(...septets);
  }
  return encode(0x06, Buffer.from(bytes));
}

/** BIT STRING whose last byte leaves `unusedBits` out. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return encode(0x03, Buffer.concat([Buffer.from([unusedBits]), bytes]));
}

/** OCTET STRING. */
export function octetString(bytes: Uint8Array): Buffer {
  return encode(0x04, bytes);
}

/** UTF8String. */
export function utf8String(text: string): Buffer {
  return encode(0x0c, Buffer.from(text, "utf8"));
}

/** UTCTime until 2049 and GeneralizedTime after it, as certificates want it. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
  return date.getUTCFullYear() < 2050
    ? encode(0x17, Buffer.from(digits.slice(2), "ascii"))
    : encode(0x18, Buffer.from(digits, "ascii"));
}

/** Context-specific tag around content: `constructed` when the content is encoded itself, otherwise plain bytes. */
export function tagged(tag: number, content: Uint8Array, constructed: boolean): Buffer {
  return encode(0x80 | (constructed ? 0x20 : 0) | tag, content);
}
