import { isIP } from "node:net";
import { wireName } from "./resolve-question.ts";

/** An address as it is in a record: 4 or 16 bytes, one character a byte. */
export type AddressBytes = string;

/** One alias, checked. */
export interface AliasName {
  /** On the wire, lower case, of a wildcard without its "*". */
  readonly name: string;
  readonly isWildcard: boolean;
  readonly addresses: readonly AddressBytes[];
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/i;

/**
 * Checks a name ("db.example.org", "*.apps.example.org") and its addresses; "::ffff:192.0.2.1" is IPv4. Throws an error whose
 * message says what is wrong.
 */
export function aliasRecords(name: string, addresses: readonly string[]): AliasName {
  const isWildcard = name.startsWith("*.");
  const rest = isWildcard ? name.slice(2) : name;
  const labels = rest.replace(/\.$/, "").split(".");
  const wire = wireName(rest);
  if (wire === undefined || wire === "\0" || labels.some((label) => !LABEL.test(label))) {
    const hint = rest.includes("*") ? `; "*" may only be the first of its labels` : "";
    throw new Error(`"${name}" is not a name${hint}`);
  }
  if (isWildcard && wire.length > 253) {
    throw new Error(`"${name}" is too long for anything to be below it`);
  }
  return { name: wire, isWildcard, addresses: [...new Set(addresses.map(addressBytes))] };
}

/** The bytes of an address. Throws an error whose message says what is wrong. */
export function addressBytes(text: string): AddressBytes {
  const family = isIP(text);
  if (family === 4) {
    return bytes(text.split(".").map(Number));
  }
  if (family !== 6 || text.includes("%")) {
    throw new Error(`"${text}" is not an IP address`);
  }
  const words = wordsOf(text);
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  const all = bytes(words.flatMap((word) => [word >> 8, word & 0xff]));
  return isMapped ? all.slice(12) : all;
}

/** Name on the wire whose PTR record leads to the owner of an address. */
export function reverseName(address: AddressBytes): string {
  const values = [...address].map((character) => character.charCodeAt(0)).reverse();
  if (address.length === 4) {
    return wireName(`${values.join(".")}.in-addr.arpa`) ?? "\0";
  }
  const digits = values.flatMap((value) => [(value & 0x0f).toString(16), (value >> 4).toString(16)]);
  return wireName(`${digits.join(".")}.ip6.arpa`) ?? "\0";
}

function bytes(values: readonly number[]): AddressBytes {
  return String.fromCharCode(...values);
}

/** The eight words of an IPv6 address that was checked. */
function wordsOf(text: string): number[] {
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) => {
    return `${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`;
  });
  const [before, after] = plain.split("::");
  const read = (part: string | undefined): number[] =>
    part === undefined || part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const head = read(before);
  const tail = read(after);
  const gap = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...new Array<number>(gap).fill(0), ...tail];
}
