import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { KubeGate } from "../controller/kube-gate.ts";
import type { Term, WatchedLeadership } from "../election/leadership.ts";
import { FairleadError } from "../errors.ts";
import { configMaps } from "../kinds/index.ts";
import { silentLogger } from "../log.ts";
import { controller } from "./builder.ts";
import { LoopBench, settle } from "./loop.test-support.ts";
import { ReconcileHost } from "./run-host.ts";

let bench: LoopBench;
let seen: string[];

/** An election that the test decides. */
class Lease implements WatchedLeadership {
  readonly identity = "me";
  readonly leader = "me";
  readonly handOverMs = 5000;
  isLeader = false;
  #listener: (isLeading: boolean) => void | Promise<void> = () => {};
  #ending = new AbortController();
  #terms = 0;

  term(): Term {
    this.fence();
    const { signal } = this.#ending;
    return { number: this.#terms, signal, check: () => signal.throwIfAborted() };
  }

  fence(): void {
    if (!this.isLeader) {
      throw new FairleadError("ELECTION_NOT_LEADER", "another process leads");
    }
  }

  onChange(listener: (isLeading: boolean) => void | Promise<void>): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => {};
    };
  }

  async turn(isLeading: boolean): Promise<void> {
    this.isLeader = isLeading;
    if (isLeading) {
      this.#terms++;
      this.#ending = new AbortController();
    } else {
      this.#ending.abort(new FairleadError("ELECTION_LOST", "the lease was lost"));
    }
    await this.#listener(isLeading);
  }
}

beforeEach(() => {
  bench = new LoopBench(configMaps);
  bench.synced("configmaps");
  seen = [];
});
afterEach(() => bench.end());

function hostWith(leadership?: Lease): ReconcileHost {
  const gate = new KubeGate({
    client: () => Promise.reject(new Error("nothing is written here")),
    board: { isTapped: () => false, call: () => Promise.reject(new Error("nobody taps")) },
    log: silentLogger,
    clock: bench.clock,
  });
  return new ReconcileHost({
    store: bench.reader,
    clock: bench.clock,
    log: silentLogger,
    gate,
    dryRun: false,
    leadership,
  });
}

const noting = (runOn: "leader" | "every" = "leader", work: (signal: AbortSignal) => unknown = () => undefined) =>
  controller("noting")
    .for(configMaps)
    .runOn(runOn)
    .reconcile(async (object, { signal }) => {
      seen.push(object.key);
      await work(signal);
    });

test("a follower reconciles nothing; when it leads, everything, from the cache that it kept warm", async () => {
  const lease = new Lease();
  const host = hostWith(lease);
  bench.put("configmaps", { name: "a", resourceVersion: "1" });
  const hosted = host.run(noting());
  await bench.commit();
  assert.deepEqual([seen, hosted.isIdle, host.figures()[0].state], [[], true, "waiting"]);
  await assert.rejects(hosted.reconcile("shop/a"), { code: "ELECTION_NOT_LEADER" });
  await lease.turn(true);
  await settle();
  assert.deepEqual([seen, host.figures()[0].state], [["shop/a"], "running"]);
  await host.stop();
});

test("a loss of the lease ends what is under way before another one may lead, and a new term begins anew", async () => {
  const lease = new Lease();
  const host = hostWith(lease);
  const held = Promise.withResolvers<void>();
  const reasons: unknown[] = [];
  host.run(
    noting("leader", (signal) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      return seen.length === 1 ? held.promise : undefined;
    }),
  );
  bench.put("configmaps", { name: "a", resourceVersion: "1" });
  await bench.commit();
  await lease.turn(true);
  await settle();
  let isOver = false;
  const lost = lease.turn(false).then(() => {
    isOver = true;
  });
  await settle();
  assert.deepEqual([isOver, reasons.length], [false, 1]);
  held.resolve();
  await lost;
  bench.put("configmaps", { name: "a", resourceVersion: "2" });
  await bench.commit();
  assert.equal(seen.length, 1);
  await lease.turn(true);
  await settle();
  assert.equal(seen.length, 2);
  assert.equal(host.figures()[0].counts.results.success, 1, "what was cut off is not counted");
  await host.stop();
});

test("a reconcile that does not end holds up the loss no longer than the lease allows", async () => {
  const lease = new Lease();
  const host = hostWith(lease);
  const held = Promise.withResolvers<void>();
  host.run(noting("leader", () => held.promise));
  bench.put("configmaps", { name: "a", resourceVersion: "1" });
  await lease.turn(true);
  await bench.commit();
  const lost = lease.turn(false);
  bench.clock.step(5000);
  await lost;
  held.resolve();
  await host.stop();
});

test("a controller that runs on every process does not ask who leads", async () => {
  const host = hostWith(new Lease());
  host.run(noting("every"));
  bench.put("configmaps", { name: "a", resourceVersion: "1" });
  await bench.commit();
  assert.deepEqual(seen, ["shop/a"]);
  await host.stop();
});

test("names are taken while their controller runs, and free after it", async () => {
  const host = hostWith();
  const first = host.run(noting());
  assert.throws(() => host.run(noting()), { code: "CONTROLLER_DUPLICATE" });
  await first.stop();
  assert.deepEqual(host.controllers(), []);
  await assert.rejects(first.reconcile("shop/a"), { code: "RECONCILE_STOPPED" });
  first.enqueue("shop/a");
  const again = host.run(noting());
  again.enqueue("shop/unknown", { priority: "low" });
  await bench.commit();
  assert.equal(again.isIdle, true);
  await host.stop();
});
