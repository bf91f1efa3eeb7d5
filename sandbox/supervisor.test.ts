import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";
import type { RpcPeer } from "./rpc.ts";
import {
  type Supervised,
  type SupervisedState,
  type SupervisorOptions,
  supervise,
  type ThreadEnd,
} from "./supervisor.ts";

class TestError extends Error {
  readonly code: string;
  readonly facts: object;

  constructor(code: string, message: string, facts: object = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

interface Run extends AsyncDisposable {
  readonly thread: Supervised;
  readonly states: string[];
  readonly ends: ThreadEnd[];
  readonly printed: string[];
  until(state: SupervisedState): Promise<void>;
  /** Resolves when the thread says so next. */
  told(what: "done" | "stopped cleanly"): Promise<unknown>;
  ask(method: string, given?: unknown): Promise<unknown>;
}

function run(start: object = {}, options: Partial<SupervisorOptions> = {}): Run {
  const states: string[] = [];
  const ends: ThreadEnd[] = [];
  const printed: string[] = [];
  const changed = new EventTarget();
  const events = new EventTarget();
  const connect = (rpc: RpcPeer): void => {
    rpc.handle("main", (given) => `main heard ${given}`);
    rpc.handle("done", () => events.dispatchEvent(new Event("done")));
    rpc.listen("stopped cleanly", () => events.dispatchEvent(new Event("stopped cleanly")));
    rpc.listen("noise", () => {});
  };
  const thread = supervise({
    module: new URL("./fixtures/unruly.ts", import.meta.url),
    name: 'thread "unruly"',
    data: () => ({ data: start }),
    makeError: (code, message, facts) => new TestError(code, message, facts),
    policy: { windowMs: 60_000, maxCrashes: 3, baseDelayMs: 2, maxDelayMs: 2 },
    onConnect: connect,
    onState: (state, failure) => {
      states.push(failure === undefined ? state : `${state} ${failure.code}`);
      changed.dispatchEvent(new Event(state));
    },
    onEnd: (end) => ends.push(end),
    onPrinted: (text) => printed.push(text),
    ...options,
  });
  return {
    thread,
    states,
    ends,
    printed,
    until: async (state) => {
      if (thread.state !== state) {
        await once(changed, state);
      }
    },
    told: async (what) => await once(events, what),
    ask: async (method, given) => await thread.rpc?.request(method, given),
    [Symbol.asyncDispose]: async () => {
      await thread.stop(0);
    },
  };
}

/** The longest time that this thread's loop stood still while `during` went on, milliseconds. Unprotected it is seconds. */
async function longestDelay(during: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await during();
  delay.disable();
  return delay.max / 1e6;
}

test("what the start of a thread left behind is given back a while after it", { timeout: 20_000 }, async () => {
  await using started = run({ atSetup: "load much" });
  await started.until("ready");
  const heap = await started.ask("heap after a thorough collection");
  const { before, after } = heap as { before: number; after: number }; // the fixture gives this
  assert.ok(after < before * 0.75, `${after} of ${before} bytes are left`);
});

test("asks, answers, tells its figures and ends as asked", async () => {
  await using given = run();
  const { thread, states, ends, ask, told } = given;
  await thread.ready;
  assert.equal(thread.state, "ready");
  assert.deepEqual(await ask("echo", { list: [1, "two"] }), { list: [1, "two"] });
  assert.equal(await ask("slow echo", "x"), "x");
  assert.equal(await ask("ask main", "hello"), "main heard hello");
  const figures = await thread.figures();
  assert.ok(figures !== undefined && figures.cpuMs > 0 && figures.heapUsedBytes > 100_000, JSON.stringify(figures));
  let isClean = false;
  void told("stopped cleanly").then(() => {
    isClean = true;
  });
  assert.deepEqual(await Promise.all([thread.stop(), thread.stop()]), ["stopped", "stopped"]);
  assert.ok(isClean, "its last words were not heard");
  assert.deepEqual(states, ["ready", "stopping", "stopped"]);
  assert.deepEqual(
    ends.map(({ kind, failure }) => [kind, failure]),
    [["stopped", undefined]],
  );
});

for (const [order, code, text] of [
  ["throw", "TEST_CRASH", "told to throw"],
  ["reject", "THREAD_CRASHED", "told to reject"],
  ["throw nothing", "THREAD_CRASHED", "null"],
  ["exit", "THREAD_EXITED", "exit code 7"],
  ["exit cleanly", "THREAD_EXITED", "exit code 0"],
  ["leak", "THREAD_HEAP_LIMIT", "32 MB are allowed"],
  ["leak in one turn", "THREAD_HEAP_LIMIT", "32 MB are allowed"],
  ["leak buffers", "THREAD_HEAP_LIMIT", "32 MB are allowed"],
  ["spin", "THREAD_UNRESPONSIVE", "its event loop stood still"],
  ["flood without end", "THREAD_FLOOD", "without end"],
] as const) {
  test(`a thread that does "${order}" is ended and started again, and this one lives`, async () => {
    await using given = run(
      {},
      { maxHeapMb: 32, pulse: order === "spin" ? { unresponsiveMs: 500, deadMs: 1000 } : undefined },
    );
    const { thread, until, ask, ends } = given;
    await thread.ready;
    await ask("do", order);
    await until("restarting");
    await until("ready");
    assert.equal(await ask("echo", "again"), "again");
    assert.equal(thread.restarts, 1);
    assert.equal(ends[0].kind, "crashed");
    assert.equal(ends[0].failure?.code, code);
    assert.match(ends[0].failure?.message ?? "", new RegExp(text));
  });
}

test("much garbage is no leak", async () => {
  await using given = run({}, { maxHeapMb: 48 });
  const { thread, ask, states } = given;
  await thread.ready;
  await ask("do", "litter");
  const endsAt = performance.now() + 2000;
  while (performance.now() < endsAt) {
    await ask("slow echo", 1);
  }
  assert.deepEqual(states, ["ready"]);
});

test("a thread that is busy for a while is told as unresponsive, and lives", async () => {
  await using given = run();
  const { thread, ask, until, states } = given;
  await thread.ready;
  await ask("do", "spin for four seconds");
  await until("unresponsive");
  await until("ready");
  assert.deepEqual(states, ["ready", "unresponsive", "ready"]);
});

test("three crashes are one too many", async () => {
  await using given = run({ atSetup: "crash later" });
  const { thread, until, states } = given;
  await until("disabled");
  assert.equal(thread.restarts, 2);
  assert.equal(states.at(-1), "disabled TEST_LATER");
  assert.match(thread.failure?.message ?? "", /told to throw later/);
  assert.equal(await thread.stop(), "stopped");
  assert.equal(thread.state, "disabled");
});

test("a first start that fails is told with its own error, and not tried again", async () => {
  await using given = run({ atSetup: "throw" });
  const { thread, states } = given;
  await assert.rejects(thread.ready, {
    code: "TEST_SETUP",
    message: "told to throw at setup",
    facts: { why: "test", list: ["a"] },
  });
  assert.deepEqual(states, ["failed TEST_SETUP"]);
});

test("a first start may be tried again", async () => {
  await using given = run({ atSetup: "throw" }, { retriesFirstStart: true });
  const { thread, states } = given;
  await assert.rejects(thread.ready, { code: "TEST_SETUP" });
  assert.equal(thread.state, "disabled");
  assert.equal(states.filter((state) => state.startsWith("restarting")).length, 2);
});

for (const atSetup of ["never", "spin"]) {
  test(`a set-up that does "${atSetup}" is given up`, async () => {
    await using given = run({ atSetup }, { loadTimeoutMs: 400 });
    await assert.rejects(given.thread.ready, { code: "THREAD_LOAD_TIMEOUT" });
    assert.equal(given.thread.state, "failed");
  });
}

test("a module that is not there is told", async () => {
  await using given = run({}, { module: new URL("./fixtures/no-such-module.ts", import.meta.url) });
  await assert.rejects(given.thread.ready, { code: /MODULE_NOT_FOUND/ });
});

test("data that cannot go into a thread is told", async () => {
  await using given = run({}, { data: () => ({ data: { call: () => {} } }) });
  await assert.rejects(given.thread.ready, /could not be cloned/);
  assert.equal(given.thread.state, "failed");
});

test("a stop that is not heeded is forced at the deadline", async () => {
  await using given = run();
  const { thread, ask } = given;
  await thread.ready;
  await ask("hold at stop");
  assert.equal(await thread.stop(100), "forced");
  assert.equal(thread.state, "stopped");
});

test("a stop while it hangs, starts or waits for its restart leaves nothing", async () => {
  await using hanging = run();
  await hanging.thread.ready;
  await hanging.ask("do", "spin");
  await using waiting = run(
    {},
    { policy: { windowMs: 60_000, maxCrashes: 3, baseDelayMs: 60_000, maxDelayMs: 60_000 } },
  );
  await waiting.thread.ready;
  await waiting.ask("do", "throw");
  await waiting.until("restarting");
  await using starting = run();
  const ends = await Promise.all([hanging.thread.stop(50), starting.thread.stop(0), waiting.thread.stop()]);
  assert.deepEqual(ends, ["forced", "forced", "stopped"]);
  await assert.rejects(starting.thread.ready, { code: "THREAD_STOPPED" });
});

test("a thread that waits in native code is told as stuck, and goes when that ends", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-stuck-"));
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  try {
    await using given = run();
    const { thread, ask, until, states } = given;
    await thread.ready;
    await ask("read for ever", pipe);
    assert.equal(await thread.stop(50), "stuck");
    assert.deepEqual(states, ["ready", "stopping", "stuck"]);
    writeFileSync(pipe, "");
    await until("stopped");
    assert.equal(await thread.stop(), "stopped");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what it prints is told to its supervisor only, and the end is kept for its crash", async () => {
  await using given = run();
  const { thread, ask, until, printed, ends } = given;
  await thread.ready;
  await ask("do", "print");
  await ask("do", "exit");
  await until("restarting");
  assert.deepEqual(printed, ["to stdout\n", "to stderr\n"]);
  assert.equal(ends[0].printed, "to stdout\nto stderr\n");
});

for (const [order, done] of [
  ["flood", "restarting"],
  ["flood the other port", "done"],
  ["print without end", "done"],
] as const) {
  test(`while a thread does "${order}" this one goes on`, async () => {
    await using given = run();
    const { thread, ask, told, until } = given;
    await thread.ready;
    const delay = await longestDelay(async () => {
      const finished = done === "restarting" ? until(done) : told(done);
      await ask("do", order);
      await finished;
    });
    assert.ok(delay < 500, `the loop stood still for ${delay.toFixed(0)} ms`);
  });
}

test("garbage is counted and dropped", async () => {
  await using given = run();
  const { thread, ask, told } = given;
  await thread.ready;
  const sent = told("done");
  await ask("do", "garbage");
  await sent;
  assert.equal(thread.rpc?.figures.garbage, 23);
  assert.equal(await ask("echo", "fine"), "fine");
});

test("a thread that started threads takes them with it", async () => {
  await using given = run();
  const { thread, ask } = given;
  await thread.ready;
  await ask("do", "nest");
  assert.equal(await thread.stop(), "stopped");
});
