import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Plugin, PluginContext } from "../api/index.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf, type FairleadError, messageOf } from "../errors.ts";
import { pods, services } from "../kinds/index.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Controller, createController } from "./create-controller.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import { recordingLog } from "./recording-log.test-support.ts";

let server: ApiServer;
let log: ReturnType<typeof recordingLog>;
const open: Controller[] = [];

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  log = recordingLog();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((controller) => controller.stop()));
  await server.stop();
});

const pod = (name: string, phase = "Running") => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: "cart" } },
  spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
  status: { phase },
});

function make(plugins: readonly (AnyPlugin | PluginEntry)[], more: object = {}): Controller {
  const controller = createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    plugins,
    ingest: "inline",
    log,
    ...more,
  });
  open.push(controller as Controller);
  return controller as Controller;
}

type Setup = (context: PluginContext) => void | Promise<void>;

const plugin = (name: string, setup: Setup, more: Partial<AnyPlugin> = {}): AnyPlugin => ({
  name,
  apiVersion: "fairlead/v1",
  ...more,
  setup,
});

/** A plugin that says what happens to it. */
function telling(name: string, told: string[], more: Partial<AnyPlugin> = {}): AnyPlugin {
  const setup: Setup = ({ hooks }) => {
    told.push(`${name} setup`);
    hooks.start.tap(() => void told.push(`${name} start`));
    hooks.synced.tap(() => void told.push(`${name} synced`));
    hooks.leading.tap(() => void told.push(`${name} leading`));
    hooks.following.tap(() => void told.push(`${name} following`));
    hooks.stop.tap(() => void told.push(`${name} stop`));
  };
  return plugin(name, setup, more);
}

const failure = (call: Promise<unknown>): Promise<FairleadError> =>
  call.then(
    () => assert.fail("it did not fail"),
    (error: FairleadError) => error,
  );

const statesOf = (controller: Controller): [string, string][] =>
  controller.plugins().map(({ name, state }) => [name, state]);

describe("life", () => {
  test("plugins start in order, hear when they can see and lead, and stop in reverse", async () => {
    const told: string[] = [];
    const controller = make([telling("b", told, { after: ["a"] }), telling("a", told, { needs: { pods: true } })]);
    await controller.start();
    assert.deepEqual(statesOf(controller), [
      ["a", "running"],
      ["b", "running"],
    ]);
    const tree = await log.waitFor(/^plugins started/);
    assert.match(
      tree,
      /"plugin":"b","state":"running","after":\["a"\],"loadMs":[\d.]+,"setupMs":[\d.]+,"startMs":[\d.]+/,
    );
    await controller.stop();
    const at = (what: string): number => told.indexOf(what);
    assert.deepEqual(told.slice(0, 4), ["a setup", "a start", "b setup", "b start"]);
    assert.ok(at("a synced") < at("a leading") && at("b synced") < at("b leading"));
    assert.deepEqual(told.slice(8), ["b following", "b stop", "a following", "a stop"]);
  });

  test("a plugin sees only what it needs, however much others have asked for", async () => {
    server.objects.apply(pod("cart-1"));
    const seen: unknown[] = [];
    const needs = { pods: ["phase"] } as const;
    const narrow = {
      name: "narrow",
      apiVersion: "fairlead/v1",
      needs,
      setup({ hooks, store }) {
        hooks.changes("pods").tap((batch) => {
          for (const change of batch) {
            seen.push(change.new?.toJSON());
            try {
              store.read((view) => view.pods.byLabel("app", "cart").length);
            } catch (error) {
              seen.push(codeOf(error));
            }
          }
        });
        try {
          // A plugin in JavaScript can try.
          hooks.changes("services" as "pods");
        } catch (error) {
          seen.push(codeOf(error));
        }
      },
    } satisfies Plugin<undefined, typeof needs>;
    const controller = make([narrow, plugin("wide", () => {}, { needs: { services: true } })], { kinds: [pods] });
    await controller.start();
    await log.until(() => seen.length >= 3);
    assert.equal(seen[0], "STORE_KIND_NOT_NEEDED");
    assert.deepEqual(Object.keys((seen[1] as { status: object }).status), ["phase"]);
    assert.equal(seen[2], "STORE_INDEX_NOT_DECLARED");
  });

  test("options are checked by the plugin's schema, with defaults; all that is wrong is told", async () => {
    const { z } = await import("zod");
    const schema = z.strictObject({ limit: z.int().min(1).default(7), names: z.array(z.string()).default([]) });
    let options: unknown;
    const given = plugin(
      "limited",
      (context) => {
        options = context.options;
      },
      { options: schema },
    );
    await make([given]).start();
    assert.deepEqual(options, { limit: 7, names: [] });
    const error = await failure(make([{ use: given, options: { limit: 0, names: [1], lisen: 1 } }]).start());
    assert.equal(error.code, "PLUGIN_OPTIONS");
    assert.match(error.message, /limit: .*; names\[0\]: .*; .*lisen/);
    const throwing = {
      "~standard": {
        version: 1,
        vendor: "x",
        validate: () => {
          throw new Error("broken schema");
        },
      },
    };
    const broken = await failure(make([plugin("broken", () => {}, { options: throwing })]).start());
    assert.match(broken.message, /the schema itself failed: broken schema/);
    const none = await failure(make([{ use: plugin("bare", () => {}), options: { x: 1 } }]).start());
    assert.match(none.message, /the plugin has no options/);
  });
});

describe("failing", () => {
  test("a required plugin that fails ends the start with its code, and what ran before is stopped", async () => {
    const told: string[] = [];
    const broken = plugin("broken", () => {
      throw new Error("no luck");
    });
    const error = await failure(make([telling("a", told), broken]).start());
    assert.equal(error.code, "PLUGIN_SETUP_FAILED");
    assert.match(error.message, /plugin "broken" failed in setup: no luck/);
    assert.deepEqual(told, ["a setup", "a start", "a stop"]);
  });

  test("one that is not required fails by itself", async () => {
    const told: string[] = [];
    const notices: string[] = [];
    const broken = plugin("broken", async ({ hooks }) => {
      hooks.stats(() => ({}));
      throw new Error("no luck");
    });
    const controller = make([{ use: broken, required: false }, telling("a", told)]);
    controller.notices.on("plugin-failed", (notice) => notices.push(`${notice.plugin} ${notice.error.code}`));
    controller.notices.on("plugin-failed", () => {
      throw new Error("a listener of the embedder");
    });
    await controller.start();
    assert.deepEqual(statesOf(controller), [
      ["broken", "failed"],
      ["a", "running"],
    ]);
    const [info] = controller.plugins();
    assert.deepEqual(
      [info.error?.code, info.hooks, notices],
      ["PLUGIN_SETUP_FAILED", [], ["broken PLUGIN_SETUP_FAILED"]],
    );
  });

  test("a setup that never ends, and a start hook that does not, are given up in time", async () => {
    const hanging = plugin("hanging", () => new Promise(() => {}));
    const slow = plugin("slow", ({ hooks }) => void hooks.start.tap(() => new Promise(() => {})));
    for (const use of [hanging, slow]) {
      const error = await failure(make([{ use, setupTimeoutMs: 50 }]).start());
      assert.equal(error.code, "PLUGIN_SETUP_TIMEOUT");
    }
  });

  test("a plugin that does not stop is named, and the others stop", async () => {
    const told: string[] = [];
    const stuck = plugin("stuck", ({ hooks }) => void hooks.stop.tap(() => new Promise(() => {})));
    const controller = make([telling("a", told), { use: stuck, stopTimeoutMs: 50 }]);
    await controller.start();
    await controller.stop();
    assert.ok(told.includes("a stop"));
    assert.match(log.lines.join("\n"), /plugin did not stop in time .*"plugin":"stuck".*its stop hook/);
  });

  test("throws in timers and change callbacks are contained and counted", async () => {
    server.objects.apply(pod("cart-1"));
    const later: string[] = [];
    const wild = plugin(
      "wild",
      ({ hooks, timers }) => {
        hooks.changes("pods").tap(() => {
          throw new Error("in a change");
        });
        hooks.changes("pods").tap((async () => {
          throw new Error("in a promise");
        }) as () => void);
        hooks.changes("pods").tap(() => void later.push("heard"));
        timers.after(1, () => {
          throw new Error("in a timer");
        });
      },
      { needs: { pods: true } },
    );
    await make([wild]).start();
    await log.waitFor(/in a timer/);
    await log.waitFor(/in a change/);
    await log.until(() => later.length > 0);
  });

  for (const [what, given, code] of [
    ["null", null, "PLUGIN_BAD"],
    ["a function", () => {}, "PLUGIN_BAD"],
    ["no setup", { name: "a", apiVersion: "fairlead/v1" }, "PLUGIN_BAD"],
    ["a bad name", plugin("Not Good", () => {}), "PLUGIN_BAD"],
    ["a reserved name", plugin("controller", () => {}), "PLUGIN_BAD"],
    ["another contract", plugin("a", () => {}, { apiVersion: "fairlead/v2" as "fairlead/v1" }), "PLUGIN_CONTRACT"],
    ["no contract", { name: "a", setup() {} }, "PLUGIN_CONTRACT"],
    ["an unknown kind", plugin("a", () => {}, { needs: { podz: true } as never }), "PLUGIN_NEEDS"],
    ["an unknown field", plugin("a", () => {}, { needs: { pods: ["phaze"] } as never }), "PLUGIN_NEEDS"],
    [
      "a getter that throws",
      {
        name: "a",
        get apiVersion() {
          throw new Error("gotcha");
        },
      },
      "PLUGIN_BAD",
    ],
  ] as const) {
    test(`refused at once: ${what}`, () => {
      assert.throws(() => make([given as unknown as AnyPlugin]), { code });
    });
  }

  test("two of one name, a cycle, and modules that are none are refused before anything runs", async () => {
    const told: string[] = [];
    const module = (code: string): PluginEntry => ({
      use: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
    });
    const cases: [(AnyPlugin | PluginEntry)[], string][] = [
      [[telling("a", told), telling("a", told)], "PLUGIN_DUPLICATE"],
      [[telling("a", told, { after: ["b"] }), telling("b", told, { after: ["a"] })], "PLUGIN_CYCLE"],
      [[telling("a", told), module("export const x = 1")], "PLUGIN_BAD"],
      [[telling("a", told), module("export default 1")], "PLUGIN_BAD"],
      [[telling("a", told), module("syntax error")], "PLUGIN_LOAD_FAILED"],
      [[telling("a", told), { ...module("await new Promise(() => {})"), setupTimeoutMs: 50 }], "PLUGIN_LOAD_TIMEOUT"],
    ];
    for (const [plugins, code] of cases) {
      assert.equal((await failure(make(plugins).start())).code, code);
    }
    assert.deepEqual(told, []);
  });

  test("a module is loaded, and the kinds that it needs are followed", async () => {
    server.objects.apply(pod("cart-1"));
    const code = `export default { name: "from-module", apiVersion: "fairlead/v1", needs: { pods: ["phase"] },
      provides: ["phases"], setup({ store, services }) {
        services.provide("phases", { of: (name) => store.read((view) => view.pods.get("shop", name).status.phase) });
      } }`;
    const use = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
    const controller = make([{ use }], { kinds: [pods.select("podIP"), services] });
    await controller.start();
    const phases = controller.services.use<{ of: (name: string) => string }>("phases");
    assert.equal(await phases.of("cart-1"), "Running");
  });
});

describe("stopping", () => {
  for (const turns of [0, 1, 2, 5, 10, 20, 40]) {
    test(`a stop ${turns} turns after the start leaves nothing running`, async () => {
      const told: string[] = [];
      const controller = make([
        telling("a", told, { needs: { pods: true } }),
        plugin("hang", () => new Promise(() => {})),
      ]);
      const starting = failure(controller.start());
      for (let i = 0; i < turns; i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await controller.stop();
      assert.match((await starting).code, /^(CONTROLLER|PLUGIN)_STOPPED$/);
      assert.equal(told.filter((what) => what === "a start").length, told.filter((what) => what === "a stop").length);
    });
  }

  test("what a plugin tries after its end is refused", async () => {
    let context: PluginContext | undefined;
    const controller = make([
      plugin(
        "late",
        (given) => {
          context = given;
        },
        { needs: { pods: true }, provides: ["s"] },
      ),
    ]);
    await controller.start();
    await controller.stop();
    assert.ok(context !== undefined);
    const { hooks, kube, tasks, services: offered, signal, timers, log: own } = context;
    assert.equal(signal.aborted, true);
    assert.throws(() => hooks.start.tap(() => {}), { code: "PLUGIN_STOPPED" });
    assert.throws(() => offered.provide("s", { x: () => 1 }), { code: "PLUGIN_STOPPED" });
    await assert.rejects(kube.get({ apiVersion: "v1", plural: "pods", namespace: "shop", name: "x" }), {
      code: "PLUGIN_STOPPED",
    });
    await assert.rejects(tasks.run(new URL("file:///x"), 1), { code: "PLUGIN_STOPPED" });
    timers.after(0, () => own.error({}, "a timer after the end"));
    await assert.rejects(controller.reload([]), { code: "CONTROLLER_STOPPED" });
  });
});

describe("reload", () => {
  test("only what changed, and what depends on it, is stopped and started", async () => {
    const told: string[] = [];
    const a = telling("a", told, { provides: ["s"] });
    const b = telling("b", told, { after: ["s"] });
    const c = telling("c", told);
    const controller = make([a, b, c]);
    await controller.start();
    told.length = 0;
    const notices: unknown[] = [];
    controller.notices.on("reloaded", (notice) => notices.push(notice));
    await controller.reload([{ use: a, stopTimeoutMs: 1000 }, b, c]);
    assert.deepEqual(
      told.filter((what) => !/synced|leading|following/.test(what)),
      ["b stop", "a stop", "a setup", "a start", "b setup", "b start"],
    );
    assert.deepEqual(notices, [{ started: ["a", "b"], stopped: ["a", "b"] }]);
    told.length = 0;
    await controller.reload([c]);
    assert.deepEqual(
      told.filter((what) => !/following/.test(what)),
      ["b stop", "a stop"],
    );
    assert.deepEqual(statesOf(controller), [["c", "running"]]);
  });

  test("kinds come and go with their plugins, and nobody else's are listed again", async () => {
    server.objects.apply(pod("cart-1"));
    server.objects.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "cfg", namespace: "shop" },
      data: { a: "1" },
    });
    const seen: string[] = [];
    const reads = plugin(
      "reads",
      ({ hooks }) =>
        void hooks.changes("configmaps").tap((batch) => {
          for (const change of batch) {
            seen.push(`${change.op} ${(change.new ?? change.old)?.key}`);
          }
        }),
      { needs: { configmaps: true } },
    );
    const controller = make([], { kinds: [pods] });
    await controller.start();
    assert.ok(server.requests.count({ path: "/api/v1/pods" }) > 0);
    server.requests.clear();
    await controller.reload([reads]);
    await log.until(() => seen.length > 0);
    assert.deepEqual(seen, ["added shop/cfg"]);
    assert.equal(server.requests.count({ path: "/api/v1/pods" }), 0);
    assert.deepEqual([...controller.store.kinds].sort(), ["configmaps", "pods"]);
    await controller.reload([]);
    assert.deepEqual(controller.store.kinds, ["pods"]);
  });

  test("a reload that fails leaves the plugins as they were, whether it fails early or late", async () => {
    const told: string[] = [];
    const a = telling("a", told);
    const controller = make([a]);
    await controller.start();
    told.length = 0;
    const cases: [(AnyPlugin | PluginEntry)[], string][] = [
      [[a, telling("a", told)], "PLUGIN_DUPLICATE"],
      [[{ use: a, options: { unknown: 1 } }], "PLUGIN_OPTIONS"],
      [[a, telling("b", told, { needs: { podz: true } as never })], "PLUGIN_NEEDS"],
      [
        [
          a,
          telling("b", told, { needs: { pods: { fieldSelector: "a=1" } } }),
          telling("c", told, { needs: { pods: { fieldSelector: "a=2" } } }),
        ],
        "PLUGIN_NEEDS",
      ],
    ];
    for (const [plugins, code] of cases) {
      assert.equal((await failure(controller.reload(plugins))).code, code);
    }
    assert.deepEqual(told, []);
    const broken = plugin("broken", () => Promise.reject(new Error("no luck")));
    const error = await failure(controller.reload([{ use: a, stopTimeoutMs: 77 }, telling("b", told), broken]));
    assert.equal(error.code, "PLUGIN_SETUP_FAILED");
    assert.deepEqual(statesOf(controller), [["a", "running"]]);
    assert.deepEqual(
      told.filter((what) => /setup|stop/.test(what)),
      ["a stop", "a setup", "b setup", "b stop", "a stop", "a setup"],
    );
    await controller.reload([a, telling("c", told)]);
    assert.deepEqual(statesOf(controller), [
      ["a", "running"],
      ["c", "running"],
    ]);
  });

  test("reloads during a start and during each other are put in order; a stop ends them", async () => {
    const told: string[] = [];
    const controller = make([telling("a", told)]);
    const starting = controller.start();
    const reloads = [controller.reload([telling("b", told)]), controller.reload([telling("c", told)])];
    await Promise.all([starting, ...reloads]);
    assert.deepEqual(statesOf(controller), [["c", "running"]]);
    const hanging = failure(controller.reload([plugin("hang", () => new Promise(() => {}))]));
    await new Promise((resolve) => setImmediate(resolve));
    await controller.stop();
    assert.match((await hanging).code, /_STOPPED$/);
  });

  test("before the start there is nothing to reload", async () => {
    await assert.rejects(make([]).reload([]), { code: "CONTROLLER_NOT_STARTED" });
    await assert.rejects(make([]).services.use<{ x: (given: number) => void }>("s").x(1), {
      code: "CONTROLLER_NOT_STARTED",
    });
  });
});

test("plugins talk by services and hooks of their own", async () => {
  const answers: unknown[] = [];
  const dns = plugin(
    "dns",
    async ({ hooks, services: offered }) => {
      const query = hooks.declare<string, string>("query", { kind: "decide", about: "Answers instead of the store." });
      offered.provide("dns", { ask: (name: string) => query.call(name) });
    },
    { provides: ["dns"] },
  );
  const alias = plugin("alias", ({ hooks, services: used }) => {
    hooks.of<string, string>("dns.query").tap((name) => (name === "db" ? "192.0.2.10" : undefined));
    hooks.synced.tap(async () => {
      const asked = used.use<{ ask: (name: string) => string }>("dns");
      answers.push(await asked.ask("db"), await asked.ask("web"));
    });
  });
  await make([alias, dns]).start();
  assert.deepEqual(answers, ["192.0.2.10", undefined]);
});

test("an embedder without plugins loads nothing for them", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const { createController } = await import(${JSON.stringify(new URL("create-controller.ts", import.meta.url).href)});
    const { pods } = await import(${JSON.stringify(new URL("../kinds/index.ts", import.meta.url).href)});
    const controller = createController({ kinds: [pods], cluster: { kubeconfig: { text: process.env.KUBE } } });
    await controller.start();
    await controller.stop();
    console.log(JSON.stringify(loaded.filter((url) => /tapable|piscina|zod|prom-client|yaml|pino|plugin-host|core.hooks/.test(url))));`;
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      ["--input-type=module", "-e", script],
      { env: { ...process.env, KUBE: server.kubeconfig() } },
      (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${messageOf(error)} ${stderr}`)),
    );
  });
  assert.deepEqual(JSON.parse(output), []);
});
