/** A socket address to answer on. */
export interface ListenAddress {
  /** IPv4 or IPv6; "0.0.0.0" and "::" are all of that family, "::" takes IPv4 too. */
  readonly address: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly udp: boolean;
  readonly tcp: boolean;
}

/** What the cluster's zone is made of. */
export interface ZoneOptions {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  /** CIDRs whose reverse names are ours; undefined: all of in-addr.arpa and ip6.arpa. */
  readonly reverse: readonly string[] | undefined;
  /** Seconds. */
  readonly ttl: number;
  /** Seconds, of answers that say no. */
  readonly negativeTtl: number;
  /** Names made of a pod's address: none, all that can be read, or those of pods that exist. */
  readonly pods: "disabled" | "insecure" | "verified";
  /** Which addresses have a name: those of services, of their endpoints too, or of pods too. */
  readonly ptr: "services" | "endpoints" | "pods";
  /** Endpoints without a hostname are called like their pod. */
  readonly endpointPodNames: boolean;
  /** Globs; deny wins. */
  readonly namespaces: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  /** Only services with these labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** A service with a cluster address and no ready endpoint has no name. */
  readonly ignoreEmptyServices: boolean;
  /** Endpoints are not read: only services with a cluster address have names. */
  readonly noEndpoints: boolean;
  /** Names of the zone that do not exist are asked elsewhere. */
  readonly fallthrough: boolean;
  /** Before the caches are complete: SERVFAIL, or what the forwarder says. */
  readonly beforeSync: "servfail" | "forward";
  /** Largest index in bytes. */
  readonly maxIndexBytes: number;
  /** Endpoints of one service that get names. */
  readonly maxEndpoints: number;
}

/** Names outside of the cluster. */
export interface AliasOptions {
  /** Name, or "*.name" -> addresses. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** A file as /etc/hosts is one, read again when it changes. */
  readonly file: string | undefined;
  /** Seconds. */
  readonly ttl: number;
  /** Types that an alias does not have are asked of the next source. */
  readonly fallthrough: boolean;
}

/** Where names under `zone` are asked. */
export interface ForwardRoute {
  /** Lower case, without a dot at its end; "" is every name. */
  readonly zone: string;
  /** "ip" or "ip:port" or "[ip]:port"; "system": those of /etc/resolv.conf. */
  readonly to: readonly string[];
  readonly policy: "random" | "round_robin" | "sequential";
  /** Always over TCP. */
  readonly tcp: boolean;
  /** Longest wait for one upstream, milliseconds. */
  readonly timeoutMs: number;
  /** Zones under `zone` that this route does not take. Default: none. */
  readonly except?: readonly string[];
  /** So many failures in a row make an upstream down until a probe is answered; 0: never. Default 2. */
  readonly maxFails?: number;
  /** All upstreams down: fail at once instead of trying one at random. Default false. */
  readonly failFast?: boolean;
  /** Answers with these codes are asked of the next upstream. Default: SERVFAIL, REFUSED, NOTIMP, FORMERR. */
  readonly failover?: readonly ForwardCode[];
  /** Answers with these codes are asked of the route with the next shorter zone. Default: none. */
  readonly next?: readonly (ForwardCode | "NODATA")[];
  /** Letters of questions get a random case, which answers must repeat. Default true. */
  readonly randomCase?: boolean;
  /** Name that probes ask for, type NS. Default "": the root. */
  readonly healthName?: string;
  /** Private addresses are taken out of answers. Default false. */
  readonly rebindProtection?: boolean;
}

/** Codes of answers that a route can react to. */
export type ForwardCode = "FORMERR" | "SERVFAIL" | "NXDOMAIN" | "NOTIMP" | "REFUSED";

/** How long forwarded answers are kept, and how many. */
export interface CacheOptions {
  /** Seconds; 0: not kept. */
  readonly positive: number;
  readonly negative: number;
  readonly servfail: number;
  readonly entries: number;
  readonly bytes: number;
  /** So long after their end answers are given while no upstream answers, seconds. */
  readonly stale: number;
  /** TTL of such answers, seconds. Default 30. */
  readonly staleTtl?: number;
  /** Upstreams have so long before a stale answer is given, milliseconds; 0: it is given at once. Default 1800. */
  readonly staleAfterMs?: number;
  /** After a failure upstreams are not asked again for an answer that is stale, seconds. Default 30. */
  readonly recheck?: number;
  /** Shorter TTLs are lifted to this, seconds. Default 0. */
  readonly minimum?: number;
  /** TTLs are given as they were, not counted down. Default false. */
  readonly keepTtl?: boolean;
  /** An answer that was given so often is asked anew in its last tenth; 0: never. Default 0. */
  readonly prefetchHits?: number;
  /** Zones whose answers, or whose answers that say no, are not kept. Default: none. */
  readonly exceptPositive?: readonly string[];
  readonly exceptNegative?: readonly string[];
}

/** Who may ask. CIDRs. */
export interface AclOptions {
  /** Undefined: everybody. */
  readonly allow: readonly string[] | undefined;
  /** Wins over `allow`. */
  readonly deny: readonly string[];
  /** Who may ask names that are not ours. Undefined: private addresses and this machine. */
  readonly recursion: readonly string[] | undefined;
}

/** What a client, or all together, may take. */
export interface LimitOptions {
  readonly forwards: number;
  readonly forwardsPerClient: number;
  /** CNAMEs that one answer may hold. Default 11. */
  readonly cnames?: number;
  readonly tcpConnections: number;
  readonly tcpPerClient: number;
  readonly tcpOutstanding: number;
  readonly tcpIdleMs: number;
  readonly tcpFirstByteMs: number;
  /** Queries a second of one address (/32, /64); 0: no limit. */
  readonly queriesPerClient: number;
  /** Answers that say no or report an error, a second to one network (/24, /56); 0: no limit. */
  readonly errorsPerNetwork: number;
  /** Receive buffer of a UDP socket, bytes. */
  readonly receiveBuffer: number;
}

/** The query log. */
export interface QueryLogOptions {
  /** Part of the queries that is logged, 0 to 1. */
  readonly sample: number;
  /** Lines a second at most. */
  readonly perSecond: number;
}

/** Options with all defaults filled in, as plain data for threads. */
export interface DnsSettings {
  readonly listen: readonly ListenAddress[];
  readonly workers: number;
  /** Other processes of the same user may answer on the same ports. */
  readonly sharePort: boolean;
  /** Largest UDP answer, bytes. */
  readonly maxUdp: number;
  readonly zone: ZoneOptions;
  readonly aliases: AliasOptions;
  /** Empty: names that are not ours are refused. */
  readonly forward: readonly ForwardRoute[];
  readonly cache: CacheOptions;
  readonly acl: AclOptions;
  readonly limits: LimitOptions;
  readonly log: QueryLogOptions;
  /** So long it answers on after it was told to stop, milliseconds. */
  readonly lameDuckMs: number;
}
