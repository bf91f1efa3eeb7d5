import { isIP } from "node:net";

/** A host and a port. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** A network: an address and how many of its first bits count. */
export interface Cidr {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/**
 * Reads "192.0.2.1:53", "[2001:db8::1]:53", ":53" for all addresses, and where a standard port is given an address alone.
 * Undefined: none of these.
 */
export function parseListen(text: string, standardPort: number | undefined): Place | undefined {
  if (standardPort !== undefined && isIP(text) !== 0) {
    return { address: text, port: standardPort };
  }
  const [, bracketed, plain, port = standardPort] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = Number(port);
  if (port === undefined || number > 65_535) {
    return undefined;
  }
  if (bracketed !== undefined) {
    return isIP(bracketed) === 6 ? { address: bracketed, port: number } : undefined;
  }
  if (plain === "" && standardPort === undefined) {
    return { address: "0.0.0.0", port: number };
  }
  return isIP(plain) === 4 ? { address: plain, port: number } : undefined;
}

/**
 * Reads "10.0.0.0/8", "fd00::/8" or a single address. Undefined: none of these, an address with an interface, or IPv4 written
 * as IPv6, which no client has here.
 */
export function parseCidr(text: string): Cidr | undefined {
  const [, address, bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = address === undefined ? 0 : isIP(address);
  if (family === 0 || address.includes("%") || /^::ffff:.*\./i.test(address)) {
    return undefined;
  }
  const most = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : Number(bits);
  return prefix > most ? undefined : { address, prefix, family: family === 4 ? "ipv4" : "ipv6" };
}

/** An address as text for a port: "192.0.2.1:53", "[2001:db8::1]:53". */
export function showPlace({ address, port }: Place): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** IPv4 that came in by an IPv6 socket, as IPv4. */
export function unmapped(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** Groups of four digits in /64. */
const V6_GROUPS = 4;

/** The network of an address as limits count it: /24 of IPv4, /64 of IPv6. */
export function networkOf(address: string): string {
  const plain = unmapped(address);
  if (!plain.includes(":")) {
    return plain.slice(0, plain.lastIndexOf("."));
  }
  return prefixV6(plain);
}

/** One client as limits count it: an IPv4 address, or /64 of IPv6, which one machine may have to itself. */
export function clientOf(address: string): string {
  const plain = unmapped(address);
  return plain.includes(":") ? prefixV6(plain) : plain;
}

function prefixV6(address: string): string {
  const [head, tail] = address.split("%", 1)[0].split("::");
  const before = head === "" ? [] : head.split(":");
  if (tail === undefined) {
    return before.slice(0, V6_GROUPS).join(":");
  }
  const after = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after].slice(0, V6_GROUPS).join(":");
}
