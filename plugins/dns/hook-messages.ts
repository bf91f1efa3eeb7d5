/** One record of an answer that a plugin gives. */
export interface DnsHookRecord {
  /** Default: the name that was asked. */
  readonly name?: string;
  readonly type: "A" | "AAAA" | "CNAME" | "TXT" | "PTR" | "SRV" | "MX" | "NS";
  /** Seconds. Default 5. */
  readonly ttl?: number;
  /** An address, a name, a text, {priority, weight, port, target} of SRV, {preference, exchange} of MX. */
  readonly data: string | Readonly<Record<string, string | number>>;
}

/** A question for the hook `dns.query`: of a name that is neither of the cluster nor an alias. */
export interface DnsQuery {
  /** As it was asked, with a dot at its end. */
  readonly name: string;
  /** "A", "AAAA", …, or "TYPE123". */
  readonly type: string;
  /** Address of the client. */
  readonly client: string;
}

/** What a tap of `dns.query` answers; undefined leaves the question to the next one, and to the forwarder at last. */
export type DnsQueryAnswer =
  | undefined
  /** An empty list: the name exists and has no such records. */
  | { readonly records: readonly DnsHookRecord[] }
  /** The name does not exist, or is not to be asked. */
  | { readonly veto: "NXDOMAIN" | "REFUSED" };
