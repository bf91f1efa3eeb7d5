import { isIP } from "node:net";
import { z } from "zod";
import { parseCidr, parseListen } from "./address.ts";
import type { AclOptions, CacheOptions, DnsSettings, ForwardRoute, ListenAddress } from "./settings.ts";
import { reverseZones } from "./zone-plan.ts";

const MIB = 1024 * 1024;
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

const ip = z.string().refine((text) => isIP(text) !== 0, "expected an IPv4 or IPv6 address");

const cidr = z
  .string()
  .refine(
    (text) => parseCidr(text) !== undefined,
    'expected an address or a network such as "10.0.0.0/8" or "fd00::/8"',
  );

const domain = z
  .string()
  .refine(isDomain, 'expected a domain name such as "cluster.local": labels of 1 to 63 characters, 253 in all')
  .transform((text) => text.toLowerCase().replace(/\.$/, ""));

const duration = (mostMs: number) =>
  z.union([z.number(), z.string()]).transform((given, context): number => {
    const ms = typeof given === "number" ? given : textMs(given);
    if (ms === undefined || !(ms >= 0 && ms <= mostMs)) {
      const message = `expected a time of at most ${mostMs / 1000} s as "500ms", "5s" or "1m", or a number of milliseconds`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
    return ms;
  });

const upstream = z
  .string()
  .refine(
    (text) => text === "system" || parseListen(text, 53) !== undefined,
    'expected "system", an address, or address:port such as "192.0.2.53:53" or "[2001:db8::53]:53"',
  );

const listenText = z.string().transform((text, context): ListenAddress => {
  const place = parseListen(text, undefined);
  if (place === undefined) {
    const message = 'expected address:port such as "0.0.0.0:5353" or "[::]:5353"';
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  }
  return { ...place, udp: true, tcp: true };
});

const listenObject = z
  .strictObject({
    address: ip.default("0.0.0.0"),
    port: z.int().min(0).max(65535).default(5353),
    udp: z.boolean().default(true),
    tcp: z.boolean().default(true),
  })
  .refine(({ udp, tcp }) => udp || tcp, "neither udp nor tcp is left");

const listenOne = z.union([listenText, listenObject]);

const code = z.enum(["FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]);

const Route = z.strictObject({
  zone: z
    .union([z.literal("."), domain])
    .default(".")
    .describe("Names at and under it; the longest zone wins."),
  to: z.union([upstream.transform((one) => [one]), z.array(upstream).min(1).max(15)]),
  policy: z.enum(["random", "round_robin", "sequential"]).default("random"),
  tcp: z.boolean().default(false).describe("Always ask over TCP."),
  timeout: duration(4500).default(2000).describe("Longest wait for one upstream."),
  except: z.array(domain).default([]).describe("Zones under it that this route does not take."),
  maxFails: z
    .int()
    .min(0)
    .max(1000)
    .default(2)
    .describe("Failures in a row after which an upstream is down; 0: never."),
  failFast: z.boolean().default(false).describe("All upstreams down: fail at once instead of trying one."),
  failover: z
    .array(code)
    .default(["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
    .describe("Answers that the next upstream is asked after."),
  next: z
    .array(z.union([code, z.literal("NODATA")]))
    .default([])
    .describe("Answers that the next shorter zone is asked after."),
  randomCase: z.boolean().default(true).describe("Letters of questions get a random case, which answers must repeat."),
  healthName: z
    .union([z.literal(".").transform(() => ""), domain])
    .default("")
    .describe("Name that probes ask for."),
  rebindProtection: z.boolean().default(false).describe("Private addresses are taken out of answers."),
});

const forwardTo = (to: readonly string[]): ForwardRoute[] => [
  { zone: "", to, policy: "random", tcp: false, timeoutMs: 2000 },
];

const forward = z.union([
  upstream.transform((one) => forwardTo([one])),
  z.array(upstream).min(1).max(15).transform(forwardTo),
  z.array(Route).transform((routes) =>
    routes.map(
      ({ timeout, zone, ...route }): ForwardRoute => ({
        ...route,
        zone: zone === "." ? "" : zone,
        timeoutMs: timeout,
      }),
    ),
  ),
]);

const seconds = (most: number, standard: number) => z.int().min(0).max(most).default(standard);

const Cache = z.strictObject({
  positive: seconds(3600, 30).describe("Longest time an answer is kept, seconds; 0: not at all."),
  negative: seconds(3600, 5).describe("Longest time for answers that say no, seconds."),
  servfail: seconds(300, 5).describe("Time for failures of upstreams, seconds."),
  entries: z.int().min(1).max(1_000_000).default(10_000),
  bytes: z
    .int()
    .min(65_536)
    .max(1024 * MIB)
    .default(16 * MIB),
  stale: seconds(86_400, 3600).describe("Time after its end that an answer is given while no upstream answers."),
  staleTtl: z.int().min(1).max(3600).default(30).describe("TTL of such answers, seconds."),
  staleAfter: duration(4500).default(1800).describe("Upstreams have so long before such an answer is given."),
  recheck: seconds(300, 30).describe("Pause after a failure before upstreams are asked again for a stale answer."),
  minimum: seconds(3600, 0).describe("Shorter TTLs are lifted to this."),
  keepTtl: z.boolean().default(false).describe("TTLs are given as they were."),
  prefetchHits: z.int().min(0).default(0).describe("Answers given so often are asked anew before their end; 0: never."),
  exceptPositive: z.array(domain).default([]).describe("Zones whose answers are not kept."),
  exceptNegative: z.array(domain).default([]).describe("Zones whose answers that say no are not kept."),
});

const NO_CACHE = { positive: 0, negative: 0, servfail: 0, entries: 1, bytes: 65_536, stale: 0 } as const;

const Acl = z.strictObject({
  allow: z.array(cidr).min(1).optional().describe("Who is answered. Default: everybody."),
  deny: z.array(cidr).default([]).describe("Who is not; wins over allow."),
  recursion: z
    .array(cidr)
    .optional()
    .describe("Who may ask names that are not of the cluster. Default: private addresses and this machine."),
});

const Limits = z.strictObject({
  forwards: z.int().min(1).max(65_535).default(1000).describe("Questions on their way to upstreams."),
  forwardsPerClient: z.int().min(1).max(65_535).default(100),
  cnames: z.int().min(1).max(100).default(11).describe("CNAMEs of one answer."),
  tcpConnections: z.int().min(1).max(65_535).default(512),
  tcpPerClient: z.int().min(1).max(65_535).default(16),
  tcpOutstanding: z.int().min(1).max(10_000).default(100).describe("Unanswered questions of one connection."),
  tcpIdle: duration(600_000).default(10_000),
  tcpFirstByte: duration(60_000).default(3000),
  queriesPerClient: z.int().min(0).default(0).describe("Queries a second of one address; 0: no limit."),
  errorsPerNetwork: z.int().min(0).default(0).describe("Negative answers a second to one network; 0: no limit."),
  receiveBuffer: z
    .int()
    .min(65_536)
    .max(256 * MIB)
    .default(4 * MIB)
    .describe("Asked for each UDP socket, bytes."),
  indexBytes: z
    .int()
    .min(MIB)
    .max(1024 * MIB)
    .default(256 * MIB)
    .describe("Largest index of names, bytes."),
  endpoints: z.int().min(1).max(100_000).default(5000).describe("Endpoints of one service that get names."),
});

const Log = z.strictObject({
  sample: z.number().min(0).max(1).default(0).describe("Part of the queries that is logged."),
  perSecond: z.int().min(1).max(1000).default(100).describe("Lines a second at most."),
});

const glob = z.string().min(1).max(253);

const Written = z.strictObject({
  listen: z
    .union([listenOne.transform((one) => [one]), z.array(listenOne).min(1).max(16)])
    .prefault("0.0.0.0:5353")
    .describe('Where it answers: "address:port", or a list of them or of {address, port, udp, tcp}.'),
  workers: z.int().min(1).max(32).default(1).describe("Threads; each has its own sockets on the same ports."),
  sharePort: z
    .boolean()
    .default(false)
    .describe("Other processes of the same user may answer on the same ports, as when one is to take over."),
  zone: domain.default("cluster.local").describe("The cluster's domain."),
  reverse: z
    .union([z.literal("auto"), z.array(cidr).superRefine(checkReverse)])
    .default("auto")
    .describe("Networks whose addresses are ours to name; auto: all."),
  ttl: seconds(3600, 5).describe("Seconds that answers may be kept."),
  negativeTtl: seconds(3600, 5).describe("The same for answers that say no."),
  pods: z
    .enum(["disabled", "insecure", "verified"])
    .default("verified")
    .describe("Names of pods by address: none, any address, or only those of pods that exist."),
  ptr: z
    .enum(["services", "endpoints", "pods"])
    .default("endpoints")
    .describe("Which addresses have names: of services, of their endpoints too, of pods too."),
  endpointPodNames: z.boolean().default(false).describe("Endpoints without a hostname are called like their pod."),
  namespaces: z
    .union([
      z.array(glob).transform((allow) => ({ allow, deny: [] as string[] })),
      z.strictObject({ allow: z.array(glob).min(1).default(["*"]), deny: z.array(glob).default([]) }),
    ])
    .prefault({})
    .describe("Namespaces that have names: a list of globs, or {allow, deny}."),
  labels: z.record(z.string().min(1), z.string()).default({}).describe("Only services with these labels."),
  ignoreEmptyServices: z.boolean().default(false).describe("A service without a ready endpoint has no name."),
  noEndpoints: z.boolean().default(false).describe("Endpoints are left out."),
  fallthrough: z.boolean().default(false).describe("Names of the zone that do not exist are asked elsewhere."),
  beforeSync: z
    .enum(["servfail", "forward"])
    .default("servfail")
    .describe("What is said of names of the zone before the caches are complete."),
  aliases: z
    .record(aliasName(), z.union([ip.transform((one) => [one]), z.array(ip).min(1).max(64)]))
    .default({})
    .describe(
      'Names of your own: "db.example.org": address or addresses; "*.example.org" is every name right under it.',
    ),
  aliasFile: z.string().min(1).optional().describe("A file in the form of /etc/hosts; read again when it changes."),
  aliasTtl: seconds(86_400, 30).describe("Seconds that aliases may be kept."),
  aliasFallthrough: z.boolean().default(false).describe("Types that an alias does not have are asked elsewhere."),
  forward: forward
    .default([])
    .describe('Where other names are asked: "system", addresses, or a list of {zone, to, policy, tcp, timeout}.'),
  cache: z
    .union([z.literal(false).transform(() => Cache.parse(NO_CACHE)), Cache])
    .prefault({})
    .describe("Of what upstreams answered; false: none."),
  maxUdp: z.int().min(512).max(4096).default(1232).describe("Largest answer over UDP, bytes."),
  acl: Acl.prefault({}).describe("Who may ask."),
  limits: Limits.prefault({}),
  log: Log.prefault({}).describe("The query log."),
  lameDuck: duration(60_000).default(0).describe("Answers on for this long after it was told to stop."),
});

/** Options of the plugin, as written in YAML; gives them as the plain data that threads are started with. */
export const DnsOptions = Written.transform((written): DnsSettings => {
  const { tcpIdle, tcpFirstByte, indexBytes, endpoints, ...limits } = written.limits;
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
    aliases: {
      names: lowerKeys(written.aliases),
      file: written.aliasFile,
      ttl: written.aliasTtl,
      fallthrough: written.aliasFallthrough,
    },
    forward: written.forward,
    cache: cacheOf(written.cache),
    acl: aclOf(written.acl),
    limits: { ...limits, tcpIdleMs: tcpIdle, tcpFirstByteMs: tcpFirstByte },
    log: written.log,
    lameDuckMs: written.lameDuck,
  };
});

function cacheOf({ staleAfter, ...rest }: z.infer<typeof Cache>): CacheOptions {
  return { ...rest, staleAfterMs: staleAfter };
}

function aclOf({ allow, deny, recursion }: z.infer<typeof Acl>): AclOptions {
  return { allow, deny, recursion };
}

function aliasName() {
  return z
    .string()
    .refine(
      (text) => isDomain(text.replace(/^\*\./, "")),
      'expected a domain name such as "db.example.org", or "*.example.org" for every name right under it',
    );
}

/** Networks become zones of whole labels, of which there must not be too many. */
function checkReverse(networks: readonly string[], context: z.RefinementCtx): void {
  try {
    reverseZones(networks);
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
  }
}

function lowerKeys<Value>(given: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name.toLowerCase().replace(/\.$/, ""), value]),
  );
}

function isDomain(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  return text.length <= 254 && labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

function textMs(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * UNITS_MS[unit];
}
