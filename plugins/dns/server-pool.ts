import { randomBytes, randomInt } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Logger, PluginThread, PluginThreads } from "../../core/api/index.ts";
import { showPlace } from "./address.ts";
import type { DnsQuery, DnsQueryAnswer } from "./hook-messages.ts";
import { ownAddresses } from "./own-addresses.ts";
import { PortGuard } from "./port-guard.ts";
import type { FromServer, ServerData, ToServer } from "./server-messages.ts";
import type { DnsSettings } from "./settings.ts";
import { SharedFigures } from "./shared-figures.ts";
import { kindsOfZone } from "./zone-needs.ts";

/** Outstanding answers get so long at the end, milliseconds. */
const DRAIN_MS = 1000;

/** The plugin's own life before may just be giving the port back, milliseconds. */
const PORT_WAIT_MS = 2000;

const MOST_SEED = 2 ** 31;

/** What a pool works with. */
export interface PoolParts {
  readonly threads: PluginThreads;
  readonly log: Logger;
  /** A thread that has not answered for so long is begun anew, milliseconds; longer than a start after a crash takes. */
  readonly reviveAfterMs: number;
  /** Asks the taps of `dns.query`. Never rejects. */
  readonly ask: (question: DnsQuery) => Promise<DnsQueryAnswer>;
}

/** Health of the pool: what is wrong, or undefined. */
export type PoolProblem = string | undefined;

/** The threads that answer, seen from the main thread: their ports, their lives, and what they ask of it. */
export class ServerPool {
  readonly figures: SharedFigures;
  #settings: DnsSettings;
  /** Threads were started with others. */
  #isChanged = false;
  /** As the options have it, without the ports that were found. */
  #given: DnsSettings;
  readonly #parts: PoolParts;
  readonly #guards: readonly PortGuard[];
  readonly #threads: PluginThread<ToServer, FromServer>[] = [];
  /** Since when each of them does not answer, milliseconds. */
  readonly #goneSinceMs: (number | undefined)[] = [];
  readonly #loopToken = randomBytes(8).toString("hex");
  readonly #drained = new Set<number>();
  #index: unknown;
  #onDrained = (): void => {};

  private constructor(settings: DnsSettings, parts: PoolParts, guards: readonly PortGuard[]) {
    this.#parts = parts;
    this.#guards = guards;
    this.#given = settings;
    this.#settings = { ...settings, listen: guards.map(({ place }) => place) };
    this.figures = SharedFigures.create(settings.workers);
  }

  /** Takes the ports and starts the threads. Rejects with DNS_* when a port is not to be had. */
  static async open(settings: DnsSettings, parts: PoolParts): Promise<ServerPool> {
    const guards = await PortGuard.claim(settings.listen, {
      isShared: settings.sharePort,
      waitMs: PORT_WAIT_MS,
    });
    const pool = new ServerPool(settings, parts, guards);
    for (let worker = 0; worker < settings.workers; worker++) {
      pool.#spawn(worker);
    }
    return pool;
  }

  /** Where it answers, with the ports that were found: "0.0.0.0:5353". */
  get places(): readonly string[] {
    return this.#settings.listen.map(showPlace);
  }

  get ports(): readonly number[] {
    return this.#settings.listen.map(({ port }) => port);
  }

  get aliveThreads(): number {
    return this.#threads.filter(({ alive }) => alive).length;
  }

  /** Packets that were dropped while no thread was there. */
  get droppedPackets(): number {
    return this.#guards.reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Resolves when every thread answers for the first time; rejects when one was given up before. */
  async ready(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.ready));
  }

  /** What keeps it from answering as it should. */
  problem(): PoolProblem {
    const gone = this.#threads.length - this.aliveThreads;
    if (gone > 0) {
      return `${gone} of ${this.#threads.length} threads do not answer`;
    }
    const workers = this.#threads.map((_, worker) => worker);
    if (!workers.every((worker) => this.figures.isSynced(worker))) {
      return "the names of the cluster are not complete yet";
    }
    if (workers.some((worker) => this.figures.isFull(worker))) {
      return "the index of names is full: raise limits.indexBytes";
    }
    return undefined;
  }

  /**
   * Goes over to other settings where sockets and zone can stay as they are; false: they cannot. Questions that are under way
   * are answered as before.
   */
  change(settings: DnsSettings): boolean {
    if (!isDeepStrictEqual(lasting(this.#given), lasting(settings))) {
      return false;
    }
    this.#given = settings;
    this.#settings = { ...settings, listen: this.#settings.listen };
    this.#isChanged = true;
    for (const [worker, thread] of this.#threads.entries()) {
      if (thread.alive) {
        thread.post({ kind: "settings", settings: this.#settings });
      } else {
        // What brought it down may be mended: nobody waits for the end of a pause.
        this.#begin(worker);
      }
    }
    return true;
  }

  /**
   * Looks after the threads: Fairlead gives one up that crashed three times in five minutes, but names must be answered all
   * the same, so that it is begun anew from time to time. Call it once a second.
   */
  look(): void {
    const nowMs = performance.now();
    for (const [worker, thread] of this.#threads.entries()) {
      const goneSinceMs = this.#goneSinceMs[worker];
      if (thread.alive || goneSinceMs === undefined) {
        this.#goneSinceMs[worker] = thread.alive ? undefined : nowMs;
      } else if (nowMs - goneSinceMs > this.#parts.reviveAfterMs) {
        this.#parts.log.error({ thread: worker }, "a thread that answers was given up; it is begun anew");
        this.#begin(worker);
      }
    }
  }

  #begin(worker: number): void {
    this.#goneSinceMs[worker] = performance.now();
    void this.#threads[worker].stop();
    this.#spawn(worker);
  }

  /** Takes no more TCP connections and waits until what is outstanding is answered, at most a second. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_MS);
      this.#onDrained = () => {
        if (this.#drained.size >= this.aliveThreads) {
          clearTimeout(timer);
          resolve();
        }
      };
      for (const thread of this.#threads) {
        thread.post({ kind: "drain" });
      }
      this.#onDrained();
    });
  }

  /** Gives the ports back. The threads end with the plugin. */
  close(): void {
    for (const guard of this.#guards) {
      guard.close();
    }
  }

  #spawn(worker: number): void {
    const { threads, log } = this.#parts;
    const loopToken = this.#loopToken;
    const data: ServerData = {
      settings: this.#settings,
      worker,
      figures: this.figures.memory,
      loopToken,
      seed: randomInt(MOST_SEED),
      ownAddresses: ownAddresses(this.#settings.listen),
    };
    const thread = threads.spawn<ToServer, FromServer, ServerData>(new URL("./server.ts", import.meta.url), {
      name: `server-${worker}`,
      // The others read what the first one writes.
      store: worker === 0 ? kindsOfZone(this.#settings.zone) : [],
      data,
    });
    this.#threads[worker] = thread;
    thread.onMessage((message) => this.#hear(worker, message));
    thread.onAlive((isAlive) => {
      void this.#onAlive(isAlive).catch((error: unknown) => {
        log.error({ detail: String(error) }, "questions that were kept could not be answered");
      });
    });
    if (this.#index !== undefined) {
      thread.post({ kind: "index", handle: this.#index });
    }
  }

  #hear(worker: number, message: FromServer): void {
    switch (message.kind) {
      case "ask":
        void this.#ask(worker, message);
        return;
      case "index":
        this.#index = message.handle;
        for (const [other, thread] of this.#threads.entries()) {
          if (other !== worker) {
            thread.post({ kind: "index", handle: message.handle });
          }
        }
        return;
      case "begun":
        if (this.#isChanged) {
          this.#threads[worker]?.post({ kind: "settings", settings: this.#settings });
        }
        if (worker > 0 && this.#index !== undefined) {
          this.#threads[worker]?.post({ kind: "index", handle: this.#index });
        }
        return;
      case "drained":
        this.#drained.add(worker);
        this.#onDrained();
        return;
      default:
        message satisfies never;
    }
  }

  async #ask(worker: number, { id, name, type, client }: FromServer & { kind: "ask" }): Promise<void> {
    const answer = await this.#parts.ask({ name, type, client });
    this.#threads[worker]?.post({ kind: "answer", id, answer });
  }

  /** While no thread answers, the guards keep what comes; the first one that is back gets it. */
  async #onAlive(isAlive: boolean): Promise<void> {
    if (!isAlive) {
      if (this.aliveThreads === 0) {
        for (const guard of this.#guards) {
          guard.listen();
        }
      }
      return;
    }
    for (const [at, guard] of this.#guards.entries()) {
      const held = await guard.deafen();
      if (held.length > 0) {
        const queries = held.map(({ query, from }) => ({ at, query: new Uint8Array(query), from }));
        this.#threads.find(({ alive }) => alive)?.post({ kind: "held", queries });
      }
    }
  }
}

/** What cannot be changed while sockets are open and the zone is being followed. */
function lasting({ aliases, forward, cache, acl, log, lameDuckMs, limits, ...rest }: DnsSettings): unknown {
  const { forwards, forwardsPerClient, cnames, queriesPerClient, errorsPerNetwork, ...others } = limits;
  return { rest, others };
}
