import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { FairleadError } from "../errors.ts";
import type { LogFields } from "../log.ts";
import { ManualClock } from "../watch/manual-clock.test-support.ts";
import { HookBoard } from "./hook-board.ts";

let clock: ManualClock;
let lines: { fields: LogFields; message: string }[];
let board: HookBoard;

beforeEach(() => {
  clock = new ManualClock();
  lines = [];
  const keep = (fields: LogFields, message: string): void => void lines.push({ fields, message });
  board = new HookBoard({ clock, log: { debug: keep, info: keep, warn: keep, error: keep } });
});

const figureOf = (plugin: string) => board.hookFigures().find((figure) => figure.plugin === plugin);

test("taps are called by stage, then in the order of plugins, then as they were tapped", async () => {
  const seen: string[] = [];
  board.setOrder(["a", "b"]);
  board.tap("b", "start", () => void seen.push("b"));
  board.tap("a", "start", () => void seen.push("a1"));
  board.tap("a", "start", () => void seen.push("a2"));
  board.tap("b", "start", () => void seen.push("b early"), { stage: -1 });
  await board.call("start", "series", undefined);
  assert.deepEqual(seen, ["b early", "a1", "a2", "b"]);
});

test("a tap that throws is named, counted and told once, and those after it are called", async () => {
  const seen: string[] = [];
  board.tap("bad", "stats", () => {
    throw new Error("no luck");
  });
  board.tap("worse", "stats", async () => {
    throw new Error("none either");
  });
  board.tap("good", "stats", () => void seen.push("good"));
  for (let i = 0; i < 3; i++) {
    await board.call("stats", "series", undefined);
  }
  assert.deepEqual(seen, ["good", "good", "good"]);
  assert.deepEqual(
    ["bad", "worse", "good"].map((plugin) => [figureOf(plugin)?.calls, figureOf(plugin)?.errors]),
    [
      [3, 3],
      [3, 3],
      [3, 0],
    ],
  );
  assert.deepEqual(
    lines.map(({ fields }) => [fields.plugin, fields.hook, fields.detail]),
    [
      ["bad", "stats", "no luck"],
      ["worse", "stats", "none either"],
    ],
  );
  await clock.advance(10_000);
  await board.call("stats", "series", undefined);
  assert.equal(lines.find(({ fields }) => fields.untold === 2)?.fields.plugin, "bad");
});

test("a bail hook takes the first answer and does not ask the others", async () => {
  const asked: string[] = [];
  board.tap("a", "of:x", () => void asked.push("a"));
  board.tap("b", "of:x", async () => asked.push("b") && "yes");
  board.tap("c", "of:x", () => asked.push("c") && "no");
  const { answers } = await board.call("of:x", "bail", undefined);
  assert.deepEqual([asked, answers], [["a", "b"], [{ plugin: "b", label: "", answer: "yes" }]]);
});

test("a call is over at its deadline; who is late is named, and further taps are not called", async () => {
  const seen: string[] = [];
  board.tap("slow", "of:x", () => new Promise(() => {}));
  board.tap("next", "of:x", () => void seen.push("next"));
  const calling = board.call("of:x", "series", undefined, { deadlineMs: 100 });
  await clock.advance(100);
  const { late } = await calling;
  assert.deepEqual([late, seen, figureOf("slow")?.errors], [[{ plugin: "slow", label: "" }], [], 1]);
  assert.equal(clock.running, 0);
});

test("in parallel nobody waits for another; what comes after the deadline is dropped", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  board.tap("slow", "health", () => promise, { label: "db" });
  board.tap("fast", "health", () => true, { label: "disk" });
  const calling = board.call("health", "parallel", undefined, { deadlineMs: 50 });
  await clock.advance(50);
  const outcome = await calling;
  resolve("too late");
  await clock.advance(1);
  assert.deepEqual(outcome.answers, [{ plugin: "fast", label: "disk", answer: true }]);
  assert.deepEqual(outcome.late, [{ plugin: "slow", label: "db" }]);
});

test("a signal ends a call as its deadline does", async () => {
  const stop = new AbortController();
  board.tap("slow", "stop", () => new Promise(() => {}));
  const calling = board.call("stop", "series", undefined, { signal: stop.signal, deadlineMs: 1000 });
  stop.abort();
  assert.equal((await calling).late.length, 1);
  assert.equal(clock.running, 0);
});

test("sync: the first answer counts, a throw is passed over, a promise is a mistake", () => {
  board.tap("a", "workloadRoot", () => {
    throw new Error("broken");
  });
  board.tap("b", "workloadRoot", async () => {
    throw new Error("never seen");
  });
  board.tap("c", "workloadRoot", () => "root");
  assert.equal(board.callSync("workloadRoot", {}), "root");
  assert.deepEqual([figureOf("a")?.errors, figureOf("b")?.errors, figureOf("c")?.errors], [1, 1, 0]);
});

test("a tap that is removed during a call is not called any more, one that is added waits for the next", async () => {
  const seen: string[] = [];
  const second = { remove: (): void => {} };
  board.tap("a", "of:x", () => {
    seen.push("a");
    second.remove();
    board.tap("c", "of:x", () => void seen.push("c"));
  });
  second.remove = board.tap("b", "of:x", () => void seen.push("b")).remove;
  await board.call("of:x", "series", undefined);
  assert.deepEqual(seen, ["a"]);
  await board.call("of:x", "series", undefined);
  assert.deepEqual(seen, ["a", "a", "c"]);
});

test("a plugin that goes takes its taps and hooks along; its figures stay until it is forgotten", async () => {
  board.tap("a", "of:x", () => "answer");
  const declared = board.declare("a", "asked", { kind: "decide", about: "test" });
  board.removePlugin("a");
  assert.equal(board.isTapped("of:x"), false);
  assert.deepEqual(board.declared(), []);
  assert.equal(await declared.call(1), undefined);
  assert.equal(board.hookFigures().length, 1);
  board.forget("a");
  assert.equal(board.hookFigures().length, 0);
  board.declare("a", "asked", { kind: "observe", about: "the name is free again" });
});

test("a declared hook can be tapped before, and tells when it is tapped", async () => {
  const told: boolean[] = [];
  const early = board.tap("b", "a.asked", (given) => `${given} yes`);
  const hook = board.declare("a", "asked", { kind: "decide", about: "test", fallback: "nobody" });
  hook.onTapped((tapped) => told.push(tapped));
  assert.equal(hook.tapped, true);
  assert.equal(await hook.call("b says"), "b says yes");
  early.remove();
  early.remove();
  assert.equal(await hook.call("x"), "nobody");
  board.tap("b", "a.asked", () => undefined);
  assert.equal(await hook.call("x"), "nobody");
  assert.deepEqual(told, [false, true]);
});

test("a declared hook answers with its fallback at its deadline, and collects what came in time", async () => {
  const decide = board.declare("a", "decide", { kind: "decide", about: "test", deadlineMs: 20, fallback: "late" });
  const collect = board.declare("a", "collect", { kind: "collect", about: "test" });
  const observe = board.declare("a", "observe", { kind: "observe", about: "test" });
  for (const name of ["a.decide", "a.collect"]) {
    board.tap("slow", name, () => new Promise(() => {}));
    board.tap("fast", name, () => name);
  }
  board.tap("fast", "a.observe", () => "ignored");
  const answers = Promise.all([decide.call(1), collect.call(1), observe.call(1)]);
  await clock.advance(50);
  assert.deepEqual(await answers, ["late", ["a.collect"], undefined]);
});

test("what is declared twice, or badly, is refused", () => {
  const codeOf = (declare: () => unknown): string => {
    try {
      declare();
    } catch (error) {
      return (error as FairleadError).code;
    }
    return "none";
  };
  board.declare("a", "x", { kind: "observe", about: "test" });
  assert.deepEqual(
    [
      codeOf(() => board.declare("a", "x", { kind: "observe", about: "test" })),
      codeOf(() => board.declare("a", "no spaces", { kind: "observe", about: "test" })),
      codeOf(() => board.declare("a", "y", { kind: "waterfall" as "observe", about: "test" })),
      codeOf(() => board.tap("a", "start", "no function" as unknown as () => void)),
    ],
    ["HOOK_DUPLICATE", "HOOK_BAD_NAME", "HOOK_BAD_NAME", "HOOK_BAD_TAP"],
  );
});

test("a slow tap is told with its plugin; longest and 99th percentile are kept", async () => {
  let ms = 1;
  board.tap("slow", "of:x", async () => clock.advance(ms));
  for (let i = 0; i < 300; i++) {
    ms = i === 0 ? 5000 : 1;
    await board.call("of:x", "series", undefined);
  }
  const figure = figureOf("slow");
  assert.equal(figure?.longestMs, 5000);
  assert.ok(figure.p99Ms >= 1 && figure.p99Ms < 1.3, String(figure.p99Ms));
  assert.deepEqual(
    lines.map(({ fields, message }) => [message, fields.plugin, fields.ms]),
    [["a tap is slow", "slow", 5000]],
  );
});

test("a thousand taps are called in order, and can all be taken away during the call", async () => {
  const seen: number[] = [];
  const taps = Array.from({ length: 1000 }, (_, i) =>
    board.tap("many", "of:x", () => {
      seen.push(i);
      if (i === 499) {
        for (const tap of taps) {
          tap.remove();
        }
      }
    }),
  );
  await board.call("of:x", "series", undefined);
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, i) => i),
  );
  assert.equal(board.isTapped("of:x"), false);
});

test("a thousand taps in each way of calling all answer", async () => {
  for (let i = 0; i < 1000; i++) {
    board.tap("many", "of:x", () => undefined);
  }
  for (const mode of ["series", "bail", "parallel"] as const) {
    assert.deepEqual((await board.call("of:x", mode, undefined)).failures, []);
  }
  board.callSync("of:x", undefined);
  assert.equal(figureOf("many")?.calls, 4000);
});
