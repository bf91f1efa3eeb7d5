import type { DnsOptions } from "./options.ts";
import type { AliasOptions, CacheOptions, DnsSettings, ForwardRoute } from "./settings.ts";

type Written = (typeof DnsOptions)["_output"];
type WrittenRoute = Exclude<Extract<Written["forward"], readonly unknown[]>[number], string>;

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
const SECOND_MS = 1000;
/** What a cache that is not wanted is. */
const NO_CACHE: CacheOptions = { positive: 0, negative: 0, servfail: 0, entries: 1, bytes: 65_536, stale: 0 };

/** The plain data that threads are started with, of options that were read. */
export function dnsSettings(written: Written): DnsSettings {
  const { tcpIdle, tcpFirstByte, indexBytes, endpoints, ...limits } = written.limits;
  const { allow, deny, recursion } = written.acl;
  return {
    listen: written.listen,
    workers: written.workers,
    sharePort: written.sharePort,
    maxUdp: written.maxUdp,
    zone: {
      name: written.zone,
      reverse: written.reverse === "auto" ? undefined : written.reverse,
      ttl: written.ttl,
      negativeTtl: written.negativeTtl,
      pods: written.pods,
      ptr: written.ptr,
      endpointPodNames: written.endpointPodNames,
      namespaces: written.namespaces,
      labels: written.labels,
      ignoreEmptyServices: written.ignoreEmptyServices,
      noEndpoints: written.noEndpoints,
      fallthrough: written.fallthrough,
      beforeSync: written.beforeSync,
      maxIndexBytes: indexBytes,
      maxEndpoints: endpoints,
    },
    aliases: aliasesOf(written),
    forward: routesOf(written.forward),
    cache: cacheOf(written.cache),
    acl: { allow, deny, recursion },
    limits: { ...limits, tcpIdleMs: msOf(tcpIdle), tcpFirstByteMs: msOf(tcpFirstByte) },
    log: written.log,
    lameDuckMs: msOf(written.lameDuck),
  };
}

/** Milliseconds of "500ms", "5s", "1m", or of a number of seconds; NaN: it is none of these. */
export function msOf(given: string | number): number {
  if (typeof given === "number") {
    return given * SECOND_MS;
  }
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(given) ?? [];
  return number === undefined ? Number.NaN : Number(number) * UNITS_MS[unit];
}

/** A name in lower case without its last dot. */
export function plainName(text: string): string {
  return text.toLowerCase().replace(/\.$/, "");
}

function aliasesOf({ aliases, aliasFile, aliasTtl, aliasFallthrough }: Written): AliasOptions {
  const names = Object.entries(aliases).map(([name, addresses]) => [plainName(name), [addresses].flat()] as const);
  return { names: Object.fromEntries(names), file: aliasFile, ttl: aliasTtl, fallthrough: aliasFallthrough };
}

function routesOf(forward: Written["forward"]): ForwardRoute[] {
  const given = [forward].flat();
  const addresses = given.filter((one) => typeof one === "string");
  const routes = given.filter((one): one is WrittenRoute => typeof one !== "string").map(routeOf);
  return addresses.length === 0 ? routes : [{ zone: "", to: addresses, policy: "random", tcp: false, timeoutMs: 2000 }];
}

function routeOf({ zone, to, timeout, healthName, ...rest }: WrittenRoute): ForwardRoute {
  return {
    ...rest,
    zone: nameBelowRoot(zone),
    to: [to].flat(),
    timeoutMs: msOf(timeout),
    healthName: nameBelowRoot(healthName),
  };
}

function nameBelowRoot(name: string): string {
  return name === "." ? "" : name;
}

function cacheOf(cache: Written["cache"]): CacheOptions {
  if (cache === false) {
    return NO_CACHE;
  }
  const { staleAfter, ...rest } = cache;
  return { ...rest, staleAfterMs: msOf(staleAfter) };
}
