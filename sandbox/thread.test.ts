import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { spawnThread, type Thread, type ThreadExit, type ThreadOptions } from "./thread.ts";

interface Run {
  readonly thread: Thread<string>;
  readonly messages: string[];
  readonly exits: ThreadExit[];
  /** Resolves with the next message. */
  next(): Promise<string>;
}

function run(data: object = {}, options: Partial<ThreadOptions<string>> = {}): Run {
  const messages: string[] = [];
  const exits: ThreadExit[] = [];
  let wake = (_message: string): void => {};
  const thread = spawnThread<string, string>({
    url: new URL("./fixtures/echo.ts", import.meta.url),
    name: "echo",
    data,
    onMessage: (message) => {
      messages.push(message);
      wake(message);
    },
    onExit: (exit) => exits.push(exit),
    ...options,
  });
  return {
    thread,
    messages,
    exits,
    next: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
  };
}

test("answers messages, tells its figures and ends by itself when asked", async () => {
  const { thread, messages, exits, next } = run();
  await thread.ready;
  const answer = next();
  thread.post("hello");
  assert.equal(await answer, "echo hello");
  const figures = await thread.figures();
  assert.ok(figures.cpuMs > 0 && figures.heapUsedBytes > 100_000 && figures.utilization >= 0, JSON.stringify(figures));
  const [first, second] = await Promise.all([thread.stop(), thread.stop()]);
  assert.deepEqual([first.kind, second.kind, exits.length], ["stopped", "stopped", 1]);
  assert.equal(messages.at(-1), "clean");
  await assert.rejects(thread.figures(), /is gone/);
});

for (const [order, expected] of [
  ["throw", { kind: "crashed", message: "told to throw" }],
  ["reject", { kind: "crashed", message: "told to reject" }],
  ["exit", { kind: "crashed", message: "it ended with exit code 7" }],
] as const) {
  test(`a thread that does "${order}" is told as a crash, and the process lives`, async () => {
    const exited = Promise.withResolvers<ThreadExit>();
    const { thread } = run({}, { onExit: exited.resolve });
    await thread.ready;
    thread.post(order);
    const { kind, message } = await exited.promise;
    assert.deepEqual({ kind, message }, expected);
    assert.equal((await thread.stop()).kind, "crashed");
  });
}

test("a thread that hangs is terminated at the deadline", async () => {
  const { thread } = run();
  await thread.ready;
  thread.post("spin");
  assert.equal((await thread.stop(50)).kind, "forced");
});

test("a thread that leaves a timer behind does not end by itself", async () => {
  const { thread, messages } = run();
  await thread.ready;
  thread.post("hold");
  assert.equal((await thread.stop(300)).kind, "forced");
  assert.equal(messages.at(-1), "leaking");
});

test("a thread that is never ready is given up", async () => {
  const exited = Promise.withResolvers<ThreadExit>();
  const { thread } = run({ silent: true }, { startTimeoutMs: 300, onExit: exited.resolve });
  await assert.rejects(thread.ready, /before it was ready/);
  assert.equal((await exited.promise).kind, "start-timeout");
});

test("what a thread prints stays off the terminal; the end of stderr is kept", async () => {
  const script = `
    import { spawnThread } from ${JSON.stringify(new URL("./thread.ts", import.meta.url).href)};
    const thread = spawnThread({
      url: new URL(${JSON.stringify(new URL("./fixtures/echo.ts", import.meta.url).href)}),
      name: "noisy", data: { noise: true }, onMessage() {}, onExit() {},
    });
    await thread.ready;
    const exit = await thread.stop();
    process.stdout.write(JSON.stringify(exit));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  const exit: ThreadExit = JSON.parse(stdout);
  assert.deepEqual([exit.kind, exit.stderr, stderr], ["stopped", "to stderr\n", ""]);
});
