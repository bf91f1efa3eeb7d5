import { isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** Where an upstream is. */
export interface UpstreamAddress {
  /** IPv4 or IPv6, the latter with its zone if it has one: "fe80::1%eth0". */
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
}

const DNS_PORT = 53;

/**
 * Reads "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353"; the default port is 53. Throws an error whose
 * message says what is wrong.
 */
export function parseUpstream(text: string): UpstreamAddress {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = bracketed ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  const address = plain === null ? text : plain[1];
  const port = plain?.[2] === undefined ? DNS_PORT : Number(plain[2]);
  const family = isIP(address);
  if ((family !== 4 && family !== 6) || (bracketed !== null && family === 4)) {
    throw new Error(`"${text}" is not the address of a DNS server; write an IP address, or "ip:port", "[ipv6]:port"`);
  }
  if (port < 1 || port > 65_535) {
    throw new Error(`"${text}" has a port that cannot be; ports are 1 to 65535`);
  }
  return { address, port, family };
}

/** "ip:port", "[ipv6]:port". */
export function upstreamText(upstream: UpstreamAddress): string {
  return upstream.family === 6 ? `[${upstream.address}]:${upstream.port}` : `${upstream.address}:${upstream.port}`;
}

/** The name servers of a file as /etc/resolv.conf is one. Lines that are not understood are skipped, as resolvers do. */
export function nameServers(text: string): UpstreamAddress[] {
  const found = new Map<string, UpstreamAddress>();
  for (const line of text.split("\n")) {
    const [, address] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    const family = address === undefined ? 0 : isIP(address);
    if (family === 4 || family === 6) {
      found.set(address, { address, port: DNS_PORT, family });
    }
  }
  return [...found.values()];
}

/**
 * Whether a server listening on `own` ("ip:port", "[ipv6]:port") would hear what is sent to the upstream: asking it would be
 * asking ourselves.
 */
export function isOwn(upstream: UpstreamAddress, own: readonly string[]): boolean {
  const addresses = own.flatMap((text) => {
    try {
      return [parseUpstream(text)];
    } catch {
      // "::1:5353" and the like: not an address that can be compared.
      return [];
    }
  });
  return addresses.some((listening) => {
    if (listening.port !== upstream.port) {
      return false;
    }
    const isWildcard = listening.address === "0.0.0.0" || listening.address === "::";
    return isWildcard ? isOfThisMachine(upstream.address) : listening.address === upstream.address;
  });
}

function isOfThisMachine(address: string): boolean {
  if (address.startsWith("127.") || address === "::1" || address === "0.0.0.0" || address === "::") {
    return true;
  }
  const bare = address.replace(/%.*$/, "");
  return Object.values(networkInterfaces()).some((found) => found?.some((one) => one.address === bare) ?? false);
}
