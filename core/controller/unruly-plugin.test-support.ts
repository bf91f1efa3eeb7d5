import type { Plugin } from "../api/index.ts";

const needs = { pods: ["phase"] } as const;

interface Options {
  readonly name: string;
  readonly atSetup?: string;
}

/** Standard Schema by hand: the test has no use for a library. */
const Options = {
  "~standard": {
    version: 1,
    vendor: "test",
    // Only this test writes these options.
    validate: (value: unknown) => ({ value: value as Options }),
  },
} as const;

const THREAD = new URL("./unruly-thread.test-support.ts", import.meta.url);
const TASK = new URL("./unruly-task.test-support.ts", import.meta.url);

function spin(): never {
  for (;;) {
    // Until terminated.
  }
}

/** A plugin that does as it is told, good or bad. */
export default {
  name: "unruly",
  apiVersion: "fairlead/v1",
  // The type of a library's schema has more in it.
  options: Options as never,
  needs,
  provides: ["unruly"],
  async setup({ options, log, metrics, hooks, store, events, services, threads, tasks, timers, signal }) {
    // As the schema gives them.
    const { atSetup } = options as Options;
    if (atSetup === "throw") {
      throw Object.assign(new Error("told to throw in setup"), { code: "TEST_SETUP" });
    }
    if (atSetup === "never") {
      await new Promise(() => {});
    }
    if (atSetup === "spin") {
      spin();
    }
    if (atSetup === "exit") {
      process.exit(4);
    }
    if (atSetup === "workload root") {
      hooks.workloadRoot.tap(() => undefined);
    }
    if (atSetup === "bad metric") {
      metrics.counter("bad name", "A name that Prometheus does not allow.");
    }
    if (atSetup === "bad hook") {
      hooks.of("no-dot").tap(() => undefined);
    }
    if (atSetup === "crash when started") {
      hooks.synced.tap(() => {
        setImmediate(() => {
          throw new Error("told to crash after each start");
        });
      });
    }
    const calls = metrics.counter("calls_total", "Calls.", { what: ["count", "other"] });
    const level = metrics.gauge("level", "Level.");
    const sizes = metrics.histogram("sizes", "Sizes.", { buckets: [1, 10] });
    let batches = 0;
    hooks.changes("pods").tap(() => {
      batches++;
    });
    const heard: unknown[] = [];
    const thread = threads.spawn<unknown, unknown, { readonly greeting: string }>(THREAD, {
      store: ["pods"],
      data: { greeting: "hello" },
      maxHeapMb: 64,
    });
    thread.onMessage((message) => heard.push(message));
    signal.addEventListener("abort", () => log.info({}, "signal aborted"));
    hooks.stop.tap(() => log.info({}, "stop hook"));
    function act(what: string): void {
      switch (what) {
        case "throw":
          throw Object.assign(new Error("told to throw"), { code: "TEST_CRASH" });
        case "exit":
          process.exit(5);
          break;
        case "spin":
          spin();
          break;
        case "reject":
          void Promise.reject(new Error("told to reject"));
          break;
        case "leak": {
          const map = new Map<number, object>();
          for (;;) {
            map.set(map.size, { name: `object ${map.size}` });
          }
        }
        case "log flood":
          for (let i = 0; i < 200_000; i++) {
            log.debug({ i }, "much ado");
          }
          break;
        case "event flood":
          for (let i = 0; i < 50_000; i++) {
            const about = { apiVersion: "v1", kind: "Pod", namespace: "shop", name: `p-${i}`, uid: `u-${i}` };
            events.normal(about, "Flood", `event ${i}`);
          }
          break;
        case "odd log": {
          const loop: Record<string, unknown> = { error: new Error("inner"), call: () => {}, when: new Date(0) };
          loop.loop = loop;
          Object.defineProperty(loop, "bad", {
            enumerable: true,
            get: () => {
              throw new Error("no");
            },
          });
          log.info(loop, "odd");
          log.info({ error: new Error("inner"), call: spin, when: new Date(0), big: 5n }, "less odd");
          break;
        }
        default:
          throw new Error(`unknown order ${what}`);
      }
    }
    services.provide("unruly", {
      echo: (given: unknown) => given,
      batches: () => batches,
      phases: () => store.read((view) => view.pods.all().map((pod) => `${pod.key} ${pod.status.phase}`)),
      view: () => store.read((view) => view.pods.all()) as never,
      soon: (what: string) => {
        setImmediate(() => act(what));
      },
      hang: () => new Promise(() => {}),
      count: () => {
        calls.inc({ what: "count" });
        calls.add(2, { what: "other" });
        level.set(7);
        level.set(8);
        sizes.observe(5);
        sizes.observe(50);
      },
      late: () => {
        timers.after(1, () => {
          throw new Error("thrown in a timer");
        });
      },
      task: async (given: unknown) => await tasks.run(TASK, given),
      bigTask: async () => {
        const buffer = new ArrayBuffer(1_000_000);
        const size = await tasks.run<ArrayBuffer, number>(TASK, buffer, { transfer: [buffer] });
        return [size, buffer.byteLength];
      },
      cancelTask: async () => {
        const controller = new AbortController();
        const running = tasks.run(TASK, "spin", { signal: controller.signal });
        setTimeout(() => controller.abort(), 50);
        return await running.then(
          () => "done",
          (error: { readonly code: string }) => error.code,
        );
      },
      alive: () => thread.alive,
      ready: async () => {
        await thread.ready;
        return true;
      },
      post: (message: unknown) => thread.post(message),
      heard: () => heard.splice(0),
      stopThread: async () => {
        await thread.stop();
        return thread.alive;
      },
      spawnWrong: () => {
        threads.spawn(THREAD, { store: ["services"] });
      },
    });
  },
} satisfies Plugin<never, typeof needs>;
