import type { KubeObject } from "../kube/client.ts";
import type { Clock } from "../watch/clock.ts";
import { imprintOf, type LeaseRecord, readRecord, versionOf } from "./lease-record.ts";

/** Tries whose fate is not known: so many of their times are remembered, to recognize them in the Lease. */
const MAX_UNCERTAIN = 64;

/** What a candidate has seen of a Lease, and when by its own clock; and what it has written itself. */
export class LeaseSight {
  readonly #clock: Clock;
  readonly #identity: string;
  /** Times of renewal that this process wrote, or tried to: a record with another one is not ours. */
  readonly #written = new Set<string>();
  #lease: KubeObject | undefined;
  #record: LeaseRecord | undefined;
  #imprint = "";
  #observedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, identity: string) {
    this.#clock = clock;
    this.#identity = identity;
  }

  /** The Lease as it was last seen or written. */
  get lease(): KubeObject | undefined {
    return this.#lease;
  }

  /** Who held it then; "" when nobody did. */
  get holder(): string {
    return this.#record?.holder ?? "";
  }

  /** True once this process has written the Lease, or tried to. */
  get hasWritten(): boolean {
    return this.#written.size > 0;
  }

  /** Notes the Lease as it is; a change counts from `atMs`. */
  observe(lease: KubeObject, atMs = this.#clock.now()): void {
    const imprint = imprintOf(lease);
    if (imprint !== this.#imprint) {
      this.#imprint = imprint;
      this.#observedAtMs = atMs;
    }
    this.#lease = versionOf(lease) === "" ? undefined : lease;
    this.#record = readRecord(lease);
  }

  /** A renewal of this time is about to be sent. */
  sending(renewTime: string): void {
    this.#written.add(renewTime);
    if (this.#written.size > MAX_UNCERTAIN) {
      // The first is that of the last success; those after it are of no more use the older they are.
      const [, oldest] = this.#written;
      this.#written.delete(oldest);
    }
  }

  /** The renewal of this time was taken: none before it can be any more. */
  sent(renewTime: string): void {
    this.#written.clear();
    this.#written.add(renewTime);
  }

  /** True for a record that this very process wrote: one of another process of the same identity is not ours. */
  isOurs(record: LeaseRecord): boolean {
    return record.holder === this.#identity && this.#written.has(record.renewTime);
  }

  /** Milliseconds until the lease that was last seen ends; its own times do not count, only when we saw it change. */
  heldForMs(): number {
    const durationMs = (this.#record?.durationSeconds ?? 0) * 1000;
    return this.#observedAtMs + durationMs - this.#clock.now();
  }

  /** True while somebody holds what was last seen. */
  isHeld(): boolean {
    return this.holder !== "" && this.heldForMs() > 0;
  }

  /** The same, by another process. */
  isHeldByAnother(): boolean {
    return this.isHeld() && !(this.#record !== undefined && this.isOurs(this.#record));
  }
}
