import type { Place } from "./address.ts";
import type { HookQuestion } from "./hook-line.ts";
import type { DnsQueryAnswer } from "./hook-messages.ts";
import type { DnsSettings, ListenAddress } from "./settings.ts";

/** What a thread that answers is started with. */
export interface ServerData {
  /** Places have the port that was found. */
  readonly settings: DnsSettings;
  /** 0 follows the store and writes the index of names; the others read it. */
  readonly worker: number;
  readonly figures: SharedArrayBuffer;
  /** The same in all threads: tells our own questions when they come round. */
  readonly loopToken: string;
  /** For hashes that nobody can guess; differs from thread to thread. */
  readonly seed: number;
  /** Addresses of this machine, for the name server's own name. */
  readonly ownAddresses: readonly string[];
}

/** A question that was kept while no thread was there to answer. */
export interface HeldQuery {
  /** Which of `listen`. */
  readonly at: number;
  readonly query: Uint8Array;
  readonly from: Place;
}

/** To a thread that answers. */
export type ToServer =
  | { readonly kind: "answer"; readonly id: number; readonly answer: DnsQueryAnswer }
  | { readonly kind: "held"; readonly queries: readonly HeldQuery[] }
  /** Where the index of names is; sent again when it has moved. */
  | { readonly kind: "index"; readonly handle: unknown }
  /** Other settings, with which its sockets and its zone stay as they are. */
  | { readonly kind: "settings"; readonly settings: DnsSettings }
  /** Take no more connections, and say when nothing is outstanding. */
  | { readonly kind: "drain" };

/** From a thread that answers. */
export type FromServer =
  | HookQuestion
  /** A new life of it. */
  | { readonly kind: "begun" }
  | { readonly kind: "index"; readonly handle: unknown }
  | { readonly kind: "drained" };

/** True where a place is one of IPv6 alone, since IPv4 has its own on the same port. */
export function isIpv6Only(place: ListenAddress, all: readonly ListenAddress[]): boolean {
  return place.address === "::" && all.some((other) => other.port === place.port && !other.address.includes(":"));
}
