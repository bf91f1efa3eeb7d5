import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { codeOf, FairleadError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { ManualClock, settle } from "../watch/manual-clock.test-support.ts";
import { LeaseServer, Machine } from "./lease-server.test-support.ts";
import { leaseNameOf } from "./shard-member.ts";
import type { ShardOptions, Shards } from "./shard-options.ts";
import { createShards } from "./shards.ts";

const KEYS = Array.from({ length: 100 }, (_, at) => `team-${at}`);

interface Member {
  readonly shards: Shards;
  readonly machine: Machine;
}

function member(world: ManualClock, server: LeaseServer, identity: string, more: Partial<ShardOptions> = {}): Member {
  const machine = new Machine(world);
  const client = machine.client(server, identity);
  const base = { client, namespace: "shop", group: "mirror", identity, clock: machine, log: silentLogger };
  return { machine, shards: createShards({ ...base, random: () => 0.5, ...more }) };
}

const owned = ({ shards }: Member): string[] => KEYS.filter((key) => shards.owns(key));

suite("shards by Leases", { timeout: 20_000 }, () => {
  test("one alone owns all, from its second look on", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = member(world, server, "a");
    assert.throws(() => a.shards.check("x"), { code: "SHARD_NOT_OWNED" });
    a.shards.start();
    await world.advance(0);
    assert.equal(owned(a).length, KEYS.length);
    a.shards.check("x");
    const lease = server.get(leaseNameOf("mirror", "a"));
    assert.deepEqual(lease.metadata?.labels, { "fairlead.dev/shard-group": "mirror" });
    assert.deepEqual(lease.metadata?.annotations, { "fairlead.dev/shard-members": '["a"]' });
    const { members, moving, joined } = a.shards.figures();
    assert.deepEqual([members, moving, joined], [["a"], false, true]);
    await a.shards.stop();
  });

  test("who joins gets its part within three looks, and only that moves", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b, c] = ["a", "b", "c"].map((name) => member(world, server, name));
    a.shards.start();
    b.shards.start();
    await world.advance(10_000);
    const before = [owned(a), owned(b)];
    assert.equal(before[0].length + before[1].length, KEYS.length);
    c.shards.start();
    await world.advance(7_500);
    assert.equal(owned(a).length + owned(b).length + owned(c).length, KEYS.length);
    assert.ok(owned(c).length > 15);
    assert.ok(owned(a).every((key) => before[0].includes(key)) && owned(b).every((key) => before[1].includes(key)));
    await Promise.all([a, b, c].map(({ shards }) => shards.stop()));
  });

  test("keys of one that leaves are taken at the next look; of one that was killed, when its lease has ended", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b, c] = ["a", "b", "c"].map((name) => member(world, server, name));
    for (const { shards } of [a, b, c]) {
      shards.start();
    }
    await world.advance(10_000);
    await c.shards.stop();
    await world.advance(5_000);
    assert.equal(owned(a).length + owned(b).length, KEYS.length);
    b.machine.pause();
    await world.advance(12_000);
    assert.ok(owned(a).length < KEYS.length);
    assert.deepEqual(owned(b), [], "the one that was killed believes nothing any more by then");
    await world.advance(10_000);
    assert.equal(owned(a).length, KEYS.length);
    await a.shards.stop();
  });

  test("what moves is free for the next owner only when the listener says that its work has ended", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => member(world, server, name));
    let asked = 0;
    let drained = Promise.withResolvers<void>();
    drained.resolve();
    a.shards.changes(() => {
      asked++;
      return drained.promise;
    });
    a.shards.start();
    await world.advance(5_000);
    assert.equal(owned(a).length, KEYS.length);
    drained = Promise.withResolvers<void>();
    asked = 0;
    b.shards.start();
    await world.advance(14_000);
    assert.deepEqual([asked, owned(b)], [1, []]);
    const kept = owned(a);
    assert.ok(kept.length > 20 && kept.length < 80, "what it keeps it works on meanwhile, and its lease is renewed");
    drained.resolve();
    await world.advance(3_000);
    assert.deepEqual([owned(a).length, owned(b).length], [kept.length, KEYS.length - kept.length]);
    await Promise.all([a, b].map(({ shards }) => shards.stop()));
  });

  test("work that never ends holds the next owner up for as long as a lease lasts", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const [a, b] = ["a", "b"].map((name) => member(world, server, name));
    a.shards.start();
    await world.advance(5_000);
    a.shards.changes(() => new Promise(() => {}));
    b.shards.start();
    await world.advance(15_000);
    assert.deepEqual(owned(b), []);
    await world.advance(5_000);
    assert.equal(owned(a).length + owned(b).length, KEYS.length);
    const stopping = a.shards.stop();
    await world.advance(15_000);
    await stopping;
    await b.shards.stop();
    assert.equal(world.running, 0, "no timer is left");
  });

  test("one that is cut off owns nothing after the deadline, and begins anew when it is back", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    let silences = 0;
    const a = member(world, server, "a", { onSilence: () => void silences++ });
    const b = member(world, server, "b");
    a.shards.start();
    b.shards.start();
    await world.advance(10_000);
    const part = owned(a);
    let told = 0;
    a.shards.changes(() => void told++);
    a.machine.network.partition = "to-server";
    await world.advance(10_100);
    assert.deepEqual([owned(a), told, a.shards.figures().lost], [[], 1, 1]);
    assert.ok(silences > 0);
    await world.advance(10_000);
    assert.equal(owned(b).length, KEYS.length);
    a.machine.network.partition = "none";
    await world.advance(15_000);
    assert.deepEqual([owned(a), owned(b).length], [part, KEYS.length - part.length]);
    await Promise.all([a, b].map(({ shards }) => shards.stop()));
  });

  test("a member that says nothing readable of what it claims, claims all", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    for (const [name, annotation] of [
      ["x", undefined],
      ["y", "{"],
      ["z", '"a"'],
    ] as const) {
      server.put(name, {
        metadata: { name, namespace: "shop", annotations: { "fairlead.dev/shard-members": annotation } },
        spec: { holderIdentity: name, leaseDurationSeconds: 3600, renewTime: "2026-01-01T00:00:00.000000Z" },
      });
    }
    const a = member(world, server, "a");
    a.shards.start();
    await world.advance(30_000);
    assert.deepEqual([owned(a), a.shards.figures().members], [[], ["a", "x", "y", "z"]]);
    server.leases.delete("x");
    server.leases.delete("y");
    await world.advance(30_000);
    assert.deepEqual(owned(a), [], "they have the time that they were promised");
    await a.shards.stop();
  });

  test("two of one identity: the second owns nothing while the first lives", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const first = member(world, server, "same", { random: () => 0.1 });
    const second = member(world, server, "same", { random: () => 0.2 });
    first.shards.start();
    await world.advance(1_000);
    second.shards.start();
    await world.advance(60_000);
    assert.deepEqual([owned(first).length, owned(second).length], [KEYS.length, 0]);
    await second.shards.stop();
    first.machine.pause();
    const third = member(world, server, "same");
    third.shards.start();
    await world.advance(20_000);
    assert.deepEqual([owned(first).length, owned(third).length], [0, KEYS.length]);
    await third.shards.stop();
  });

  test("leases of members that are gone for long are removed, once a look", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    for (let at = 0; at < 5; at++) {
      const left = member(world, server, `old-${at}`);
      left.shards.start();
      await world.advance(0);
      await left.shards.stop();
    }
    assert.equal(server.leases.size, 5);
    const a = member(world, server, "a");
    a.shards.start();
    await world.advance(29_000);
    assert.equal(server.leases.size, 6);
    await world.advance(15_000);
    assert.deepEqual([...server.leases.keys()], [leaseNameOf("mirror", "a")]);
    assert.equal(owned(a).length, KEYS.length);
    await a.shards.stop();
  });

  test("failures are told once, and the group is joined when they end", async () => {
    const world = new ManualClock();
    const lines: string[] = [];
    const log = { ...silentLogger, warn: (_fields: unknown, message: string) => void lines.push(message) };
    const a = member(world, new LeaseServer(), "a", { log });
    for (let i = 0; i < 5; i++) {
      a.machine.network.errors.push(new FairleadError("KUBE_FORBIDDEN", "no"));
    }
    a.shards.start();
    await world.advance(8_000);
    assert.deepEqual([lines, a.shards.figures().failures], [["shards failed at the server, it is tried again"], 4]);
    await world.advance(8_000);
    assert.deepEqual([owned(a).length, a.shards.figures().failures], [KEYS.length, 0]);
    await a.shards.stop();
  });

  test("a listener that throws keeps nothing from moving; stop before start asks for nothing", async () => {
    const world = new ManualClock();
    const server = new LeaseServer();
    const a = member(world, server, "a");
    a.shards.changes(() => {
      throw new Error("no");
    });
    a.shards.start();
    await world.advance(5_000);
    assert.equal(owned(a).length, KEYS.length);
    const b = member(world, server, "b");
    server.calls.length = 0;
    await b.shards.stop();
    b.shards.start();
    await settle();
    assert.ok(server.calls.every(({ by }) => by !== "b"));
    await a.shards.stop();
  });

  for (const [what, options, wanted] of [
    ["a group that is no name", { group: "My Group" }, /the group must be a name/],
    ["a group that is too long", { group: "a".repeat(41) }, /at most 40/],
    ["an empty identity", { identity: "" }, /identity/],
    ["times that do not fit", { renewDeadlineMs: 15_000 }, /leaseDurationMs must be more/],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => member(new ManualClock(), new LeaseServer(), "a", options),
        (error: Error) => codeOf(error) === "ELECTION_BAD_OPTION" && wanted.test(error.message),
      );
    });
  }
});
