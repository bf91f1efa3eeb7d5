import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { silentLogger } from "../log.ts";
import { ManualClock, settle } from "../watch/manual-clock.test-support.ts";
import { createElection } from "./election.ts";
import type { Election } from "./election-options.ts";
import type { Term } from "./leadership.ts";
import { LeaseServer, Machine } from "./lease-server.test-support.ts";

/** What happens to one machine at one time. */
interface Step {
  readonly afterMs: number;
  readonly who: number;
  readonly what: "pause" | "resume" | "cut-off" | "deaf" | "heal" | "slow" | "clock" | "restart";
}

const CANDIDATES = 4;
/** Longest time between two looks at who leads, milliseconds. */
const LOOK_EVERY_MS = 250;

const steps = fc.array(
  fc.record<Step>({
    afterMs: fc.integer({ min: 0, max: 12_000 }),
    who: fc.integer({ min: 0, max: CANDIDATES - 1 }),
    what: fc.constantFrom("pause", "resume", "resume", "cut-off", "deaf", "heal", "heal", "slow", "clock", "restart"),
  }),
  { minLength: 5, maxLength: 40 },
);

/** Candidates on machines of their own; each writes as long as it believes that it leads. */
class Simulation {
  readonly world = new ManualClock();
  readonly server = new LeaseServer();
  readonly machines: Machine[] = [];
  readonly elections: Election[] = [];
  /** Terms that work may still hold, also of machines that are paused. */
  readonly terms: { readonly who: number; readonly term: Term }[] = [];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    for (let who = 0; who < CANDIDATES; who++) {
      // Their clocks are days apart.
      this.machines.push(new Machine(this.world, (who - 2) * 86_400_000, who * 1_000_000));
      this.elections.push(this.#join(who, 0));
    }
  }

  async run(plan: readonly Step[]): Promise<void> {
    for (const { afterMs, who, what } of plan) {
      await this.pass(afterMs);
      await this.#do(who, what);
    }
    for (const machine of this.machines) {
      machine.network.partition = "none";
      machine.network.latencyMs = 0;
      machine.resume();
    }
    await this.pass(45_000);
    assert.equal(this.elections.filter(({ isLeader }) => isLeader).length, 1, "when all is well again, one leads");
    for (const election of this.elections) {
      const stopping = election.stop();
      await this.world.advance(0);
      await stopping;
    }
  }

  /** Lets time pass, and looks at who could write at each moment. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= LOOK_EVERY_MS) {
      await this.world.advance(Math.min(left, LOOK_EVERY_MS));
      this.look();
    }
  }

  /** The checks are those of code that was stopped right before its write: no timer has run in between. */
  look(): void {
    const acting = this.terms.filter(({ term }) => {
      try {
        term.check();
        return true;
      } catch {
        return false;
      }
    });
    const who = new Set(acting.map((one) => one.who));
    assert.ok(who.size <= 1, `${[...who].join(" and ")} act at ${this.world.now()} ms`);
  }

  async #do(who: number, what: Step["what"]): Promise<void> {
    const machine = this.machines[who];
    switch (what) {
      case "pause":
        machine.pause();
        return;
      case "resume":
        machine.resume();
        this.look();
        await settle();
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
        machine.network.latencyMs = Math.floor(this.#random() * 2_000) + 1;
        return;
      case "clock":
        machine.wallOffsetMs += (this.#random() - 0.5) * 100_000;
        return;
      case "restart": {
        machine.resume();
        const stopping = this.elections[who].stop({ release: this.#random() < 0.5 });
        await this.pass(10_000);
        await stopping;
        this.elections[who] = this.#join(who, Math.floor(this.#random() * 1e9));
        return;
      }
      default:
        what satisfies never;
    }
  }

  #join(who: number, run: number): Election {
    const machine = this.machines[who];
    const election = createElection({
      client: machine.client(this.server, `candidate-${who}`),
      lease: { namespace: "shop", name: "fairlead" },
      identity: `candidate-${who}-${run}`,
      clock: machine,
      log: silentLogger,
      random: this.#random,
      onLeading: (term) => void this.terms.push({ who, term }),
      onFollowing: () => {},
    });
    election.start();
    return election;
  }
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

suite("elections among machines that fail", { timeout: 120_000 }, () => {
  test("never two act, whatever is paused, cut off, slow, restarted or has its clock set", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (plan, seed) => {
        await new Simulation(seed).run(plan);
      }),
      { numRuns: 60 },
    );
  });

  test("the judge sees two leaders: when a Lease is deleted and a new candidate comes", async () => {
    const simulation = new Simulation(1);
    await simulation.pass(1_000);
    const who = simulation.elections.findIndex(({ isLeader }) => isLeader);
    simulation.machines[who].network.partition = "to-server";
    simulation.server.leases.clear();
    await assert.rejects(simulation.run([{ afterMs: 1, who: (who + 1) % CANDIDATES, what: "restart" }]), /act at/);
  });
});
