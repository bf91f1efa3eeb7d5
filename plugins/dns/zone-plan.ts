import { addressBytes, labelsOf } from "./zone-names.ts";

/** A zone as the wire has it. */
export interface WireZone {
  /** Lower case, with the root's byte. */
  readonly wire: Uint8Array;
  readonly labels: number;
}

/** Networks with more zones than this are refused. */
const MOST_ZONES = 256;
const V4_SUFFIX = "in-addr.arpa";
const V6_SUFFIX = "ip6.arpa";

/** The wire form of a zone's name. Throws RangeError. */
export function wireZone(name: string): WireZone {
  const labels = name === "" ? new Uint8Array(0) : labelsOf(name);
  if (labels === undefined) {
    throw new RangeError(`"${name}" is not a domain name: labels have 1 to 63 characters, all of it at most 253`);
  }
  const wire = new Uint8Array(labels.length + 1);
  wire.set(labels);
  return { wire, labels: name === "" ? 0 : name.replace(/\.$/, "").split(".").length };
}

/**
 * The reverse zones of networks; undefined: all of in-addr.arpa and ip6.arpa. A network that ends inside of a label has a
 * zone for each value of that label. Throws RangeError.
 */
export function reverseZones(networks: readonly string[] | undefined): WireZone[] {
  if (networks === undefined) {
    return [wireZone(V4_SUFFIX), wireZone(V6_SUFFIX)];
  }
  const zones = new Set(networks.flatMap(zonesOf));
  if (zones.size > MOST_ZONES) {
    throw new RangeError(`reverse names ${zones.size} zones, at most ${MOST_ZONES} can be; write larger networks`);
  }
  return [...zones].map(wireZone);
}

function zonesOf(network: string): string[] {
  const [text, bits] = network.split("/");
  const address = addressBytes(text);
  const most = (address?.length ?? 0) * 8;
  const prefix = bits === undefined ? most : Number(bits);
  if (address === undefined || !Number.isInteger(prefix) || prefix < 0 || prefix > most) {
    throw new RangeError(`"${network}" is not a network such as "10.0.0.0/8" or "fd00::/8"`);
  }
  const isV4 = address.length === 4;
  const step = isV4 ? 8 : 4;
  const parts = isV4 ? [...address] : [...address].flatMap((byte) => [byte >> 4, byte & 15]);
  const whole = Math.floor(prefix / step);
  const fixed = parts.slice(0, whole);
  const rest = prefix % step;
  const name = (labels: readonly number[]): string =>
    [...[...labels].reverse().map((part) => part.toString(isV4 ? 10 : 16)), isV4 ? V4_SUFFIX : V6_SUFFIX].join(".");
  if (rest === 0) {
    return [name(fixed)];
  }
  const count = 2 ** (step - rest);
  const first = parts[whole] & ~(count - 1);
  return Array.from({ length: count }, (_, n) => name([...fixed, first + n]));
}
