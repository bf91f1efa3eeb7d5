import type { NameIndex } from "./name-index.ts";
import {
  addressesIn,
  HOST_HEADLESS,
  HOST_PORTS,
  pointersIn,
  portsAt,
  portsEnd,
  TAG,
  targetsIn,
  VALUE,
} from "./records.ts";
import { addressText, textOf } from "./zone-names.ts";

const DOMAINS = ["svc", "pod", "node"];

/** Everything that an index holds, as text. */
export function dumpIndex(index: NameIndex): Record<string, unknown> {
  const found: [string, unknown][] = [];
  index.each((tag, key, value) => found.push([nameOf(tag, key), contentOf(value)]));
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function nameOf(tag: number, key: Uint8Array): string {
  switch (tag) {
    case TAG.service:
      return `svc ${textOf(key)}`;
    case TAG.address:
      return addressText(key);
    case TAG.pod:
      return `pod ${textOf(key, 0, key[0] + 1)} ${addressText(key.subarray(key[0] + 1))}`;
    case TAG.node:
      return `node ${textOf(key)}`;
    default:
      return `${tag} ${key}`;
  }
}

function contentOf(value: Uint8Array): unknown {
  switch (value[0]) {
    case VALUE.host: {
      const start = portsAt(value, 0);
      return {
        isHeadless: value[HOST_HEADLESS],
        addresses: addressesIn(value, 0).map(addressText),
        ports: [...value.subarray(start, portsEnd(value, start, value[HOST_PORTS]))].join(),
        targets: targetsIn(value, 0).map(
          ({ label, addresses, ports }) => `${label} ${addresses.map(addressText)} ${ports.join()}`,
        ),
      };
    }
    case VALUE.alias:
      return textOf(value, 2, 2 + value[1]);
    case VALUE.pointers:
      return pointersIn(value, 0).map(
        ({ rank, domain, labels, facts }) => `${rank} ${textOf(labels)}.${DOMAINS[domain]} ${facts}`,
      );
    case VALUE.pod:
      return value.subarray(2, 2 + value[1]).join();
    default:
      return "";
  }
}
