import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { silentLogger } from "../log.ts";
import { ManualClock, settle } from "../watch/manual-clock.test-support.ts";
import { LeaseServer, Machine } from "./lease-server.test-support.ts";
import type { Shards } from "./shard-options.ts";
import { createShards } from "./shards.ts";

/** What happens to one member at one time. */
interface Step {
  readonly afterMs: number;
  readonly who: number;
  readonly what: "kill" | "start" | "leave" | "pause" | "resume" | "cut-off" | "deaf" | "heal" | "slow" | "clock";
}

const MEMBERS = 5;
const LOOK_EVERY_MS = 250;
const KEYS = Array.from({ length: 60 }, (_, at) => `team-${at}`);

const steps = fc.array(
  fc.record<Step>({
    afterMs: fc.integer({ min: 0, max: 9_000 }),
    who: fc.integer({ min: 0, max: MEMBERS - 1 }),
    what: fc.constantFrom(
      "kill",
      "start",
      "start",
      "leave",
      "pause",
      "resume",
      "resume",
      "cut-off",
      "deaf",
      "heal",
      "heal",
      "slow",
      "clock",
    ),
  }),
  { minLength: 5, maxLength: 40 },
);

/** Work on keys, which a member that gives them up must have ended before others begin with it. */
class Worker {
  readonly shards: Shards;
  readonly machine: Machine;
  /** Keys that are worked on until a time. */
  readonly busy = new Map<string, number>();
  isGone = false;
  readonly #world: ManualClock;
  readonly #random: () => number;

  constructor(world: ManualClock, machine: Machine, shards: Shards, random: () => number) {
    this.#world = world;
    this.machine = machine;
    this.shards = shards;
    this.#random = random;
    shards.changes(() => this.#drained());
  }

  /** Begins with what is free and ours. */
  work(): void {
    if (this.machine.isPaused || this.isGone) {
      return;
    }
    for (const [key, untilMs] of this.busy) {
      if (untilMs <= this.#world.now()) {
        this.busy.delete(key);
      }
    }
    for (const key of KEYS) {
      if (!this.busy.has(key) && this.shards.owns(key) && this.#random() < 0.3) {
        this.busy.set(key, this.#world.now() + this.#random() * 4_000);
      }
    }
  }

  /** Resolves when nothing is under way on keys that are not ours. */
  async #drained(): Promise<void> {
    for (;;) {
      const lost = [...this.busy].filter(([key, untilMs]) => untilMs > this.#world.now() && !this.shards.owns(key));
      if (lost.length === 0) {
        return;
      }
      await new Promise<void>((resolve) => void this.machine.setTimer(200, resolve));
    }
  }
}

class Simulation {
  readonly world = new ManualClock();
  readonly server = new LeaseServer();
  readonly workers: Worker[] = [];
  readonly #random: () => number;
  #runs = 0;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    for (let who = 0; who < MEMBERS; who++) {
      this.workers.push(this.#join(who));
    }
  }

  async run(plan: readonly Step[]): Promise<void> {
    await this.pass(30_000);
    for (const { afterMs, who, what } of plan) {
      await this.pass(afterMs);
      await this.#do(who, what);
    }
    for (const [who, { machine, isGone }] of this.workers.entries()) {
      machine.network.partition = "none";
      machine.network.latencyMs = 0;
      if (isGone) {
        this.workers[who] = this.#join(who); // what was killed stays as it is
      } else {
        machine.resume();
      }
    }
    await this.pass(70_000);
    for (const key of KEYS) {
      assert.equal(this.#owners(key).length, 1, `${key} when all is well again`);
    }
    for (const { shards } of this.workers) {
      const stopping = shards.stop();
      await this.pass(5_000);
      await stopping;
    }
    assert.equal(this.world.running, 0, "no timer is left");
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= LOOK_EVERY_MS) {
      await this.world.advance(Math.min(left, LOOK_EVERY_MS));
      for (const worker of this.workers) {
        worker.work();
      }
      this.look();
    }
  }

  /** The clocks decide: also a member that is paused must not believe that it owns what another does. */
  look(): void {
    for (const key of KEYS) {
      const owners = this.#owners(key);
      assert.ok(owners.length <= 1, `${owners.join(" and ")} own ${key} at ${this.world.now()} ms`);
    }
  }

  #owners(key: string): string[] {
    return this.workers
      .filter(({ isGone, shards }) => !isGone && shards.owns(key))
      .map(({ shards }) => shards.identity);
  }

  async #do(who: number, what: Step["what"]): Promise<void> {
    const worker = this.workers[who];
    const { machine, shards } = worker;
    switch (what) {
      case "kill":
        machine.pause(); // and never again
        worker.isGone = true;
        return;
      case "start":
        if (worker.isGone) {
          this.workers[who] = this.#join(who);
        }
        return;
      case "leave": {
        machine.resume();
        const stopping = shards.stop();
        await this.pass(12_000);
        await stopping;
        worker.isGone = true;
        return;
      }
      case "pause":
        machine.pause();
        return;
      case "resume":
        if (!worker.isGone) {
          machine.resume();
          this.look();
          await settle();
        }
        return;
      case "cut-off":
        machine.network.partition = "to-server";
        return;
      case "deaf":
        machine.network.partition = "to-client";
        return;
      case "heal":
        machine.network.partition = "none";
        machine.network.latencyMs = 0;
        return;
      case "slow":
        machine.network.latencyMs = Math.floor(this.#random() * 1_500) + 1;
        return;
      case "clock":
        machine.wallOffsetMs += (this.#random() - 0.5) * 100_000;
        return;
      default:
        what satisfies never;
    }
  }

  #join(who: number): Worker {
    const machine = new Machine(this.world, (who - 2) * 86_400_000, who * 1_000_000);
    const identity = `member-${who}-${this.#runs++}`;
    const shards = createShards({
      client: machine.client(this.server, identity),
      namespace: "shop",
      group: "mirror",
      identity,
      clock: machine,
      log: silentLogger,
      random: this.#random,
    });
    const worker = new Worker(this.world, machine, shards, this.#random);
    shards.start();
    return worker;
  }
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

suite("shards among members that fail", { timeout: 150_000 }, () => {
  test("no key is owned twice, whatever happens to the members; when all is well, each is owned once", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (plan, seed) => {
        await new Simulation(seed).run(plan);
      }),
      { numRuns: 25 },
    );
  });

  test("work that was begun has ended before another member has the key, when members come and go in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ who: fc.nat(MEMBERS - 1), afterMs: fc.integer({ min: 0, max: 20_000 }) }), {
          maxLength: 12,
        }),
        fc.nat(),
        async (plan, seed) => {
          const simulation = new Simulation(seed);
          const lookAtWork = (): void => {
            for (const key of KEYS) {
              const busy = simulation.workers.filter(
                ({ busy: of }) => (of.get(key) ?? Number.NEGATIVE_INFINITY) > simulation.world.now(),
              );
              assert.ok(busy.length <= 1, `${busy.map(({ shards }) => shards.identity).join(" and ")} work on ${key}`);
            }
          };
          const look = simulation.look.bind(simulation);
          simulation.look = () => {
            look();
            lookAtWork();
          };
          const turns = plan.map(({ who, afterMs }): Step => {
            const isThere = who % 2 === 0;
            return { who, afterMs, what: isThere ? "leave" : "start" };
          });
          await simulation.run(turns);
        },
      ),
      { numRuns: 15 },
    );
  });
});
