import {
  type GroupRecord,
  PORT_HEAD,
  type PortRecord,
  type TargetPlace,
  type TargetRecord,
  targetPlaces,
} from "./records.ts";

/**
 * Labels of the endpoints that are in a host value as they are in `groups`: once, with the same addresses and ports. Of a
 * large service that changes a little these are nearly all, and need not be looked at.
 */
export function sameTargets(bytes: Uint8Array, at: number, groups: readonly GroupRecord[]): ReadonlySet<string> {
  const places = new Map<string, TargetPlace | undefined>();
  for (const place of targetPlaces(bytes, at)) {
    places.set(place.label, places.has(place.label) ? undefined : place);
  }
  const same = new Set<string>();
  for (const { ports, targets } of groups) {
    /** Whether the ports are those of an old group, by its number. */
    const isSame: boolean[] = [];
    for (const target of targets) {
      const place = places.get(target.label);
      places.set(target.label, undefined);
      if (place === undefined) {
        // It comes more than once, or is new.
        same.delete(target.label);
        continue;
      }
      isSame[place.group] ??= arePorts(bytes, place, ports);
      if (isSame[place.group] && isTarget(bytes, place.at, target)) {
        same.add(target.label);
      }
    }
  }
  return same;
}

function arePorts(bytes: Uint8Array, { portsAt, portsEnd }: TargetPlace, ports: readonly PortRecord[]): boolean {
  let at = portsAt;
  for (const { number, protocol, name } of ports) {
    const size = bytes[at + 3];
    const isPort = bytes[at] === number >> 8 && bytes[at + 1] === (number & 255) && bytes[at + 2] === protocol;
    if (
      at >= portsEnd ||
      !isPort ||
      Buffer.from(bytes.subarray(at + PORT_HEAD, at + PORT_HEAD + size)).toString("latin1") !== name
    ) {
      return false;
    }
    at += PORT_HEAD + size;
  }
  return at === portsEnd;
}

function isTarget(bytes: Uint8Array, at: number, { v4, v6 }: TargetRecord): boolean {
  if (bytes[at] !== v4.length || bytes[at + 1] !== v6.length) {
    return false;
  }
  let next = at + 2;
  for (const addresses of [v4, v6]) {
    for (const address of addresses) {
      for (let n = 0; n < address.length; n++) {
        if (bytes[next++] !== address[n]) {
          return false;
        }
      }
    }
  }
  return true;
}
