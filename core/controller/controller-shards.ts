import { freshIdentity } from "../election/identity.ts";
import type { ElectionTimes } from "../election/settings.ts";
import type { ShardFigures, Shards } from "../election/shard-options.ts";
import { createShards } from "../election/shards.ts";
import type { ClusterAccess } from "../kube/access.ts";
import { createKubeClient } from "../kube/client.ts";
import { connect, type HttpTransport } from "../kube/http-transport.ts";
import type { Logger } from "../log.ts";
import type { OwnKeys } from "../reconcile/run-loop.ts";
import type { Clock } from "../watch/clock.ts";

/** How several processes share the work of controllers out. */
export interface ShardingOptions extends ElectionTimes {
  /** Name of all that share the same work; at most 40 letters. Default "fairlead". */
  readonly group?: string | undefined;
  /** Namespace of the members' Leases. Default: that of the kubeconfig's context or of the service account, then "default". */
  readonly namespace?: string | undefined;
  /** Who this process is: another one in each process. Default: the host and random letters. */
  readonly identity?: string | undefined;
  /** What belongs together: all objects of a namespace (default), or each object by itself. */
  readonly by?: "namespace" | "object" | undefined;
}

/** Which objects are this process's own. */
export interface OwnObjects {
  /** Whether the object "namespace/name" is this process's now, by the clocks of this machine. */
  owns(key: string): boolean;
  /** Throws SHARD_NOT_OWNED unless it is. Call it before each write that you send past the controllers. */
  check(key: string): void;
  /**
   * Calls back when objects have come or are to go. What goes may be another process's when what the listener gives has
   * resolved: end your work on it first. Gives what ends it.
   */
  changes(listener: () => void | Promise<void>): () => void;
}

/** What the shards of a controller work with. */
export interface ControllerShardsParts {
  readonly options: ShardingOptions;
  readonly access: ClusterAccess;
  readonly log: Logger;
  readonly clock: Clock;
}

/** The part of one process in the work of its group, on a connection of its own. */
export class ControllerShards implements OwnKeys, OwnObjects {
  readonly #shards: Shards;
  readonly #transport: HttpTransport;
  readonly #isByObject: boolean;

  /** Throws ELECTION_BAD_OPTION. */
  constructor({ options, access, log, clock }: ControllerShardsParts) {
    const { group = "fairlead", namespace = access.namespace ?? "default", identity = freshIdentity(), by } = options;
    this.#isByObject = by === "object";
    this.#transport = connect(access, { warn: (detail, facts) => log.warn({ ...facts, detail }, "connection") });
    this.#shards = createShards({
      ...options,
      client: createKubeClient(this.#transport, { maxRetries: 0 }),
      namespace,
      group,
      identity,
      clock,
      log,
      onSilence: () => this.#transport.reset("a request of the shards was not answered in time"),
    });
  }

  owns(key: string): boolean {
    return this.#shards.owns(this.#shardOf(key));
  }

  check(key: string): void {
    this.#shards.check(this.#shardOf(key));
  }

  changes(listener: () => void | Promise<void>): () => void {
    return this.#shards.changes(listener);
  }

  /** Joins the group. */
  start(): void {
    this.#shards.start();
  }

  figures(): ShardFigures {
    return this.#shards.figures();
  }

  /** Leaves the group and closes the connection. Never rejects. */
  async stop(): Promise<void> {
    await this.#shards.stop();
    await this.#transport.close();
  }

  /** Objects that belong to no namespace are each by itself. */
  #shardOf(key: string): string {
    const slash = key.indexOf("/");
    return this.#isByObject || slash < 0 ? key : key.slice(0, slash);
  }
}
