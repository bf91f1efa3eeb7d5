import { isIP } from "node:net";
import { z } from "zod";
import { parseCidr, parseListen } from "./address.ts";
import { aliasRecords } from "./alias-names.ts";
import type { ListenAddress } from "./settings.ts";
import { msOf, plainName } from "./settings-of.ts";
import { parseUpstream } from "./upstream-address.ts";
import { reverseZones } from "./zone-plan.ts";

const MIB = 1024 * 1024;

const ip = z.string().refine((text) => isIP(text) !== 0, "expected an IPv4 or IPv6 address");

/** Records have no room for the interface that "fe80::1%eth0" names. */
const recordIp = ip.refine((text) => !text.includes("%"), "expected an IPv4 or IPv6 address without an interface");

const cidr = z
  .string()
  .refine(
    (text) => parseCidr(text) !== undefined,
    'expected an address or a network such as "10.0.0.0/8" or "fd00::/8"',
  );

const domain = z
  .string()
  .refine(isDomain, 'expected a domain name such as "cluster.local": labels of 1 to 63 characters, 253 in all')
  .transform(plainName);

const domainOrRoot = z
  .string()
  .refine((text) => text === "." || isDomain(text), 'expected a domain name such as "corp.example.org", or "."')
  .transform((text) => (text === "." ? text : plainName(text)));

/** Kept as it is written, see `msOf`. */
const duration = (mostMs: number, leastMs = 0) =>
  z.union([z.number(), z.string()]).refine(
    (given) => {
      const ms = msOf(given);
      return ms >= leastMs && ms <= mostMs;
    },
    `expected a time of ${leastMs > 0 ? `${leastMs} ms` : "0"} to ${mostMs / 1000} s as "500ms", "5s" or "1m", or a number of seconds`,
  );

const upstream = z.string().superRefine((text, context) => {
  try {
    if (text !== "system") {
      parseUpstream(text);
    }
  } catch {
    const message =
      'expected "system", an address, or address:port such as "192.0.2.53:53" or "[2001:db8::53]:53"; ports are 1 to 65535';
    context.addIssue({ code: "custom", message });
  }
});

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
  zone: domainOrRoot.default(".").describe("Names at and under it; the longest zone wins."),
  to: z.union([upstream, z.array(upstream).min(1).max(15)]),
  policy: z.enum(["random", "round_robin", "sequential"]).default("random"),
  tcp: z.boolean().default(false).describe("Always ask over TCP."),
  timeout: duration(4500, 10).default("2s").describe("Longest wait for one upstream."),
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
  healthName: domainOrRoot.default(".").describe("Name that probes ask for."),
  rebindProtection: z.boolean().default(false).describe("Private addresses are taken out of answers."),
});

const forward = z.union([upstream, z.array(upstream).min(1).max(15), z.array(Route).superRefine(checkRoutes)]);

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
  staleAfter: duration(4500).default("1.8s").describe("Upstreams have so long before such an answer is given."),
  recheck: seconds(300, 30).describe("Pause after a failure before upstreams are asked again for a stale answer."),
  minimum: seconds(3600, 0).describe("Shorter TTLs are lifted to this."),
  keepTtl: z.boolean().default(false).describe("TTLs are given as they were."),
  prefetchHits: z.int().min(0).default(0).describe("Answers given so often are asked anew before their end; 0: never."),
  exceptPositive: z.array(domain).default([]).describe("Zones whose answers are not kept."),
  exceptNegative: z.array(domain).default([]).describe("Zones whose answers that say no are not kept."),
});

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
  tcpIdle: duration(600_000, 250).default("10s"),
  tcpFirstByte: duration(60_000, 250).default("3s"),
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

/** Options of the plugin, as written in YAML, with defaults filled in: written down again they are the same options. */
export const DnsOptions = z.strictObject({
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
    .record(aliasName(), z.union([recordIp, z.array(recordIp).min(1).max(64)]))
    .superRefine(checkAliases)
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
    .union([z.literal(false), Cache])
    .prefault({})
    .describe("Of what upstreams answered; false: none."),
  maxUdp: z.int().min(512).max(4096).default(1232).describe("Largest answer over UDP, bytes."),
  acl: Acl.prefault({}).describe("Who may ask."),
  limits: Limits.prefault({}),
  log: Log.prefault({}).describe("The query log."),
  lameDuck: duration(60_000)
    .default("0s")
    .describe("Answers on for this long after it was told to stop; less than stopTimeoutMs of the plugin."),
});

function aliasName() {
  return z
    .string()
    .refine(
      isAliasName,
      'expected a domain name such as "db.example.org", or "*.example.org" for every name right under it',
    );
}

function isAliasName(text: string): boolean {
  try {
    aliasRecords(text, []);
    return true;
  } catch {
    return false;
  }
}

/** Names differ in more than their case and a last dot. */
function checkAliases(aliases: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const seen = new Map<string, string>();
  for (const given of Object.keys(aliases)) {
    const name = plainName(given);
    const other = seen.get(name);
    if (other !== undefined) {
      const message = `is the same name as "${other}"; write all addresses under one of them`;
      context.addIssue({ code: "custom", path: [given], message });
    }
    seen.set(name, given);
  }
}

/** Of two routes of a zone the second would never be asked. */
function checkRoutes(routes: readonly { readonly zone: string }[], context: z.RefinementCtx): void {
  for (const [at, { zone }] of routes.entries()) {
    if (routes.findIndex((route) => route.zone === zone) < at) {
      const message = `another route has the zone "${zone}" already; write all its upstreams under one "to"`;
      context.addIssue({ code: "custom", path: [at, "zone"], message });
    }
  }
}

/** Networks become zones of whole labels, of which there must not be too many. */
function checkReverse(networks: readonly string[], context: z.RefinementCtx): void {
  try {
    reverseZones(networks);
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
  }
}

function isDomain(text: string): boolean {
  const name = text.replace(/\.$/, "");
  return (
    name.length <= 253 && name.split(".").every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
  );
}
