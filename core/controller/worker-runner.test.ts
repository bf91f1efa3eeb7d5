import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf, messageOf } from "../errors.ts";
import { pods } from "../kinds/index.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Controller, createController } from "./create-controller.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import { type RecordingLog, recordingLog } from "./recording-log.test-support.ts";

const USE = new URL("./unruly-plugin.test-support.ts", import.meta.url);

let server: ApiServer;
let log: RecordingLog;
let controller: Controller | undefined;

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply(pod("cart-1"));
  log = recordingLog();
});
afterEach(async () => {
  await controller?.stop();
  await server.stop();
});

const pod = (name: string, phase = "Running") => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop" },
  spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
  status: { phase },
});

interface Unruly {
  readonly [name: string]: (given: never) => unknown;
  readonly echo: (given: unknown) => unknown;
  readonly batches: (given?: undefined) => number;
  readonly phases: (given?: undefined) => string[];
  readonly view: (given?: undefined) => unknown;
  readonly soon: (what: string) => void;
  readonly hang: (given?: undefined) => void;
  readonly count: (given?: undefined) => void;
  readonly late: (given?: undefined) => void;
  readonly task: (given: unknown) => unknown;
  readonly bigTask: (given?: undefined) => number[];
  readonly cancelTask: (given?: undefined) => string;
  readonly alive: (given?: undefined) => boolean;
  readonly ready: (given?: undefined) => boolean;
  readonly post: (message: unknown) => void;
  readonly heard: (given?: undefined) => unknown[];
  readonly stopThread: (given?: undefined) => boolean;
  readonly spawnWrong: (given?: undefined) => void;
}

type CalledFreely<S> = {
  readonly [Name in keyof S]: S[Name] extends (...given: infer Given) => infer Answer
    ? (given?: Given[0]) => Promise<Answer>
    : never;
};

function make(
  entry: Partial<PluginEntry> = {},
  others: readonly AnyPlugin[] = [],
  ingest: "inline" | "thread" = "inline",
): Controller {
  const made = createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    kinds: [pods.select("podIP")],
    plugins: [{ use: USE, isolation: "worker", options: { name: "x" }, ...entry }, ...others],
    ingest,
    log,
  });
  controller = made as unknown as Controller;
  return controller;
}

async function start(entry: Partial<PluginEntry> = {}, others: readonly AnyPlugin[] = []) {
  const made = make(entry, others);
  await made.start();
  // The type of services wants an argument for each handler; those without one get undefined.
  return { made, unruly: made.services.use<Unruly>("unruly") as unknown as CalledFreely<Unruly> };
}

const rejection = (call: Promise<unknown>): Promise<string> => call.then(() => "none", codeOf);

const stateOf = (made: Controller): string | undefined => made.plugins().find(({ name }) => name === "unruly")?.state;

/** Asks until the answer is as expected, at most ten seconds. */
async function eventually<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  const endsAt = performance.now() + 10_000;
  for (;;) {
    const answer = await ask();
    if (isGood(answer) || performance.now() > endsAt) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a plugin in a thread of its own", () => {
  for (const [order, code, text] of [
    ["throw", "TEST_CRASH", "told to throw"],
    ["reject", "THREAD_CRASHED", "told to reject"],
    ["exit", "THREAD_EXITED", "exit code 5"],
    ["leak", "THREAD_HEAP_LIMIT", "48 MB are allowed"],
  ] as const) {
    test(`that does "${order}" is set up anew, and is told`, async () => {
      const told: string[] = [];
      const other: AnyPlugin = { name: "other", apiVersion: "fairlead/v1", setup: () => {} };
      const { made, unruly } = await start({ maxHeapMb: 48 }, [other]);
      made.notices.on("plugin-restarted", ({ plugin, restarts }) => told.push(`${plugin} ${restarts}`));
      await unruly.soon(order).catch(() => {});
      await log.until(() => stateOf(made) === "restarting");
      const info = made.plugins().find(({ name }) => name === "unruly");
      assert.equal(info?.error?.code, code);
      assert.match(info?.error?.message ?? "", new RegExp(text));
      assert.equal(await rejection(unruly.echo(1)), "SERVICE_UNAVAILABLE");
      await log.until(() => stateOf(made) === "running");
      assert.deepEqual(await unruly.phases(), ["shop/cart-1 Running"]);
      assert.ok(
        (await eventually(
          () => unruly.batches(),
          (batches) => batches > 0,
        )) > 0,
      );
      assert.deepEqual(told, ["unruly 1"]);
      assert.deepEqual(
        made.plugins().map(({ name, state, restarts }) => [name, state, restarts]),
        [
          ["unruly", "running", 1],
          ["other", "running", 0],
        ],
      );
    });
  }

  test("that crashes three times is given up", async () => {
    const { made } = await start({ options: { name: "x", atSetup: "crash when started" } });
    await log.until(() => stateOf(made) === "disabled");
    assert.match(log.lines.join("\n"), /plugin crashed too often .*given up after 3 crashes/);
    assert.equal(made.plugins()[0].restarts, 2);
    assert.equal(await rejection(made.services.use<Unruly>("unruly").echo(1)), "SERVICE_UNAVAILABLE");
    await made.stop();
  });

  for (const [atSetup, code, text] of [
    ["throw", "PLUGIN_SETUP_FAILED", 'plugin "unruly" failed in setup: told to throw in setup'],
    ["never", "PLUGIN_SETUP_TIMEOUT", 'plugin "unruly" did not finish setup within 2000 ms'],
    ["spin", "PLUGIN_SETUP_TIMEOUT", 'plugin "unruly" did not finish setup within 2000 ms'],
    ["exit", "PLUGIN_SETUP_FAILED", "exit code 4"],
    [
      "workload root",
      "PLUGIN_SETUP_FAILED",
      'taps "workloadRoot", which is answered at once; run the plugin with isolation: inline',
    ],
    ["bad metric", "PLUGIN_SETUP_FAILED", "bad name"],
    ["bad hook", "PLUGIN_SETUP_FAILED", "no-dot"],
  ] as const) {
    test(`whose setup does "${atSetup}" fails the start with its reason`, async () => {
      const setupTimeoutMs = code === "PLUGIN_SETUP_TIMEOUT" ? 2000 : undefined;
      const made = make({ options: { name: "x", atSetup }, setupTimeoutMs, stopTimeoutMs: 300 });
      const error = await made.start().then(
        () => assert.fail("it started"),
        (thrown: unknown) => thrown,
      );
      assert.equal(codeOf(error), code);
      assert.ok(messageOf(error).includes(text), messageOf(error));
    });
  }

  test("that is no module, or has options that cannot go there, is refused", async () => {
    const plain: AnyPlugin = { name: "plain", apiVersion: "fairlead/v1", setup: () => {} };
    assert.equal(await rejection(make({ use: plain }).start()), "PLUGIN_BAD");
    assert.equal(await rejection(make({ options: { call: () => {} } }).start()), "PLUGIN_OPTIONS");
    const none = new URL("./no-such-plugin.ts", import.meta.url);
    assert.equal(await rejection(make({ use: none }).start()), "PLUGIN_LOAD_FAILED");
  });

  test("that hangs does not hold this thread up, and ends at its deadline", async () => {
    const { made, unruly } = await start({ stopTimeoutMs: 300 });
    await unruly.soon("spin");
    const startedAt = performance.now();
    await made.stop();
    assert.ok(performance.now() - startedAt < 3000);
    await log.waitFor(/thread of the plugin did not end in time/);
  });

  test("hears of the end", async () => {
    const { made } = await start();
    await made.stop();
    for (const line of [/^stop hook/, /^signal aborted/, /^thread signal aborted/]) {
      await log.waitFor(line);
    }
  });

  test("reads what changes, also after a reload", async () => {
    const { made, unruly } = await start();
    server.objects.apply(pod("cart-2", "Pending"));
    const both = ["shop/cart-1 Running", "shop/cart-2 Pending"];
    const read = async () => (await unruly.phases()).sort();
    assert.deepEqual(await eventually(read, (phases) => phases.length === 2), both);
    await made.reload([{ use: USE, isolation: "worker", options: { name: "y" } }]);
    assert.deepEqual(await read(), both);
  });

  test("goes on reading when the store is renewed", async () => {
    const made = make({}, [], "thread");
    await made.start();
    const unruly = made.services.use<Unruly>("unruly") as unknown as CalledFreely<Unruly>;
    await unruly.ready();
    assert.deepEqual(await unruly.phases(), ["shop/cart-1 Running"]);
    server.objects.apply(pod("cart-2", "Pending"));
    // Other fields than before, as another plugin would want them: the store goes over to another plan.
    const wide: AnyPlugin = { name: "wide", apiVersion: "fairlead/v1", needs: { pods: true }, setup: () => {} };
    await made.reload([{ use: USE, isolation: "worker", options: { name: "x" } }, wide]);
    server.objects.apply(pod("cart-3", "Pending"));
    const phases = await eventually(
      async () => (await unruly.phases()).sort(),
      (all) => all.length === 3,
    );
    assert.deepEqual(phases, ["shop/cart-1 Running", "shop/cart-2 Pending", "shop/cart-3 Pending"]);
    assert.equal(made.plugins()[0].restarts, 0);
    await unruly.heard();
    await unruly.post("pods");
    const heard = await eventually(
      () => unruly.heard(),
      (all) => all.some(Array.isArray),
    );
    assert.deepEqual(heard.find(Array.isArray), ["cart-1", "cart-2", "cart-3"]);
  });

  test("gives no views away", async () => {
    const { unruly } = await start();
    assert.equal(await rejection(unruly.view()), "RPC_NOT_CLONEABLE");
  });

  test("that throws in a timer is counted, and goes on", async () => {
    const { unruly } = await start();
    await unruly.late();
    await log.waitFor(/plugin failed .*thrown in a timer/);
    assert.equal(await unruly.echo("on"), "on");
  });

  test("has its metrics here", async () => {
    const { made, unruly } = await start();
    await unruly.count();
    const text = await eventually(
      async () => await made.metrics(),
      (metrics) => metrics.includes("fairlead_unruly_level 8"),
    );
    for (const line of [
      'fairlead_unruly_calls_total{what="count"} 1',
      'fairlead_unruly_calls_total{what="other"} 2',
      "fairlead_unruly_sizes_count 2",
      "fairlead_unruly_sizes_sum 55",
    ]) {
      assert.ok(text.includes(line), `${line} is not in\n${text}`);
    }
  });

  test("may log what it likes", async () => {
    const { unruly } = await start();
    await unruly.soon("odd log");
    await log.waitFor(/^less odd .*"message":"inner"/);
    await log.waitFor(/^odd .*unreadable/);
  });

  for (const order of ["log flood", "event flood"]) {
    test(`that makes a ${order} leaves this thread its time`, async () => {
      const { unruly } = await start();
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      await unruly.soon(order);
      assert.equal(await unruly.echo("after"), "after");
      await log.waitFor(/came too fast and were dropped/);
      delay.disable();
      assert.ok(delay.max / 1e6 < 500, `the loop stood still for ${(delay.max / 1e6).toFixed(0)} ms`);
    });
  }
});

for (const isolation of ["inline", "worker"] as const) {
  describe(`a plugin that runs ${isolation}`, () => {
    test("runs tasks", async () => {
      const { unruly } = await start({ isolation });
      assert.deepEqual(await unruly.task({ list: [1] }), { got: { list: [1] } });
      assert.equal(await rejection(unruly.task("throw")), "TEST_TASK");
      assert.deepEqual(await unruly.bigTask(), [1_000_000, 0]);
      assert.equal(await unruly.cancelTask(), "TASK_ABORTED");
    });

    test("has a thread that reads the store and talks to it", async () => {
      const { unruly } = await start({ isolation });
      assert.equal(await unruly.ready(), true);
      assert.equal(await unruly.alive(), true);
      const hear = async (): Promise<unknown[]> => {
        heard.push(...(await unruly.heard()));
        return heard;
      };
      const heard: unknown[] = [];
      await eventually(hear, (all) => all.includes("hello") && all.includes("changed 1"));
      await unruly.post("pods");
      await unruly.post("services");
      await unruly.post({ deep: [1] });
      await eventually(hear, (all) => all.length >= 5);
      assert.deepEqual(heard.slice(2), [["cart-1"], "STORE_KIND_NOT_NEEDED", ["echo", { deep: [1] }]]);
      server.objects.apply(pod("cart-2"));
      await eventually(hear, (all) => all.includes("changed 2"));
      assert.equal(heard.at(-1), "changed 2");
      assert.equal(await rejection(unruly.spawnWrong()), "STORE_KIND_NOT_NEEDED");
      assert.equal(await unruly.stopThread(), false);
    });

    test("has a thread that is started again after a crash", async () => {
      const { unruly } = await start({ isolation });
      await unruly.ready();
      await eventually(
        () => unruly.heard(),
        (all) => all.includes("hello"),
      );
      await unruly.post("throw");
      await log.waitFor(/plugin thread crashed.*thread told to throw/);
      await eventually(
        () => unruly.heard(),
        (all) => all.includes("hello"),
      );
      await eventually(
        () => unruly.alive(),
        (alive) => alive,
      );
      await unruly.post("again");
      const heard = await eventually(
        () => unruly.heard(),
        (all) => all.length > 0,
      );
      assert.ok(heard.length > 0);
    });

    test("is not drowned by its thread", async () => {
      const { unruly } = await start({ isolation });
      await unruly.ready();
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      await unruly.post("flood");
      for (let i = 0; i < 20; i++) {
        assert.equal(await unruly.echo(i), i);
      }
      delay.disable();
      assert.ok(delay.max / 1e6 < 500, `the loop stood still for ${(delay.max / 1e6).toFixed(0)} ms`);
    });
  });
}
