import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { codeOf, FairleadError } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import { silentLogger } from "../log.ts";
import { ManualClock, settle } from "../watch/manual-clock.test-support.ts";
import { createElection } from "./election.ts";
import type { Election, ElectionOptions } from "./election-options.ts";
import type { Term } from "./leadership.ts";
import { readRecord } from "./lease-record.ts";
import { LeaseServer, Machine } from "./lease-server.test-support.ts";

interface Candidate {
  readonly election: Election;
  readonly machine: Machine;
  readonly told: string[];
  readonly terms: Term[];
}

function candidate(
  world: ManualClock,
  server: LeaseServer,
  identity: string,
  more: Partial<ElectionOptions> & { readonly machine?: Machine } = {},
): Candidate {
  const { machine = new Machine(world), ...options } = more;
  const told: string[] = [];
  const terms: Term[] = [];
  const election = createElection({
    client: machine.client(server, identity),
    lease: { namespace: "shop", name: "fairlead" },
    identity,
    clock: machine,
    log: silentLogger,
    random: () => 0.5,
    onLeading: (term) => {
      told.push("leading");
      terms.push(term);
    },
    onFollowing: () => void told.push("following"),
    onEvent: (_lease, what) => void told.push(what),
    ...options,
  });
  return { election, machine, told, terms };
}

function lease(spec: Readonly<Record<string, unknown>>, metadata: Readonly<Record<string, unknown>> = {}): KubeObject {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace: "shop", ...metadata }, spec };
}

const OF_ANOTHER = {
  holderIdentity: "another",
  leaseDurationSeconds: 15,
  acquireTime: "2026-01-01T00:00:00.000000Z",
  renewTime: "2026-01-01T00:00:00.000000Z",
  leaseTransitions: 3,
};

suite("election by a Lease", { timeout: 20_000 }, () => {
  test("creates the Lease where there is none, as client-go writes it", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const { election, told } = candidate(world, server, "a");
    election.start();
    await world.advance(0);
    assert.equal(election.isLeader, true);
    assert.deepEqual(told, ["became leader", "leading"]);
    const { spec } = server.get("fairlead");
    const time = "2023-11-14T22:13:20.000500Z";
    assert.deepEqual(spec, {
      holderIdentity: "a",
      leaseDurationSeconds: 15,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 0,
    });
    await election.stop();
  });

  test("makes the requests of client-go: get, create, then updates; after a conflict get again", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const { election, machine } = candidate(world, server, "a");
    election.start();
    await world.advance(4_000);
    assert.equal(server.verbs(), "get, create, update, update");
    server.calls.length = 0;
    machine.network.errors.push(new FairleadError("KUBE_CONFLICT", "changed"));
    await world.advance(4_000);
    assert.equal(server.verbs(), "get, update, update", "the update that failed did not come to the server");
    assert.equal(election.figures().slowPaths, 1);
    assert.equal(election.isLeader, true);
    await election.stop();
  });

  test("keeps labels and annotations that others put on the Lease", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const { election } = candidate(world, server, "a");
    election.start();
    await world.advance(0);
    server.put("fairlead", { ...server.get("fairlead"), metadata: { namespace: "shop", labels: { team: "x" } } });
    await world.advance(4_000);
    assert.equal(election.isLeader, true);
    assert.deepEqual(server.get("fairlead").metadata?.labels, { team: "x" });
    await election.stop();
  });

  for (const [what, spec, leads] of [
    ["an empty one", {}, true],
    ["one without a holder", { ...OF_ANOTHER, holderIdentity: "" }, true],
    ["one that was released", { ...OF_ANOTHER, holderIdentity: "", leaseDurationSeconds: 1 }, true],
    ["one that holds nothing readable", { holderIdentity: 5, leaseDurationSeconds: "x", renewTime: null }, true],
    ["one that another holds", OF_ANOTHER, false],
    ["one that another of the same identity holds", { ...OF_ANOTHER, holderIdentity: "a" }, false],
  ] as const) {
    test(`${leads ? "takes" : "leaves"} ${what} at first sight`, async () => {
      const world = new ManualClock();
      const server = new LeaseServer();
      server.put("fairlead", lease(spec));
      const { election } = candidate(world, server, "a");
      election.start();
      await world.advance(1_000);
      assert.equal(election.isLeader, leads);
      const { holder, transitions } = readRecord(server.get("fairlead"));
      const before = "leaseTransitions" in spec ? 3 : 0;
      assert.deepEqual([holder === "a" && leads, transitions], [leads, leads ? before + 1 : before]);
      await election.stop();
    });
  }

  test("takes a lease when it was not renewed for its own duration, by our clock, whatever times it holds", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    server.put(
      "fairlead",
      lease({ ...OF_ANOTHER, renewTime: "2199-01-01T00:00:00.000000Z", leaseDurationSeconds: 30 }),
    );
    const { election } = candidate(world, server, "a", { machine: new Machine(world, -86_400_000) });
    election.start();
    await world.advance(29_900);
    assert.equal(election.isLeader, false);
    await world.advance(600);
    assert.equal(election.isLeader, true);
    assert.equal(readRecord(server.get("fairlead")).transitions, 4);
    await election.stop();
  });

  test("each change of the record is a renewal, also one that goes back in time", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    server.put("fairlead", lease(OF_ANOTHER));
    const { election } = candidate(world, server, "a");
    election.start();
    for (let i = 1; i <= 5; i++) {
      await world.advance(10_000);
      assert.equal(election.isLeader, false);
      server.put("fairlead", lease({ ...OF_ANOTHER, renewTime: `2025-01-0${9 - i}T00:00:00.000000Z` }));
    }
    await world.advance(19_000);
    assert.equal(election.isLeader, true);
    await election.stop();
  });

  test("of two that come at once one leads, and the other takes over when it is killed", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => candidate(world, server, name));
    a.election.start();
    b.election.start();
    await world.advance(10_000);
    assert.deepEqual([a.election.isLeader, b.election.isLeader], [true, false]);
    assert.equal(b.election.leader, "a");
    a.machine.pause();
    await world.advance(14_000);
    assert.equal(b.election.isLeader, false, "not before the lease has ended");
    await world.advance(6_000);
    assert.equal(b.election.isLeader, true);
    await b.election.stop();
  });

  test("a paused process does nothing when it wakes up, not even before its timers ran", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => candidate(world, server, name));
    a.election.start();
    await world.advance(1_000);
    b.election.start();
    await world.advance(1_000);
    const [term] = a.terms;
    term.check();
    a.machine.pause();
    await world.advance(30_000);
    assert.equal(b.election.isLeader, true);
    assert.throws(() => term.check(), { code: "ELECTION_LOST" });
    assert.equal(a.election.isLeader, false);
    assert.equal(term.signal.aborted, true);
    a.machine.resume();
    await settle();
    assert.deepEqual(a.told.slice(2), ["stopped leading", "following"]);
    await world.advance(60_000);
    assert.deepEqual([a.election.isLeader, b.election.isLeader], [false, true]);
    await a.election.stop();
    await b.election.stop();
  });

  test("a machine that slept, with its monotonic clock behind, leads no more", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.election.start();
    await world.advance(3_000);
    a.machine.wallOffsetMs += 11_000;
    assert.throws(() => a.election.fence(), { code: "ELECTION_LOST" });
    await a.election.stop();
  });

  test("a wall clock that is set back changes nothing", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.election.start();
    await world.advance(3_000);
    a.machine.wallOffsetMs -= 86_400_000;
    await world.advance(60_000);
    assert.deepEqual([a.election.isLeader, a.election.figures().lost], [true, 0]);
    await a.election.stop();
  });

  for (const partition of ["to-server", "to-client"] as const) {
    test(`a leader that is cut off (${partition}) stops within the deadline, before another leads`, async () => {
      const world = new ManualClock();
      const server = new LeaseServer();
      let silences = 0;
      const a = candidate(world, server, "a", { onSilence: () => void silences++ });
      const b = candidate(world, server, "b");
      a.election.start();
      await world.advance(100);
      b.election.start();
      await world.advance(5_000);
      a.machine.network.partition = partition;
      const atMs = world.now();
      for (; a.election.isLeader; await world.advance(100)) {
        assert.equal(b.election.isLeader, false);
      }
      assert.ok(world.now() - atMs <= 10_100, `lost after ${world.now() - atMs} ms`);
      assert.ok(silences >= 1);
      assert.throws(() => a.election.fence(), { code: "ELECTION_LOST" });
      for (; !b.election.isLeader; await world.advance(100)) {
        assert.ok(world.now() - atMs < 40_000);
      }
      a.machine.network.partition = "none";
      await world.advance(30_000);
      assert.deepEqual([a.election.isLeader, b.election.isLeader], [false, true]);
      await a.election.stop();
      await b.election.stop();
    });
  }

  test("one renewal that fails is no loss", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.election.start();
    await world.advance(1_000);
    for (const code of ["KUBE_INTERNAL", "KUBE_RESET", "KUBE_TOO_MANY_REQUESTS"]) {
      a.machine.network.errors.push(new FairleadError(code, "no"), new FairleadError(code, "no"));
    }
    await world.advance(2_500);
    assert.deepEqual([a.election.figures().failures, a.election.figures().problem?.code], [1, "KUBE_INTERNAL"]);
    await world.advance(60_000);
    assert.deepEqual([a.election.isLeader, a.told], [true, ["became leader", "leading"]]);
    assert.deepEqual([a.election.figures().failures, a.election.figures().problem], [0, undefined]);
    await a.election.stop();
  });

  test("a Lease that is deleted under its leader is made again by it, and by no other before its end", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => candidate(world, server, name));
    a.election.start();
    await world.advance(100);
    b.election.start();
    await world.advance(5_000);
    a.machine.pause();
    server.leases.clear();
    await world.advance(9_000);
    assert.equal(b.election.isLeader, false);
    a.machine.resume();
    await world.advance(5_000);
    assert.deepEqual([a.election.isLeader, b.election.isLeader], [true, false]);
    server.leases.clear();
    a.machine.pause();
    await world.advance(25_000);
    assert.equal(b.election.isLeader, true);
    await b.election.stop();
  });

  test("a leader that finds another one in the Lease stops at once", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.election.start();
    await world.advance(1_000);
    server.put("fairlead", lease(OF_ANOTHER));
    await world.advance(1_100);
    assert.deepEqual(a.told, ["became leader", "leading", "stopped leading", "following"]);
    assert.equal(a.election.figures().lost, 1);
    await a.election.stop();
    assert.equal(readRecord(server.get("fairlead")).holder, "another", "what others hold is not released");
  });

  test("two processes of one identity do not both lead", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [first, second] = [0.1, 0.2].map((part) => candidate(world, server, "same", { random: () => part }));
    first.election.start();
    await world.advance(500);
    second.election.start();
    for (let i = 0; i < 60; i++) {
      await world.advance(500);
      assert.deepEqual([first.election.isLeader, second.election.isLeader], [true, false]);
    }
    await second.election.stop();
    assert.equal(first.election.isLeader, true);
    assert.equal(readRecord(server.get("fairlead")).holder, "same", "not released by the one that did not lead");
    await first.election.stop();
  });

  test("a renewal that came to the server but not back is known again", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.election.start();
    await world.advance(3_000);
    a.machine.network.partition = "to-client";
    await world.advance(5_500);
    a.machine.network.partition = "none";
    await world.advance(20_000);
    assert.deepEqual([a.election.isLeader, a.election.figures().lost], [true, 0]);
    await a.election.stop();
  });

  test("is no candidate again before the work of the last term has ended", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const a = candidate(world, server, "a", { onFollowing: () => settled });
    a.election.start();
    await world.advance(3_000);
    a.machine.network.partition = "to-server";
    await world.advance(11_000);
    a.machine.network.partition = "none";
    const calls = server.calls.length;
    await world.advance(60_000);
    assert.equal(server.calls.length, calls);
    resolve();
    await world.advance(5_000);
    assert.deepEqual([a.election.isLeader, a.election.figures().terms], [true, 2]);
    await a.election.stop();
  });

  test("what was begun in an earlier term is refused in a later one", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    assert.throws(() => a.election.term(), { code: "ELECTION_NOT_LEADER" });
    a.election.start();
    await world.advance(3_000);
    const old = a.election.term();
    a.machine.pause();
    await world.advance(12_000);
    a.machine.resume();
    await world.advance(5_000);
    assert.equal(a.election.isLeader, true);
    a.election.fence();
    assert.throws(() => old.check(), { code: "ELECTION_LOST" });
    assert.deepEqual([old.number, a.election.term().number], [1, 2]);
    assert.equal(a.election.figures().refused, 1);
    await a.election.stop();
  });

  test("an answer that comes after the deadline makes no leader", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const slow = candidate(world, server, "a", { leaseDurationMs: 4_000, renewDeadlineMs: 3_000, retryPeriodMs: 500 });
    slow.machine.network.latencyMs = 200;
    slow.election.start();
    await world.advance(700);
    assert.equal(readRecord(server.get("fairlead")).holder, "a");
    slow.machine.pause();
    await world.advance(3_000);
    slow.machine.resume();
    await settle();
    assert.equal(slow.election.isLeader, false);
    assert.deepEqual(slow.told, []);
    slow.machine.network.latencyMs = 0;
    await world.advance(1_200);
    assert.equal(slow.election.isLeader, true);
    await slow.election.stop();
  });

  test("gives the lease away when it is stopped: no holder, one second", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => candidate(world, server, name));
    a.election.start();
    await world.advance(100);
    b.election.start();
    await world.advance(3_000);
    server.calls.length = 0;
    const stopping = a.election.stop();
    await world.advance(0);
    await stopping;
    assert.equal(server.verbs(), "get, update");
    const { holder, durationSeconds, transitions } = readRecord(server.get("fairlead"));
    assert.deepEqual([holder, durationSeconds, transitions], ["", 1, 0]);
    assert.deepEqual(a.told.slice(2), ["stopped leading", "following"]);
    await world.advance(4_400);
    assert.equal(b.election.isLeader, true);
    assert.equal(readRecord(server.get("fairlead")).transitions, 1);
    await b.election.stop();
  });

  test("releases after the work of the term has ended, and tries again after a conflict", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const a = candidate(world, server, "a", { onFollowing: () => settled });
    a.election.start();
    await world.advance(3_000);
    server.calls.length = 0;
    const stopping = a.election.stop();
    assert.equal(a.election.isLeader, false);
    await world.advance(5_000);
    assert.equal(server.verbs(), "");
    // The read is answered, the write is not.
    const { client } = { client: server.serve.bind(server) };
    let conflicts = 1;
    server.serve = (verb, ...rest) => {
      if (verb === "update" && conflicts-- > 0) {
        throw new FairleadError("KUBE_CONFLICT", "changed");
      }
      return client(verb, ...rest);
    };
    resolve();
    await world.advance(0);
    await stopping;
    assert.equal(server.verbs(), "get, get, update");
    assert.equal(readRecord(server.get("fairlead")).holder, "");
  });

  test("stops in time when the server does not answer, or does not grant it", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.election.start();
    await world.advance(1_000);
    a.machine.network.partition = "to-server";
    const stopping = a.election.stop();
    await world.advance(10_000);
    await stopping;
    assert.equal(readRecord(server.get("fairlead")).holder, "a");
    assert.equal(world.running, 0, "no timer is left");
  });

  test("leaves the lease alone with release: false, and what it never held", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => candidate(world, server, name));
    a.election.start();
    await world.advance(100);
    b.election.start();
    await world.advance(1_000);
    server.calls.length = 0;
    await a.election.stop({ release: false });
    await b.election.stop();
    assert.equal(server.verbs(), "");
    const unused = candidate(world, server, "c");
    await unused.election.stop();
    unused.election.start();
    await world.advance(60_000);
    assert.equal(server.verbs(), "");
  });

  test("a lease that is being taken while it is stopped is released too", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = candidate(world, server, "a");
    a.machine.network.latencyMs = 500;
    a.election.start();
    await world.advance(1_600); // read; the write has come to the server, its answer not back
    assert.equal(readRecord(server.get("fairlead")).holder, "a");
    const stopping = a.election.stop();
    await world.advance(5_000);
    await stopping;
    assert.deepEqual([readRecord(server.get("fairlead")).holder, a.told], ["", []]);
  });

  test("tells what it may not do, once, with the rule that is missing", async () => {
    const world = new ManualClock();
    const lines: [string, unknown][] = [];
    const log = {
      ...silentLogger,
      warn: (fields: unknown, message: string) => void lines.push([message, Reflect.get(Object(fields), "rule")]),
    };
    const a = candidate(world, new LeaseServer(), "a", { log });
    for (let i = 0; i < 40; i++) {
      a.machine.network.errors.push(new FairleadError("KUBE_FORBIDDEN", "no", { facts: { rule: "RULE" } }));
    }
    a.election.start();
    await world.advance(60_000);
    assert.deepEqual(lines, [["election failed at the server, it is tried again", "RULE"]]);
    assert.ok(a.election.figures().failures > 10);
    assert.ok(a.election.figures().silentMs >= 60_000);
    await a.election.stop();
  });

  test("a callback that throws harms nothing", async () => {
    const world = new ManualClock();
    const a = candidate(world, new LeaseServer(), "a", {
      onLeading: () => Promise.reject(new Error("leading")),
      onFollowing: () => {
        throw new Error("following");
      },
    });
    a.election.start();
    await world.advance(1_000);
    assert.equal(a.election.isLeader, true);
    a.machine.pause();
    await world.advance(20_000);
    a.machine.resume();
    await world.advance(5_000);
    assert.equal(a.election.figures().terms, 2);
    await a.election.stop();
  });

  for (const [what, options, wanted] of [
    ["a duration that is not above the deadline", { leaseDurationMs: 10_000 }, /leaseDurationMs must be more/],
    ["a deadline that is not above 1.2 periods", { retryPeriodMs: 9_000 }, /renewDeadlineMs must be more than 1.2/],
    ["no time at all", { retryPeriodMs: 0 }, /retryPeriodMs must be more than 0/],
    ["what is no number", { renewDeadlineMs: Number.NaN }, /renewDeadlineMs must be more than 0/],
    ["parts of seconds", { leaseDurationMs: 15_500 }, /whole seconds/],
    ["an identity of nothing", { identity: "" }, /identity/],
    ["a name that is none", { lease: { namespace: "shop", name: "../pods" } }, /lease's name/],
    ["a namespace that is none", { lease: { namespace: "", name: "x" } }, /lease's namespace/],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => candidate(new ManualClock(), new LeaseServer(), "a", options),
        (error: Error) => codeOf(error) === "ELECTION_BAD_OPTION" && wanted.test(error.message),
      );
    });
  }
});
