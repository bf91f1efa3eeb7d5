import { TYPE } from "./resolve-question.ts";
import type { WireRecord } from "./resolve-records.ts";

/** Whether a record is an address of this machine, of a private network or of a link. */
export function isPrivateAddress(record: WireRecord): boolean {
  const [a, b] = record.head;
  if (record.type === TYPE.A) {
    return isPrivateIpv4(a, b);
  }
  if (record.type !== TYPE.AAAA) {
    return false;
  }
  const isZero = record.head.subarray(0, 10).every((byte) => byte === 0);
  if (isZero && ((record.head[10] === 0xff && record.head[11] === 0xff) || record.head[12] !== 0)) {
    return isPrivateIpv4(record.head[12], record.head[13]);
  }
  return isZero || (a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80);
}

function isPrivateIpv4(a: number, b: number): boolean {
  const isShared = a === 100 && (b & 0xc0) === 64;
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    isShared ||
    (a === 169 && b === 254) ||
    (a === 172 && (b & 0xf0) === 16) ||
    (a === 192 && b === 168)
  );
}
