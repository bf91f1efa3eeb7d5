import { createElection } from "../election/election.ts";
import type { Election, ElectionFigures } from "../election/election-options.ts";
import { freshIdentity } from "../election/identity.ts";
import type { Term, WatchedLeadership } from "../election/leadership.ts";
import { recordLeaseEvent } from "../election/lease-events.ts";
import { completeTimes, type ElectionTimes } from "../election/settings.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { ClusterAccess } from "../kube/access.ts";
import { createKubeClient, type KubeClient } from "../kube/client.ts";
import { connect, type HttpTransport } from "../kube/http-transport.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import type { NoticeBoard } from "./notices.ts";

/** Which lease to lead by, and how. The lease can be shared with candidates that use client-go. */
export interface LeaderElectionOptions extends ElectionTimes {
  /** False: nobody is elected, as without this option. Default true. */
  readonly enabled?: boolean | undefined;
  /** Name of the Lease; another one for each program. Default "fairlead". */
  readonly lease?: string | undefined;
  /** Namespace of the Lease. Default: that of the kubeconfig's context or of the service account, then "default". */
  readonly namespace?: string | undefined;
  /** Who this process is: another one in each process. Default: the host and random letters. */
  readonly identity?: string | undefined;
  /** Give the lease away on `stop`, so that another one need not wait for its end. Default true. */
  readonly releaseOnStop?: boolean | undefined;
}

export const DEFAULT_LEASE = "fairlead";

/** What the election of a controller works with. */
export interface ControllerElectionParts {
  readonly options: LeaderElectionOptions;
  readonly access: ClusterAccess;
  readonly log: Logger;
  readonly notices: NoticeBoard;
  readonly clock: Clock;
}

/** The election of one controller, on a connection of its own: no flood of other requests delays a renewal. */
export class ControllerElection implements WatchedLeadership {
  readonly handOverMs: number;
  readonly #parts: ControllerElectionParts;
  readonly #election: Election;
  readonly #transport: HttpTransport;
  readonly #listeners = new Set<(isLeading: boolean) => void | Promise<void>>();
  /** Events that are on their way. */
  readonly #events = new Set<Promise<void>>();

  /** Throws ELECTION_BAD_OPTION. */
  constructor(parts: ControllerElectionParts) {
    const { options, access, log, clock } = parts;
    const times = completeTimes(options);
    this.#parts = parts;
    this.handOverMs = times.leaseDurationMs - times.renewDeadlineMs;
    this.#transport = connect(access, { warn: (detail, facts) => log.warn({ ...facts, detail }, "connection") });
    const client: KubeClient = createKubeClient(this.#transport, { maxRetries: 0 });
    const identity = options.identity ?? freshIdentity();
    this.#election = createElection({
      ...times,
      client,
      lease: { namespace: options.namespace ?? access.namespace ?? "default", name: options.lease ?? DEFAULT_LEASE },
      identity,
      clock,
      log,
      onLeading: (term) => this.#onLeading(term),
      onFollowing: () => this.#onFollowing(),
      onEvent: (lease, what) => {
        const event = recordLeaseEvent(client, lease, { identity, what, atMs: clock.wallNow(), log });
        this.#events.add(event);
        void event.finally(() => this.#events.delete(event));
      },
      onSilence: () => this.#transport.reset("a request of the election was not answered in time"),
    });
  }

  get identity(): string {
    return this.#election.identity;
  }

  get isLeader(): boolean {
    return this.#election.isLeader;
  }

  get leader(): string {
    return this.#election.leader;
  }

  term(): Term {
    return this.#election.term();
  }

  fence(): void {
    this.#election.fence();
  }

  onChange(listener: (isLeading: boolean) => void | Promise<void>): () => void {
    // One for each call, so that a function can be given twice.
    const own = (isLeading: boolean): void | Promise<void> => listener(isLeading);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Becomes a candidate. */
  start(): void {
    this.#election.start();
  }

  figures(): ElectionFigures & { readonly leaseDurationMs: number } {
    return { ...this.#election.figures(), leaseDurationMs: completeTimes(this.#parts.options).leaseDurationMs };
  }

  /** Gives the lease away and closes the connection. Never rejects. */
  async stop(): Promise<void> {
    await this.#election.stop({ release: this.#parts.options.releaseOnStop !== false });
    await Promise.all(this.#events);
    await this.#transport.close();
  }

  async #onLeading(term: Term): Promise<void> {
    const { identity } = this;
    this.#parts.notices.tell("leading", { identity, term: term.number });
    await this.#tell(true);
  }

  async #onFollowing(): Promise<void> {
    const { identity, leader } = this;
    this.#parts.notices.tell("following", { identity, leader });
    await this.#tell(false);
  }

  /** Every listener is told, whatever another one does. */
  async #tell(isLeading: boolean): Promise<void> {
    const results = await Promise.allSettled([...this.#listeners].map(async (listener) => await listener(isLeading)));
    for (const result of results) {
      if (result.status === "rejected") {
        const { log } = this.#parts;
        log.error(
          { isLeading, code: codeOf(result.reason), detail: messageOf(result.reason) },
          "a change of leadership failed",
        );
      }
    }
  }
}
