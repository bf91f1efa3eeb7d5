import { isDeepStrictEqual } from "node:util";
import type { ClusterSource } from "../../core/index.ts";
import {
  type FakeCluster,
  type FakeClusterOptions,
  fakeCluster,
  type Random,
  seededRandom,
} from "../../core/testing/index.ts";

/** One thing that somebody does to the cluster. */
export type Action = (cluster: FakeCluster) => Promise<unknown>;

/** What random schedules are made of. */
export interface Plan<Model> {
  readonly options: () => FakeClusterOptions;
  /** What the people of the schedule know of the cluster. */
  readonly model: () => Model;
  /** The next action, which has changed the model already. */
  readonly next: (random: Random, model: Model) => Action;
  /** What must hold when all is quiet: throws what does not. */
  readonly check: (cluster: FakeCluster, model: Model) => Promise<void>;
}

/** How a schedule went. */
export interface ScheduleRun {
  readonly actions: number;
  readonly kills: number;
  readonly faults: number;
  /** Writes that the controllers sent. */
  readonly writes: number;
}

const MOST_ACTIONS = 14;
const MOST_TURNS = 12;
const TRIES = 20;
/** A real namespace takes seconds to be emptied. */
const REAL_TRIES = 300;
const REAL_LOOK_MS = 100;

/**
 * One schedule: people act, the API server fails, watches lag, and the controller is killed and started again at random points,
 * all of it by the seed. At the end everything heals, and the model's end state must be there; asked once more, nothing may be
 * written. On a real API server nothing is made to fail but the controller. Rejects with the seed in the message.
 */
export async function runSchedule<Model>(plan: Plan<Model>, seed: number, real?: ClusterSource): Promise<ScheduleRun> {
  const random = seededRandom(seed);
  const told: string[] = [];
  const options = real === undefined ? { timeoutMs: 20_000 } : { cluster: real, clock: undefined, timeoutMs: 60_000 };
  const cluster = await fakeCluster({ ...plan.options(), ...options });
  const run = new Schedule(cluster, random, told, real !== undefined);
  try {
    const model = plan.model();
    const actions = 1 + random.below(MOST_ACTIONS);
    for (let at = 0; at < actions; at++) {
      await run.disturb();
      told.push("act");
      await act(cluster, plan.next(random, model), real !== undefined);
      await run.idle();
    }
    await run.heal();
    await cluster.eventually(() => plan.check(cluster, model));
    const { writes } = run;
    cluster.forget();
    await cluster.kill();
    await cluster.start();
    const sent = cluster.requests();
    if (sent.length > 0) {
      throw new Error(`a restart wrote though nothing differs: ${JSON.stringify(sent.slice(0, 3))}`);
    }
    await cluster.eventually(() => plan.check(cluster, model));
    return { actions, kills: run.kills, faults: run.faults, writes };
  } catch (error) {
    throw new Error(`schedule ${seed} (${told.join(", ")}): ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  } finally {
    await cluster.stop();
  }
}

/** People try again when the cluster was faster. */
async function act(cluster: FakeCluster, action: Action, isReal: boolean): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await action(cluster);
      return;
    } catch (error) {
      if (tries === (isReal ? REAL_TRIES : TRIES)) {
        throw error;
      }
      await (isReal ? new Promise((resolve) => setTimeout(resolve, REAL_LOOK_MS)) : turn());
    }
  }
}

class Schedule {
  kills = 0;
  faults = 0;
  readonly #cluster: FakeCluster;
  readonly #random: Random;
  readonly #told: string[];
  readonly #isReal: boolean;
  #goOn: (() => void) | undefined;
  #isRunning = true;

  constructor(cluster: FakeCluster, random: Random, told: string[], isReal: boolean) {
    this.#cluster = cluster;
    this.#random = random;
    this.#told = told;
    this.#isReal = isReal;
  }

  get writes(): number {
    return this.#cluster.requests().length;
  }

  /** Waits a little, by turns of the event loop, or until all is done. */
  async idle(): Promise<void> {
    if (this.#random.below(4) === 0 && this.#goOn === undefined) {
      await this.#cluster.settled();
      return;
    }
    for (let turns = this.#random.below(MOST_TURNS); turns > 0; turns--) {
      await turn();
    }
  }

  /** Something goes wrong, or nothing does. */
  async disturb(): Promise<void> {
    if (this.#isReal) {
      await (this.#random.below(3) === 0 ? (this.#isRunning ? this.#kill() : this.#start()) : undefined);
      return;
    }
    const { server } = this.#cluster;
    const verb = this.#random.pick(["create", "update", "patch", "delete", "get"]);
    const nth = 1 + this.#random.below(2);
    const times = 1 + this.#random.below(2);
    const match = { verb, nth, times, userAgent: /^fairlead\// };
    switch (this.#random.below(10)) {
      case 0:
        await this.#kill();
        return;
      case 1:
        await this.#start();
        return;
      case 2:
        this.#told.push("lag");
        this.#goOn ??= this.#cluster.lag();
        return;
      case 3:
        this.#told.push("catch up");
        this.#goOn?.();
        this.#goOn = undefined;
        return;
      case 4:
        this.#fault(`500 ${verb}`);
        server.faults.add({ match, fault: { kind: "status", code: 500, reason: "InternalError" } });
        return;
      case 5:
        this.#fault(`409 ${verb}`);
        server.faults.add({
          match: { ...match, verb: verb === "get" ? "patch" : verb },
          fault: { kind: "status", code: 409, reason: "Conflict" },
        });
        return;
      case 6:
        this.#fault(`reset ${verb}`);
        server.faults.add({ match, fault: { kind: "reset", afterBytes: 0 } });
        return;
      case 7:
        // They are opened again after a while of real time: not too often.
        if (this.#random.below(6) === 0) {
          this.#fault("connections end");
          server.dropConnections();
        }
        return;
    }
  }

  /** Everything goes right from here on. */
  async heal(): Promise<void> {
    if (this.#isReal) {
      await this.#start();
      return;
    }
    this.#cluster.server.faults.clear();
    this.#goOn?.();
    await this.#start();
    await this.#cluster.settled();
    // What failed while it was broken waits for its time.
    await this.#cluster.advance("20m");
  }

  #fault(name: string): void {
    this.faults++;
    this.#told.push(name);
  }

  async #kill(): Promise<void> {
    if (this.#isRunning) {
      this.kills++;
      this.#isRunning = false;
      this.#told.push("kill");
      await this.#cluster.kill();
    }
  }

  async #start(): Promise<void> {
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.#told.push("start");
      await this.#cluster.start();
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Throws where two states differ, with both. */
export function mustEqual(what: string, found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) {
    throw new Error(`${what} is ${JSON.stringify(found)} and should be ${JSON.stringify(wanted)}`);
  }
}
