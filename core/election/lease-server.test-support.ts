import { FairleadError } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import type { Clock, Timer } from "../watch/clock.ts";
import type { ManualClock } from "../watch/manual-clock.test-support.ts";
import { readRecord } from "./lease-record.ts";
import type { ShardClient } from "./shard-options.ts";

/** A request that came to the server. */
export interface SeenCall {
  readonly verb: "get" | "create" | "update" | "delete" | "list";
  readonly by: string;
  readonly holder: string;
}

/** For tests: the Leases of an API server, with versions and conflicts. */
export class LeaseServer {
  readonly calls: SeenCall[] = [];
  readonly leases = new Map<string, KubeObject>();
  #version = 0;

  /** The verbs of the last calls, as client-go's tests write them. */
  verbs(): string {
    return this.calls.map(({ verb }) => verb).join(", ");
  }

  get(name: string): KubeObject {
    const lease = this.leases.get(name);
    if (lease === undefined) {
      throw new FairleadError("KUBE_NOT_FOUND", `leases "${name}" not found`);
    }
    return structuredClone(lease);
  }

  put(name: string, object: KubeObject): KubeObject {
    this.#version++;
    const stored = structuredClone({
      ...object,
      metadata: { ...object.metadata, name, uid: "u1", resourceVersion: String(this.#version) },
    });
    this.leases.set(name, stored);
    return structuredClone(stored);
  }

  serve(verb: SeenCall["verb"], by: string, name: string, object: KubeObject = {}): KubeObject {
    this.calls.push({ verb, by, holder: readRecord(object).holder });
    const there = this.leases.get(name);
    if (verb === "get") {
      return this.get(name);
    }
    if (verb === "list") {
      return { items: structuredClone([...this.leases.values()]) };
    }
    if (verb === "delete") {
      this.leases.delete(name);
      return {};
    }
    if (verb === "create") {
      if (there !== undefined) {
        throw new FairleadError("KUBE_ALREADY_EXISTS", `leases "${name}" already exists`);
      }
      return this.put(name, object);
    }
    if (there === undefined) {
      throw new FairleadError("KUBE_NOT_FOUND", `leases "${name}" not found`);
    }
    if (object.metadata?.resourceVersion !== there.metadata?.resourceVersion) {
      throw new FairleadError("KUBE_CONFLICT", `leases "${name}" has been modified`);
    }
    return this.put(name, object);
  }
}

/** What the network between a candidate and the server does. */
export interface Network {
  /** Milliseconds of each way. */
  latencyMs: number;
  /** What is sent never arrives, or what is answered never does. */
  partition: "none" | "to-server" | "to-client";
  /** Thrown instead of what the server would answer, once each. */
  readonly errors: Error[];
}

/** A machine of its own: its clock runs with the world's, but shows other times, and it can be stopped in its tracks. */
export class Machine implements Clock {
  readonly network: Network = { latencyMs: 0, partition: "none", errors: [] };
  readonly #world: ManualClock;
  readonly #monotonicOffsetMs: number;
  readonly #late: (() => void)[] = [];
  wallOffsetMs: number;
  #isPaused = false;

  constructor(world: ManualClock, wallOffsetMs = 0, monotonicOffsetMs = 0) {
    this.#world = world;
    this.wallOffsetMs = wallOffsetMs;
    this.#monotonicOffsetMs = monotonicOffsetMs;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  now(): number {
    return this.#world.now() + this.#monotonicOffsetMs;
  }

  wallNow(): number {
    return this.#world.wallNow() + this.wallOffsetMs;
  }

  setTimer(ms: number, callback: () => void): Timer {
    let isCleared = false;
    const timer = this.#world.setTimer(ms, () =>
      this.#whenRunning(() => {
        if (!isCleared) {
          callback();
        }
      }),
    );
    return {
      clear: () => {
        isCleared = true;
        timer.clear();
      },
    };
  }

  /** As SIGSTOP: nothing runs, and nothing is read from the network. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const callback of this.#late.splice(0)) {
      callback();
    }
  }

  /** The server as this machine reaches it. */
  client(server: LeaseServer, by: string): ShardClient {
    type Options = { readonly signal?: AbortSignal; readonly timeoutMs?: number } | undefined;
    const call = (verb: SeenCall["verb"], name: string, object: KubeObject, options: Options): Promise<KubeObject> =>
      new Promise((resolve, reject) => {
        options?.signal?.addEventListener("abort", () => {
          timer.clear();
          reject(new FairleadError("KUBE_ABORTED", "cancelled"));
        });
        const timer = this.setTimer(options?.timeoutMs ?? 30_000, () =>
          reject(new FairleadError("KUBE_TIMEOUT", "too long")),
        );
        if (this.network.partition === "to-server") {
          return;
        }
        const answer = (give: () => void): void => {
          if (this.network.partition === "none") {
            timer.clear();
            this.#travel(() => this.#whenRunning(give));
          }
        };
        this.#travel(() => {
          try {
            const error = this.network.errors.shift();
            if (error !== undefined) {
              throw error;
            }
            const answered = server.serve(verb, by, name, object);
            answer(() => resolve(answered));
          } catch (error) {
            answer(() => reject(error));
          }
        });
      });
    const nameOf = (object: KubeObject): string => String(object.metadata?.name);
    return {
      get: ({ name }, options) => call("get", name, {}, options),
      create: ({ name }, object, options) =>
        name === undefined
          ? call("create", nameOf(object), object, options)
          : Promise.reject(new FairleadError("KUBE_METHOD_NOT_ALLOWED", "POST to an object")),
      update: ({ name }, object, options) => call("update", name, object, options),
      delete: ({ name }, options) => call("delete", name, {}, options),
      async *pages(_target, options) {
        const { items } = await call("list", "", {}, options);
        // The server above gives a list of objects.
        yield { resourceVersion: "1", continue: "", remaining: 0, restarted: false, items: items as KubeObject[] };
      },
    };
  }

  #travel(arrive: () => void): void {
    if (this.network.latencyMs === 0) {
      queueMicrotask(arrive);
      return;
    }
    this.#world.setTimer(this.network.latencyMs, arrive);
  }

  #whenRunning(callback: () => void): void {
    if (this.#isPaused) {
      this.#late.push(callback);
      return;
    }
    callback();
  }
}
