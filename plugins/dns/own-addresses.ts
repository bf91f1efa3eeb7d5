import { networkInterfaces } from "node:os";
import type { ListenAddress } from "./settings.ts";

/** Addresses under which this machine is asked, without loopback where there are others. For the zone's own name server. */
export function ownAddresses(listen: readonly ListenAddress[]): readonly string[] {
  const fixed = listen.map(({ address }) => address).filter((address) => address !== "0.0.0.0" && address !== "::");
  const families = new Set<string>();
  for (const { address } of listen) {
    if (address === "::") {
      families.add("IPv4").add("IPv6");
    } else if (address === "0.0.0.0") {
      families.add("IPv4");
    }
  }
  const found = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, internal, address }) => !internal && families.has(family) && !address.startsWith("fe80:"))
    .map(({ address }) => address);
  return [...new Set([...fixed, ...found])];
}
