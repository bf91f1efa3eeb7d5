import { codeOf } from "../errors.ts";
import type { KubeObject, ResourceName } from "../kube/client.ts";
import { imprintOf, versionOf } from "./lease-record.ts";
import { GROUP_LABEL, type MemberRecord, readMember } from "./shard-member.ts";
import type { ShardOptions } from "./shard-options.ts";

/**
 * Leases of members that are gone are removed when nobody renewed them for so many durations: who joins later would have to
 * take them for members that live, until their time is over by its own clock.
 */
const FORGOTTEN_AFTER = 2;

/** Another member, as it was last seen. */
interface Seen extends MemberRecord {
  readonly imprint: string;
  /** When this state of the Lease was first seen, by our clock. */
  readonly sinceMs: number;
}

/** What to look at, and with which limits. */
export interface GroupParts {
  readonly options: Pick<ShardOptions, "client" | "clock" | "log" | "group" | "namespace">;
  /** Our own Lease. */
  readonly own: ResourceName;
  readonly leaseDurationMs: number;
  /** Of one request, milliseconds. */
  readonly timeoutMs: number;
}

/** The other members of a group, by their Leases. */
export class ShardGroup {
  readonly #parts: GroupParts;
  readonly #others = new Map<string, Seen>();
  #removesAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  /**
   * Reads all members; gives those that live, and any that could still believe that they do. `tidies`: Leases of those that are
   * gone for long are removed. Rejects with KUBE_*.
   */
  async look(signal: AbortSignal, tidies: boolean): Promise<readonly MemberRecord[]> {
    const { options, leaseDurationMs } = this.#parts;
    const there = await this.#list(signal);
    const now = options.clock.now();
    let litter: string | undefined;
    for (const [name, { sinceMs, record }] of this.#others) {
      const durationMs = record.durationSeconds * 1000;
      // One that was deleted while its member lived has the time that it was promised.
      if (now - sinceMs >= durationMs && !there.has(name)) {
        this.#others.delete(name);
      } else if (now - sinceMs >= Math.max(durationMs, leaseDurationMs) * FORGOTTEN_AFTER) {
        litter = name;
      }
    }
    if (litter !== undefined && tidies && now >= this.#removesAgainAtMs) {
      await this.#remove(litter, signal);
    }
    return [...this.#others.values()].filter(
      ({ identity, record, sinceMs }) => identity !== "" && now - sinceMs < record.durationSeconds * 1000,
    );
  }

  /** Notes the members that there are; gives the names of their Leases. */
  async #list(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { options, own, timeoutMs } = this.#parts;
    const { client, group, namespace } = options;
    const labelSelector = `${GROUP_LABEL}=${group}`;
    const { apiVersion, plural } = own;
    const there = new Set<string>();
    for await (const page of client.pages({ apiVersion, plural, namespace }, { labelSelector, signal, timeoutMs })) {
      for (const lease of page.items) {
        const name = String(lease.metadata?.name);
        if (name !== own.name) {
          there.add(name);
          this.#see(name, lease);
        }
      }
    }
    return there;
  }

  #see(name: string, lease: KubeObject): void {
    const member = readMember(lease);
    const imprint = imprintOf(lease);
    const before = this.#others.get(name);
    const sinceMs = before?.imprint === imprint ? before.sinceMs : this.#parts.options.clock.now();
    this.#others.set(name, { ...member, imprint, sinceMs });
  }

  /** A Lease that nobody renewed for long is litter. A member that comes back to it begins anew, as it must anyway. */
  async #remove(name: string, signal: AbortSignal): Promise<void> {
    const { options, own, leaseDurationMs, timeoutMs } = this.#parts;
    const { client, log, group, clock } = options;
    const target = { ...own, name };
    try {
      const lease = await client.get(target, { signal, timeoutMs });
      if (imprintOf(lease) === this.#others.get(name)?.imprint) {
        await client.delete(target, { resourceVersion: versionOf(lease), signal, timeoutMs });
        this.#others.delete(name);
      }
    } catch (error) {
      this.#removesAgainAtMs = clock.now() + leaseDurationMs * FORGOTTEN_AFTER;
      log.debug({ group, lease: name, code: codeOf(error) }, "lease of a former member not removed");
    }
  }
}
