import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { TaskPool, type TaskPoolOptions, type TaskRun } from "./task-pool.ts";

class TestError extends Error {
  readonly code: string;
  readonly facts: object;

  constructor(code: string, message: string, facts: object = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

const TASK = new URL("./fixtures/task.ts", import.meta.url);

interface Pool extends AsyncDisposable {
  readonly pool: TaskPool;
  run(what: string, more?: object, options?: TaskRun & { readonly owner?: string }): Promise<unknown>;
}

function open(options: Partial<TaskPoolOptions> = {}): Pool {
  const pool = new TaskPool({
    makeError: (code, message, facts) => new TestError(code, message, facts),
    maxThreads: 2,
    ...options,
  });
  return {
    pool,
    run: (what, more = {}, { owner = "a", ...rest } = {}) => pool.run(owner, TASK, { what, ...more }, rest),
    [Symbol.asyncDispose]: async () => await pool.close(),
  };
}

/** Two shared words: how many tasks have begun, and whether those that hold may go on. */
function gate() {
  const words = new SharedArrayBuffer(8);
  const view = new Int32Array(words);
  return {
    words,
    begun: async (count: number) => {
      for (let seen = Atomics.load(view, 0); seen < count; seen = Atomics.load(view, 0)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    count: () => Atomics.load(view, 0),
    open: () => {
      Atomics.store(view, 1, 1);
      Atomics.notify(view, 1);
    },
  };
}

test("gives what the function gives, also after waiting for a timer", async () => {
  await using given = open();
  const { run, pool } = given;
  assert.equal(pool.figures.threads, 0);
  assert.deepEqual(await run("echo", { value: { list: [1] } }), { list: [1] });
  assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map((value) => run("timer", { value }))), [1, 2, 3, 4, 5]);
  assert.deepEqual({ ...pool.figures, threads: 0 }, { threads: 0, running: 0, waiting: 0, done: 6, failed: 0 });
});

test("moves buffers", async () => {
  await using given = open();
  const buffer = new ArrayBuffer(4096);
  assert.equal(await given.run("size", { buffer }, { transfer: [buffer] }), 4096);
  assert.equal(buffer.byteLength, 0);
});

test("owners take turns, however much one has waiting", async () => {
  await using given = open({ maxThreads: 1 });
  const { words, open: let_go } = gate();
  const order: string[] = [];
  const held = given.run("hold", { words });
  const tasks: Promise<unknown>[] = [];
  for (const name of ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]) {
    tasks.push(given.run("echo", { value: name }, { owner: name[0] }).then((value) => order.push(String(value))));
  }
  let_go();
  await Promise.all([held, ...tasks]);
  assert.deepEqual(order, ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
});

test("too many waiting tasks of one owner are refused, others are not", async () => {
  await using given = open({ maxThreads: 1, maxQueued: 3 });
  const { words, open: let_go } = gate();
  const held = given.run("hold", { words });
  const waiting = [1, 2, 3].map((value) => given.run("echo", { value }));
  await assert.rejects(given.run("echo"), {
    code: "TASK_QUEUE_FULL",
    facts: { owner: "a", task: "task.ts", waiting: 3 },
  });
  const other = given.run("echo", { value: "other" }, { owner: "b" });
  let_go();
  assert.deepEqual(await Promise.all([held, ...waiting, other]), [undefined, 1, 2, 3, "other"]);
});

for (const [what, expected] of [
  ["throw", { code: "TEST_THROW", message: "told to throw", facts: { why: "test" } }],
  ["throw nothing", { code: "UNKNOWN", message: "undefined" }],
  ["exit", { code: "TASK_CRASHED" }],
  ["leak", { code: "TASK_CRASHED" }],
  ["give a function", { code: "RPC_NOT_CLONEABLE" }],
] as const) {
  test(`a task that does "${what}" rejects, and the next one runs`, async () => {
    await using given = open({ maxHeapMb: 48 });
    await assert.rejects(given.run(what), expected);
    assert.equal(await given.run("echo", { value: "next" }), "next");
  });
}

test("a task that hangs is ended at its time-out, with its thread", async () => {
  await using given = open({ maxThreads: 1 });
  await assert.rejects(given.run("spin", {}, { timeoutMs: 300 }), { code: "TASK_TIMEOUT", message: /it was ended/ });
  assert.equal(await given.run("echo", { value: "next" }), "next");
});

test("a task that waits too long for others times out without harming them", async () => {
  await using given = open({ maxThreads: 1 });
  const { words, open: let_go, begun } = gate();
  const held = given.run("hold", { words, value: "held" });
  await begun(1);
  await assert.rejects(given.run("echo", {}, { timeoutMs: 10 }), { code: "TASK_TIMEOUT", message: /had to wait/ });
  let_go();
  assert.equal(await held, "held");
});

test("a task ends with its signal: before it is run, while it waits, while it runs", async () => {
  await using given = open({ maxThreads: 1 });
  const { words, begun, count } = gate();
  const controller = new AbortController();
  const running = given.run("hold", { words }, { signal: controller.signal });
  const waiting = given.run("hold", { words }, { signal: controller.signal });
  await begun(1);
  controller.abort();
  await assert.rejects(running, { code: "TASK_ABORTED" });
  await assert.rejects(waiting, { code: "TASK_ABORTED" });
  await assert.rejects(given.run("echo", {}, { signal: controller.signal }), { code: "TASK_ABORTED" });
  assert.equal(await given.run("echo", { value: "next" }), "next");
  assert.equal(count(), 1);
});

test("a module that is missing, or has no function, is told", async () => {
  await using given = open();
  await assert.rejects(given.pool.run("a", new URL("./fixtures/none.ts", import.meta.url), 0), {
    code: /MODULE_NOT_FOUND/,
  });
  await assert.rejects(given.pool.run("a", new URL("./failure.ts", import.meta.url), 0), { code: "TASK_BAD_MODULE" });
});

test("an instance of a class is refused before it loses its methods", async () => {
  await using given = open();
  await assert.rejects(given.run("echo", { value: new (class View {})() }), {
    code: "RPC_NOT_CLONEABLE",
    message: /input\.value is an instance of View/,
  });
});

test("closing rejects what waits and runs, and what comes later", async () => {
  const given = open({ maxThreads: 1 });
  const { words, begun } = gate();
  const ends = Promise.allSettled([given.run("hold", { words }), given.run("echo")]);
  await begun(1);
  await Promise.all([given.pool.close(), given.pool.close()]);
  assert.deepEqual(
    (await ends).map((end) => end.status === "rejected" && end.reason.code),
    ["TASK_CLOSED", "TASK_CLOSED"],
  );
  await assert.rejects(given.run("echo"), { code: "TASK_CLOSED" });
  assert.equal(given.pool.figures.threads, 0);
});

test("a process with an idle pool ends, and tasks print nothing", async () => {
  const script = `
    import { TaskPool } from ${JSON.stringify(new URL("./task-pool.ts", import.meta.url).href)};
    const pool = new TaskPool({ makeError: (code, message) => new Error(message) });
    process.stdout.write(await pool.run("a", new URL(${JSON.stringify(TASK.href)}), { what: "print" }));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  assert.deepEqual([stdout, stderr], ["printed", ""]);
});
