import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { refusal, Scenario } from "./machine.test-support.ts";
import type { Input, RefusalStatus } from "./reflector-state.ts";
import { isBelow } from "./version-order.ts";

const status: fc.Arbitrary<RefusalStatus> = fc
  .record({
    code: fc.constantFrom(400, 401, 403, 404, 405, 406, 410, 422, 429, 500, 501, 502, 503, 504),
    reason: fc.constantFrom("", "Expired", "InternalError", "StorageReadError"),
    retryAfterMs: fc.constantFrom(0, 0, 5000, 1e12),
    causes: fc.constantFrom<string[][]>([], ["ResourceVersionTooLarge"]),
  })
  .map(({ code, reason, ...extra }) => refusal(code, reason, extra));
const version = fc.integer({ min: 1, max: 2000 }).map(String);

/** Something that may happen; for requests the number is that of the open one or an older one. */
type Happening = { readonly input: Input; readonly back: number } | { readonly advance: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ advance: fc.constantFrom(1, 500, 2000, 31_000, 80_000, 400_000) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      back: fc.constantFrom(0, 0, 0, 0, 1),
      input: fc.oneof<fc.Arbitrary<Input>[]>(
        fc.constant({ kind: "head", id: 0 }),
        fc.constant({ kind: "head", id: 0 }),
        fc.constant({ kind: "end", id: 0 }),
        fc.constantFrom<Input[]>(
          { kind: "relist", reason: "test" },
          { kind: "wake" },
          { kind: "suspect" },
          { kind: "start" },
          { kind: "probeFailed", id: 0 },
          { kind: "fail", id: 0, code: "KUBE_RESET", message: "" },
          { kind: "fail", id: 0, code: "KUBE_AUTH", message: "" },
          { kind: "broken", id: 0, code: "WIRE_BAD_FRAME", message: "" },
          { kind: "disorder", id: 0, message: "" },
        ),
        status.map((one) => ({ kind: "refused" as const, id: 0, status: one })),
        status.map((one) => ({ kind: "status" as const, id: 0, status: one })),
        version.map((one) => ({ kind: "data" as const, id: 0, bytes: 10, events: 1, version: one })),
        fc.record({ kind: fc.constant("bookmark" as const), id: fc.constant(0), version, initialEnd: fc.boolean() }),
        fc.record({
          kind: fc.constant("page" as const),
          id: fc.constant(0),
          version,
          token: fc.constantFrom("", "", "more"),
        }),
        version.map((one) => ({ kind: "probed" as const, id: 0, version: one })),
      ),
    }),
  },
);

/** True when such an input can come from the request that is open. */
function isPossible(s: Scenario, input: Input): boolean {
  switch (input.kind) {
    case "page":
      return s.state.mode === "listing";
    case "end":
    case "bookmark":
    case "status":
      return s.state.mode !== "listing";
    default:
      return true;
  }
}

class Watcher {
  open = false;
  replacing = false;
  seen = 0;

  /** Checks the actions that came since the last call. */
  check(s: Scenario): void {
    for (; this.seen < s.actions.length; this.seen++) {
      const action = s.actions[this.seen];
      switch (action.kind) {
        case "openWatch":
        case "list":
          assert.equal(this.open, false, "two requests at once");
          this.open = true;
          break;
        case "cancel":
          assert.equal(this.open, true, "a cancel without a request");
          this.open = false;
          break;
        case "beginReplace":
          assert.equal(this.replacing, false);
          this.replacing = true;
          break;
        case "endReplace":
        case "cancelReplace":
          assert.equal(this.replacing, true);
          this.replacing = false;
          break;
        default:
      }
    }
  }
}

const OVER: readonly string[] = ["end", "fail", "refused", "page"];

function play(s: Scenario, watcher: Watcher, happenings: readonly Happening[]): void {
  for (const one of happenings) {
    if ("advance" in one) {
      s.advance(one.advance);
      watcher.check(s);
      continue;
    }
    const ofProbe = one.input.kind === "probed" || one.input.kind === "probeFailed";
    const id = ofProbe ? s.lastProbe : s.state.request - one.back;
    const input: Input = "id" in one.input ? { ...one.input, id } : one.input;
    if (!isPossible(s, input)) {
      continue;
    }
    const before = s.state.version;
    const current = "id" in input && !ofProbe && s.state.open && one.back === 0;
    if (current && OVER.includes(input.kind)) {
      watcher.open = false;
    }
    s.input(input);
    watcher.check(s);
    if (input.kind === "data" && current && s.state.mode === "watching") {
      assert.equal(s.state.version, input.version);
    } else if (before !== "" && s.state.version !== "" && isBelow(s.state.version, before)) {
      assert.ok(input.kind === "page" || input.kind === "bookmark", `the version fell by "${input.kind}"`);
    }
    if (before !== "" && s.state.version === "") {
      assert.equal(s.state.loading, true, "without a version everything is loaded");
    }
  }
}

test("any sequence of inputs: one request at a time, always something to come, the version is kept, a stop is final", () => {
  fc.assert(
    fc.property(
      fc.array(happening, { maxLength: 60 }),
      fc.boolean(),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
      (happenings, noWatchList, chances) => {
        const s = new Scenario({ noWatchList });
        s.random = () => chances.next().value;
        const watcher = new Watcher();
        s.start();
        watcher.check(s);
        for (const one of happenings) {
          play(s, watcher, [one]);
          assert.equal(s.state.open, watcher.open);
          const alive = s.state.open ? s.timers.has("head") || s.timers.has("idle") : s.timers.has("retry");
          assert.ok(alive, `nothing would happen any more in mode "${s.state.mode}"`);
          assert.ok(s.state.version !== "" || s.state.loading);
        }
        s.input({ kind: "stop" });
        watcher.check(s);
        const done = s.actions.length;
        play(s, watcher, happenings);
        assert.deepEqual([watcher.open, watcher.replacing, s.timers.size, s.actions.length], [false, false, 0, done]);
      },
    ),
    { numRuns: 3000 },
  );
});

test("whatever happened, a server that answers well again is followed within two minutes", () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), fc.boolean(), (happenings, noWatchList) => {
      const s = new Scenario({ noWatchList });
      s.start();
      const watcher = new Watcher();
      watcher.check(s);
      play(s, watcher, happenings);
      const from = s.now;
      for (let i = 0; i < 50 && !(s.state.mode === "watching" && s.state.headSeen); i++) {
        if (s.state.open) {
          s.reply({ kind: "head" });
          if (s.state.mode === "streaming") {
            s.reply({ kind: "bookmark", version: "5000", initialEnd: true });
          } else if (s.state.mode === "listing") {
            s.reply({ kind: "page", version: "5000", token: "" });
          }
        } else {
          s.retry();
        }
      }
      assert.equal(s.state.mode, "watching");
      assert.ok(s.now - from <= 160_000, `took ${s.now - from} ms`);
    }),
    { numRuns: 2000 },
  );
});
