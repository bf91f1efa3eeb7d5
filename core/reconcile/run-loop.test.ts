import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { codeOf } from "../errors.ts";
import { configMaps, secrets } from "../kinds/index.ts";
import { LOW_PRIORITY } from "../queue/work-queue.ts";
import { controller } from "./builder.ts";
import type { ControllerDefinition } from "./controller.ts";
import { LoopBench, settle } from "./loop.test-support.ts";
import { predicates } from "./predicate.ts";
import { terminal } from "./terminal.ts";

const owned = secrets.select("owners", "labels");
let bench: LoopBench;
let seen: string[];

beforeEach(() => {
  bench = new LoopBench(configMaps, owned);
  seen = [];
});
afterEach(() => bench.end());

const toSameName = (object: { readonly key: string }): string => object.key;

/** ConfigMaps, and Secrets of the same name. */
function noting(more: (key: string) => unknown = () => undefined): ControllerDefinition {
  return controller("noting")
    .for(configMaps)
    .watches(owned, toSameName)
    .concurrency(2)
    .deadline("10s")
    .reconcile(async (object) => {
      seen.push(object.key);
      return (await more(object.key)) as undefined;
    });
}

const put = (name: string, version: number, kind = "configmaps"): void =>
  bench.put(kind, { name, resourceVersion: `${version}` });

/** A promise with its ends, and how often it was waited for. */
function gate() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise, open: resolve, fail: reject };
}

test("nothing is reconciled before all kinds are complete and have been told, then everything once", async () => {
  const loop = bench.loop(noting());
  loop.start();
  put("a", 1);
  put("b", 2);
  put("a", 3, "secrets");
  bench.synced("configmaps");
  await bench.commit();
  assert.deepEqual([seen, loop.figures().state, loop.isIdle], [[], "syncing", false]);
  bench.synced("secrets");
  await bench.commit();
  assert.deepEqual(seen, ["shop/a", "shop/b"]);
  assert.deepEqual([loop.figures().state, loop.isIdle], ["running", true]);
});

test("a change reconciles its key, and what changes goes before what was only listed", async () => {
  const first = gate();
  bench.synced("configmaps", "secrets");
  for (const name of ["a", "b", "c", "d", "e"]) {
    put(name, 1);
  }
  const loop = bench.loop(noting((key) => (key === "shop/a" || key === "shop/b" ? first.promise : undefined)));
  loop.start();
  await bench.commit();
  put("e", 2);
  await bench.commit();
  first.open();
  await settle();
  assert.deepEqual(seen, ["shop/a", "shop/b", "shop/e", "shop/c", "shop/d"]);
});

test("a key is never reconciled twice at once: a change meanwhile is one reconcile more", async () => {
  const held = gate();
  let running = 0;
  let most = 0;
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    noting(async () => {
      most = Math.max(most, ++running);
      await (seen.length === 1 ? held.promise : undefined);
      running--;
    }),
  );
  loop.start();
  put("a", 1);
  await bench.commit();
  for (let version = 2; version < 6; version++) {
    put("a", version);
    put("a", version + 10, "secrets");
    await bench.commit();
  }
  assert.deepEqual(seen, ["shop/a"]);
  held.open();
  await settle();
  assert.deepEqual([seen.length, most], [2, 1]);
});

test("no more keys at once than allowed", async () => {
  const held = gate();
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(noting(() => held.promise));
  loop.start();
  for (const name of ["a", "b", "c", "d"]) {
    put(name, 1);
  }
  await bench.commit();
  assert.deepEqual([seen.length, loop.figures().active, loop.figures().queue.depth.get(LOW_PRIORITY)], [2, 2, 2]);
  held.open();
  await settle();
  assert.equal(seen.length, 4);
});

test("a throw is retried, later each time, until it succeeds; an end for good is not", async () => {
  const failures = new Map([
    ["shop/a", [new Error("one"), new TypeError("two")]],
    ["shop/bad", [terminal("no such image")]],
  ]);
  const attempts: number[] = [];
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    controller("noting")
      .for(configMaps)
      .reconcile((object, { attempt }) => {
        seen.push(object.key);
        attempts.push(attempt);
        const error = failures.get(object.key)?.shift();
        if (error !== undefined) {
          throw error;
        }
      }),
  );
  loop.start();
  put("a", 1);
  await bench.commit();
  assert.deepEqual(seen, ["shop/a"]);
  bench.clock.step(5);
  await settle();
  bench.clock.step(9);
  await settle();
  assert.equal(seen.length, 2);
  bench.clock.step(1);
  await settle();
  assert.deepEqual([seen.length, attempts], [3, [1, 2, 3]]);
  put("bad", 1);
  await bench.commit();
  bench.clock.step(3_600_000);
  await settle();
  assert.equal(seen.filter((key) => key === "shop/bad").length, 1);
  const { counts } = loop.figures();
  assert.deepEqual(
    [counts.results.success, counts.results.error, counts.errors, counts.terminalErrors, counts.panics],
    [1, 3, 3, 1, 1],
  );
  assert.match(bench.lines.join("\n"), /error reconcile failed for good .*no such image/);
  put("a", 2);
  await bench.commit();
  assert.equal(attempts.at(-1), 1);
});

test("whatever is thrown is a failure, also what cannot even be shown", async () => {
  const hostile = new Proxy(
    {},
    {
      get() {
        throw new Error("not to be looked at");
      },
      has() {
        throw new Error("not to be looked at");
      },
    },
  );
  const things: unknown[] = ["a text", undefined, null, 42, Symbol("s"), Object.create(null), hostile, { message: 1n }];
  const left = [...things];
  const loop = bench.loop(
    noting(() => {
      if (left.length > 0) {
        throw left.shift();
      }
    }),
  );
  loop.start();
  put("a", 1);
  bench.synced("configmaps", "secrets");
  await bench.commit();
  for (const _ of things) {
    bench.clock.step(10_000);
    await settle();
  }
  assert.deepEqual([seen.length, left.length, loop.isIdle, bench.lines.length], [9, 0, true, 8]);
  assert.match(bench.lines[5] ?? "", /"code":"UNKNOWN","detail":"what was thrown is no error and cannot be shown"/);
});

test("requeueAfter comes again at its time, status is written, and a time that is none is an error", async () => {
  const results: unknown[] = [{ requeueAfter: "30s", status: { ready: 1 } }, undefined, { requeueAfter: "soon" }];
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(noting(() => results.shift()));
  loop.start();
  put("a", 1);
  await bench.commit();
  assert.deepEqual([seen.length, bench.statuses, loop.waiting], [1, [{ ready: 1 }], 1]);
  bench.clock.step(29_999);
  await settle();
  assert.equal(seen.length, 1);
  bench.clock.step(1);
  await settle();
  assert.equal(seen.length, 2);
  loop.enqueue("shop/a");
  await settle();
  assert.match(bench.lines.join("\n"), /PLUGIN_BAD_DURATION/);
  assert.deepEqual(loop.figures().counts.results, { success: 1, error: 1, requeue: 0, requeue_after: 1 });
});

test("a reconcile that takes too long is told so and gives its place away, but never its key", async () => {
  const hangs = gate();
  const reasons: string[] = [];
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    controller("noting")
      .for(configMaps)
      .concurrency(1)
      .deadline("10s")
      .reconcile(async (object, { signal }) => {
        seen.push(object.key);
        if (object.key === "shop/a" && seen.length === 1) {
          signal.addEventListener("abort", () => reasons.push(codeOf(signal.reason)));
          await hangs.promise;
        }
      }),
  );
  loop.start();
  put("a", 1);
  put("b", 1);
  await bench.commit();
  put("a", 2);
  await bench.commit();
  assert.deepEqual(seen, ["shop/a"]);
  bench.clock.step(10_000);
  await settle();
  assert.deepEqual([seen, reasons], [["shop/a", "shop/b"], ["RECONCILE_TIMEOUT"]]);
  assert.deepEqual([loop.figures().active, loop.figures().overdue, loop.figures().counts.timeouts], [0, 1, 1]);
  assert.throws(() => bench.hooks[0].fence(), { code: "RECONCILE_TIMEOUT" });
  hangs.open();
  await settle();
  assert.deepEqual([seen, loop.figures().overdue], [["shop/a", "shop/b", "shop/a"], 0]);
  assert.match(bench.lines.join("\n"), /RECONCILE_TIMEOUT/);
});

test("an object that is gone is told to `deleted`, and otherwise to nobody", async () => {
  const gone: string[] = [];
  bench.synced("configmaps", "secrets");
  const silent = bench.loop(noting());
  const told = bench.loop(
    controller("told")
      .for(configMaps)
      .deleted((request) => {
        gone.push(`${request.namespace} ${request.name}`);
      })
      .reconcile(() => {}),
  );
  silent.start();
  told.start();
  put("a", 1);
  await bench.commit();
  bench.remove("configmaps", "a");
  await bench.commit();
  assert.deepEqual([seen, gone], [["shop/a"], ["shop a"]]);
  assert.equal(silent.figures().counts.results.success, 2);
});

test("a stop aborts what is under way, refuses its writes, and waits for its end", async () => {
  const held = gate();
  const codes: string[] = [];
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    controller("noting")
      .for(configMaps)
      .reconcile(async (_object, { signal }) => {
        await held.promise;
        codes.push(codeOf(signal.reason));
        signal.throwIfAborted();
      }),
  );
  loop.start();
  put("a", 1);
  await bench.commit();
  let isStopped = false;
  const stopped = loop.stop().then(() => {
    isStopped = true;
  });
  put("b", 1);
  await bench.commit();
  assert.equal(isStopped, false);
  assert.throws(() => bench.hooks[0].fence(), { code: "RECONCILE_STOPPED" });
  held.open();
  await stopped;
  assert.deepEqual([codes, bench.held, bench.hooks.length], [["RECONCILE_STOPPED"], 0, 1]);
  await assert.rejects(loop.reconcileNow("shop/a"), { code: "RECONCILE_STOPPED" });
});

test("a reconcile that outlives its controller keeps its key from the next one", async () => {
  const hangs = gate();
  bench.synced("configmaps", "secrets");
  const old = bench.loop(noting(() => hangs.promise));
  old.start();
  put("a", 1);
  await bench.commit();
  const stopped = old.stop(1000);
  bench.clock.step(1000);
  await stopped;
  assert.match(bench.lines.join("\n"), /reconciles do not end/);
  seen = [];
  const next = bench.loop(noting());
  next.start();
  put("b", 1);
  await bench.commit();
  assert.deepEqual(seen, ["shop/b"]);
  hangs.open();
  await settle();
  assert.deepEqual(seen, ["shop/b", "shop/a"]);
});

test("writes after the end of their reconcile are refused", async () => {
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(noting());
  loop.start();
  put("a", 1);
  await bench.commit();
  assert.throws(() => bench.hooks[0].fence(), { code: "RECONCILE_OVER" });
});

test("a key waits until the cache has its own last write, and no longer than allowed", async () => {
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    noting(() => {
      const write = { kind: "secrets", key: "shop/a", verb: "apply", before: undefined } as const;
      if (seen.length < 3) {
        bench.hooks.at(-1)?.wrote({ ...write, resourceVersion: `${10 * seen.length}` });
      }
    }),
  );
  loop.start();
  put("a", 1);
  await bench.commit();
  put("a", 2);
  await bench.commit();
  assert.equal(seen.length, 1, "the write is not in the cache");
  put("a", 9, "secrets");
  await bench.commit();
  assert.equal(seen.length, 1, "an older state of it is");
  put("a", 10, "secrets");
  await bench.commit();
  assert.equal(seen.length, 2, "the third one waits for the second one's write");
  bench.clock.step(4999);
  await settle();
  assert.equal(seen.length, 2);
  bench.clock.step(1);
  await settle();
  assert.deepEqual([seen.length, loop.figures().counts.stale], [3, 1]);
});

test("what was deleted or deleted again by somebody else is not waited for", async () => {
  bench.synced("configmaps", "secrets");
  let write = { kind: "secrets", key: "shop/a", verb: "delete", resourceVersion: "", before: undefined } as const as {
    kind: string;
    key: string;
    verb: "delete" | "create";
    resourceVersion: string;
    before: string | undefined;
  };
  const loop = bench.loop(noting(() => bench.hooks.at(-1)?.wrote(write)));
  put("a", 5, "secrets");
  loop.start();
  put("a", 1);
  await bench.commit();
  put("a", 2);
  await bench.commit();
  assert.equal(seen.length, 1);
  bench.put("secrets", { name: "a", resourceVersion: "6", deleting: 1_700_000_000 });
  await bench.commit();
  assert.ok(seen.length > 1);
  bench.remove("secrets", "a");
  await bench.commit();
  const before = seen.length;
  write = { ...write, key: "shop/b", verb: "create", resourceVersion: "20", before: "" };
  put("c", 7);
  await bench.commit();
  put("b", 20, "secrets");
  bench.remove("secrets", "b");
  put("c", 8);
  await bench.commit();
  assert.ok(seen.length > before + 1, "it came and went");
});

test("its own writes are no news: made, patched and written one after the other", async () => {
  bench.synced("configmaps", "secrets");
  let writes: readonly (readonly [before: string, after: string])[] = [];
  const loop = bench.loop(
    noting(() => {
      for (const [before, resourceVersion] of writes) {
        bench.hooks.at(-1)?.wrote({ kind: "secrets", key: "shop/a", verb: "apply", resourceVersion, before });
      }
    }),
  );
  loop.start();
  writes = [["", "11"]];
  put("a", 10);
  await bench.commit();
  writes = [];
  put("a", 11, "secrets");
  await bench.commit();
  assert.deepEqual([seen.length, loop.figures().counts.echoes], [1, 1]);
  writes = [
    ["11", "13"],
    ["13", "14"],
  ];
  put("a", 12);
  await bench.commit();
  writes = [];
  put("a", 14, "secrets");
  await bench.commit();
  assert.deepEqual([seen.length, loop.figures().counts.echoes], [2, 2]);
  put("a", 15, "secrets");
  await bench.commit();
  assert.equal(seen.length, 3, "a change of somebody else is news");
});

test("an own write with somebody else's change between is news", async () => {
  bench.synced("configmaps", "secrets");
  let isWriting = true;
  const loop = bench.loop(
    noting(() => {
      if (isWriting) {
        bench.hooks
          .at(-1)
          ?.wrote({ kind: "secrets", key: "shop/a", verb: "apply", resourceVersion: "13", before: "12" });
      }
    }),
  );
  put("a", 11, "secrets");
  loop.start();
  put("a", 10);
  await bench.commit();
  isWriting = false;
  put("a", 13, "secrets");
  await bench.commit();
  assert.deepEqual([seen.length, loop.figures().counts.echoes], [2, 0]);
});

test("an echo that comes before the answer to the write is known too", async () => {
  const held = gate();
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    noting(async () => {
      await held.promise;
      bench.hooks[0].wrote({ kind: "secrets", key: "shop/a", verb: "create", resourceVersion: "11", before: "" });
    }),
  );
  loop.start();
  put("a", 10);
  await bench.commit();
  put("a", 11, "secrets");
  await bench.commit();
  held.open();
  await settle();
  assert.deepEqual([seen.length, loop.figures().counts.echoes, loop.isIdle], [1, 1, true]);
});

test("a status of its own object is an echo, a change of its spec by itself is not", async () => {
  bench.synced("configmaps", "secrets");
  let verb: "status" | "update" = "status";
  let version = 10;
  const loop = bench.loop(
    noting(() => {
      if (seen.length < 3) {
        const resourceVersion = `${version + 1}`;
        bench.hooks.at(-1)?.wrote({ kind: "configmaps", key: "shop/a", verb, resourceVersion, before: `${version}` });
      }
    }),
  );
  loop.start();
  put("a", version);
  await bench.commit();
  put("a", ++version);
  await bench.commit();
  assert.equal(seen.length, 1);
  verb = "update";
  put("a", ++version);
  await bench.commit();
  assert.equal(seen.length, 2);
  put("a", ++version);
  await bench.commit();
  assert.equal(seen.length, 3);
});

test("of children with named fields only these count, and what the controller itself has applied", async () => {
  const children = configMaps;
  const parents = secrets;
  const definition = controller("parent")
    .for(parents.select("labels"))
    .owns(children, { fields: ["labels"] })
    .reconcile((object) => {
      seen.push(object.key);
    });
  await bench.end();
  bench = new LoopBench(...definition.kinds);
  const owners = [{ apiVersion: "v1", kind: "Secret", name: "p", uid: "uid-secrets-p", controller: true }];
  const child = (version: number, more: { labels?: Record<string, string>; mine?: unknown; generation?: number }) =>
    bench.put("configmaps", {
      name: "c",
      resourceVersion: `${version}`,
      fields: {
        owners,
        labels: more.labels ?? {},
        generation: more.generation ?? 1,
        "owned:parent": JSON.stringify(more.mine ?? { "f:data": ["x"] }),
      },
    });
  const loop = bench.loop(definition);
  loop.start();
  put("p", 1, "secrets");
  child(2, {});
  bench.synced("configmaps", "secrets");
  await bench.commit();
  assert.deepEqual(seen, ["shop/p"]);
  child(3, { generation: 2 });
  await bench.commit();
  assert.equal(seen.length, 1, "somebody else's field");
  child(4, { generation: 2, labels: { app: "cart" } });
  await bench.commit();
  assert.equal(seen.length, 2, "a field that the reconcile reads");
  child(5, { generation: 2, labels: { app: "cart" }, mine: { "f:data": ["y"] } });
  await bench.commit();
  assert.equal(seen.length, 3, "what the controller applied");
  bench.remove("configmaps", "c");
  await bench.commit();
  assert.equal(seen.length, 4, "a child that is gone");
});

test("predicates pass changes over, and one that throws lets them through and is told", async () => {
  bench.synced("configmaps", "secrets");
  const definition = controller("noting")
    .for(configMaps, { when: predicates.labels() })
    .watches(owned, () => {
      throw new Error("broken mapping");
    })
    .reconcile((object) => {
      seen.push(object.key);
    });
  const loop = bench.loop(definition);
  loop.start();
  const labelled = (version: number, app: string) =>
    bench.put("configmaps", { name: "a", resourceVersion: `${version}`, fields: { labels: { app } } });
  labelled(1, "cart");
  await bench.commit();
  labelled(2, "cart");
  await bench.commit();
  labelled(3, "shop");
  await bench.commit();
  assert.equal(seen.length, 2);
  put("a", 4, "secrets");
  await bench.commit();
  assert.equal(loop.figures().counts.mappingErrors, 1);
  assert.match(bench.lines.join("\n"), /broken mapping/);
});

test("only own keys are reconciled where processes share them, and new ones when the shares change", async () => {
  const mine = new Set(["shop/a"]);
  const held = gate();
  let told = (): void | Promise<void> => {};
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    noting((key) => (key === "shop/a" ? held.promise : undefined)),
    {
      shards: {
        owns: (key) => mine.has(key),
        check: (key) => assert.ok(mine.has(key), "not owned"),
        changes: (listener) => {
          told = listener;
          return () => {};
        },
      },
    },
  );
  loop.start();
  put("a", 1);
  put("b", 1);
  await bench.commit();
  assert.deepEqual(seen, ["shop/a"]);
  mine.clear();
  mine.add("shop/b");
  assert.throws(() => bench.hooks[0].fence(), /not owned/);
  let isGivenUp = false;
  const givenUp = Promise.resolve(told()).then(() => {
    isGivenUp = true;
  });
  await settle();
  assert.equal(isGivenUp, false, "others wait for what is under way");
  held.open();
  await givenUp;
  assert.throws(() => bench.hooks[0].fence(), { code: "RECONCILE_OVER" });
  put("a", 2);
  await bench.commit();
  assert.deepEqual(seen, ["shop/a", "shop/b"]);
});

test("a controller of keys gets the request itself, and reconcileNow tells how it ended", async () => {
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    controller("keys")
      .keys()
      .reconcile((request) => {
        seen.push(`${request.namespace}:${request.name}`);
        if (request.name === "bad") {
          throw new Error("it is bad");
        }
      }),
    { after: ["configmaps"] },
  );
  loop.start();
  await settle();
  await loop.reconcileNow("shop/x");
  await assert.rejects(loop.reconcileNow("shop/bad"), /it is bad/);
  loop.enqueue("cluster-wide");
  await settle();
  assert.deepEqual(seen, ["shop:x", "shop:bad", "undefined:cluster-wide"]);
});

test("what comes again keeps its priority, or has the one that it was given", async () => {
  bench.synced("configmaps", "secrets");
  const results: unknown[] = [{ requeueAfter: 1 }, { requeueAfter: 1, priority: 7 }, undefined];
  const loop = bench.loop(noting(() => results.shift()));
  put("a", 1);
  loop.start();
  await bench.commit();
  const ready = () => [...loop.figures().queue.depth].filter(([, keys]) => keys > 0).map(([priority]) => priority);
  const seenPriorities: number[][] = [];
  for (let i = 0; i < 2; i++) {
    bench.clock.step(1);
    seenPriorities.push(ready());
    await settle();
  }
  assert.deepEqual([seenPriorities, seen.length], [[[LOW_PRIORITY], [7]], 3]);
});

test("what looks like a result of controller-runtime is refused with what to write", async () => {
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(noting(() => ({ requeue: true })));
  loop.start();
  put("a", 1);
  await bench.commit();
  assert.match(bench.lines.join("\n"), /RECONCILE_BAD_RESULT.*requeueAfter/s);
});

test("an answer that is no result is none, and one that cannot be read is a failure", async () => {
  bench.synced("configmaps", "secrets");
  const results: unknown[] = ["done", 5, [], null, { requeueAfter: undefined, status: undefined, priority: "high" }];
  const loop = bench.loop(noting(() => results.shift()));
  loop.start();
  for (let version = 1; version <= 5; version++) {
    put("a", version);
    await bench.commit();
  }
  assert.deepEqual([seen.length, loop.figures().counts.results.success, loop.waiting], [5, 5, 0]);
});

test("a flood of changes of one key is at most one reconcile more", async () => {
  const held = gate();
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(noting(() => (seen.length === 1 ? held.promise : undefined)));
  loop.start();
  put("a", 1);
  await bench.commit();
  for (let version = 2; version < 500; version++) {
    put("a", version);
    put("a", version, "secrets");
    await bench.commit();
  }
  held.open();
  await settle();
  assert.deepEqual([seen.length, loop.isIdle], [2, true]);
});

test("a stop at any moment leaves no timer and no lock behind", async () => {
  for (let turns = 0; turns < 8; turns++) {
    const loop = bench.loop(
      controller(`stop-${turns}`)
        .for(configMaps)
        .watches(owned, toSameName)
        .reconcile(async (_object, { signal }) => {
          await new Promise((resolve) => setImmediate(resolve));
          signal.throwIfAborted();
          throw new Error("again");
        }),
    );
    loop.start();
    put(`a-${turns}`, turns + 1);
    bench.synced("configmaps", "secrets");
    for (let turn = 0; turn < turns; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await loop.stop();
    await settle();
  }
  assert.deepEqual([bench.clock.running, bench.held], [0, 0]);
});

test("keys that waited for their own writes go on when there is a place, not before", async () => {
  const held = gate();
  let running = 0;
  let most = 0;
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    controller("one-by-one")
      .for(configMaps)
      .watches(owned, toSameName)
      .concurrency(1)
      .reconcile(async ({ key }) => {
        seen.push(key);
        most = Math.max(most, ++running);
        if (seen.length <= 2) {
          bench.hooks.at(-1)?.wrote({ kind: "secrets", key, verb: "apply", resourceVersion: "50", before: undefined });
        }
        await (key === "shop/c" ? held.promise : undefined);
        running--;
      }),
  );
  loop.start();
  put("a", 1);
  put("b", 1);
  await bench.commit();
  put("a", 2);
  put("b", 2);
  await bench.commit();
  put("c", 3);
  await bench.commit();
  assert.deepEqual(seen, ["shop/a", "shop/b", "shop/c"], "a and b wait, c has the place");
  put("a", 50, "secrets");
  put("b", 50, "secrets");
  await bench.commit();
  assert.equal(seen.length, 3);
  held.open();
  await settle();
  assert.deepEqual([seen.slice(3, 5), most], [["shop/a", "shop/b"], 1]);
});

test("a child that somebody deletes before the watch has brought it is made again", async () => {
  bench.synced("configmaps", "secrets");
  const loop = bench.loop(
    noting(() => {
      if (seen.length === 1) {
        const write = { kind: "secrets", key: "shop/a", verb: "create", before: "", resourceVersion: "50" } as const;
        bench.hooks.at(-1)?.wrote(write);
      }
    }),
  );
  loop.start();
  put("a", 1);
  await bench.commit();
  put("a", 50, "secrets");
  bench.remove("secrets", "a");
  await bench.commit();
  assert.equal(seen.length, 1, "nobody is told");
  bench.clock.step(400);
  await settle();
  assert.equal(seen.length, 2);
});
