import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { ObjectReference } from "../api/hooks.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf } from "../errors.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Controller, createController } from "./create-controller.ts";
import type { ControllerNotices } from "./notices.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import { type RecordingLog, recordingLog } from "./recording-log.test-support.ts";

let server: ApiServer;
let log: RecordingLog;
const open: Controller[] = [];

beforeEach(async () => {
  server = await createApiServer({});
  log = recordingLog();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((controller) => controller.stop()));
  await server.stop();
});

function make(plugins: readonly (AnyPlugin | PluginEntry)[]): Controller {
  const cluster = { kubeconfig: { text: server.kubeconfig() } };
  const controller = createController({ cluster, plugins, ingest: "inline", log }) as Controller;
  open.push(controller);
  return controller;
}

/** A plugin as a module, of which `setup` is the given code. */
function module(name: string, setup: string, more: Partial<PluginEntry> = {}): PluginEntry {
  const code = `export default { name: "${name}", apiVersion: "fairlead/v1", provides: ["${name}"],
    setup({ services, hooks, log, plugin }) { ${setup} } }`;
  return { use: new URL(`data:text/javascript,${encodeURIComponent(code)}`), isolation: "worker", ...more };
}

/** Resolves with the next notice. */
function next<Name extends keyof ControllerNotices>(
  controller: Controller,
  name: Name,
): Promise<ControllerNotices[Name]> {
  return new Promise((resolve) => {
    const listening = controller.notices.on(name, (notice) => {
      listening.stop();
      resolve(notice);
    });
  });
}

const FRAGILE = `services.provide(plugin, { crash: () => process.exit(3), well: () => true });
  hooks.start.tap(() => log.info({}, "started")); hooks.leading.tap(() => log.info({}, "leads"));`;

interface Fragile {
  readonly crash: () => void;
  readonly well: () => boolean;
}

test("a plugin whose thread ends runs again with its hooks; after three crashes it is given up, and a reload brings it back", async () => {
  const entry = module("fragile", FRAGILE);
  const other: AnyPlugin = { name: "other", apiVersion: "fairlead/v1", setup: () => {} };
  const controller = make([entry, other]);
  await controller.start();
  const fragile = controller.services.use<Fragile>("fragile");
  for (const restarts of [1, 2]) {
    const restarted = next(controller, "plugin-restarted");
    assert.notEqual(await fragile.crash().then(() => "none", codeOf), "none");
    assert.deepEqual(await restarted, { plugin: "fragile", restarts });
    assert.equal(await fragile.well(), true);
  }
  await log.until(() => log.lines.filter((line) => line.startsWith("leads")).length === 3);
  assert.equal(log.lines.filter((line) => line.startsWith("started")).length, 3);
  const disabled = next(controller, "plugin-disabled");
  void fragile.crash().catch(() => {});
  const { plugin, error } = await disabled;
  assert.equal(plugin, "fragile");
  const states = () => controller.plugins().map(({ name, state }) => [name, state]);
  assert.deepEqual(states(), [
    ["fragile", "disabled"],
    ["other", "running"],
  ]);
  assert.equal(controller.plugins()[0].error?.code, error.code);
  assert.equal(await fragile.well().then(() => "none", codeOf), "SERVICE_UNAVAILABLE");
  const { ready } = await controller.health();
  assert.equal(ready, false);
  await controller.reload([entry, other]);
  assert.equal(await fragile.well(), true);
  assert.deepEqual(states(), [
    ["fragile", "running"],
    ["other", "running"],
  ]);
});

test("a stop while a plugin is being restarted leaves nothing behind", async () => {
  const controller = make([module("fragile", FRAGILE)]);
  await controller.start();
  void controller.services
    .use<Fragile>("fragile")
    .crash()
    .catch(() => {});
  await log.waitFor(/plugin crashed, it is started anew/);
  await controller.stop();
  assert.equal(controller.plugins()[0].state, "stopped");
});

test("a worker that fails, hangs or taps what it cannot: a required one ends the start, another one fails alone", async () => {
  const cases: [PluginEntry, string][] = [
    [module("throws", "throw new Error('no luck')"), "PLUGIN_SETUP_FAILED"],
    [module("exits", "process.exit(1)"), "PLUGIN_SETUP_FAILED"],
    [module("hangs", "return new Promise(() => {})", { setupTimeoutMs: 1000 }), "PLUGIN_SETUP_TIMEOUT"],
    [module("roots", "hooks.workloadRoot.tap(() => undefined)"), "PLUGIN_SETUP_FAILED"],
    [module("asks", "hooks.workloadRoot.ask({})"), "PLUGIN_SETUP_FAILED"],
    [module("late", "hooks.start.tap(() => new Promise(() => {}))", { setupTimeoutMs: 1000 }), "PLUGIN_SETUP_TIMEOUT"],
    [{ use: new URL("file:///not/there.js"), isolation: "worker" }, "PLUGIN_LOAD_FAILED"],
    [{ use: { name: "a", apiVersion: "fairlead/v1", setup() {} }, isolation: "worker" }, "PLUGIN_BAD"],
  ];
  for (const [entry, code] of cases) {
    const found = await make([entry])
      .start()
      .then(() => "none", codeOf);
    assert.equal(found, code, String(entry.use));
  }
  const controller = make(cases.map(([entry]) => ({ ...entry, required: false })));
  await controller.start();
  assert.deepEqual(
    new Map(controller.plugins().map(({ name, state, error }) => [name, `${state} ${error?.code}`])),
    new Map([
      ["throws", "failed PLUGIN_SETUP_FAILED"],
      ["exits", "failed PLUGIN_SETUP_FAILED"],
      ["hangs", "failed PLUGIN_SETUP_TIMEOUT"],
      ["roots", "failed PLUGIN_SETUP_FAILED"],
      ["asks", "failed PLUGIN_SETUP_FAILED"],
      ["late", "failed PLUGIN_SETUP_TIMEOUT"],
      ["there", "failed PLUGIN_LOAD_FAILED"],
      ["a", "failed PLUGIN_BAD"],
    ]),
  );
  const { ready } = await controller.health();
  assert.equal(ready, true);
});

test("the same plugin goes from inline to a thread of its own and back, by one word", async () => {
  const entry = module("fragile", FRAGILE);
  const controller = make([{ ...entry, isolation: "inline" }]);
  await controller.start();
  const fragile = controller.services.use<Fragile>("fragile");
  for (const isolation of ["worker", "inline"] as const) {
    await controller.reload([{ ...entry, isolation }]);
    assert.equal(await fragile.well(), true);
    assert.equal(controller.plugins()[0].isolation, isolation);
  }
});

test("plugins ask each other who owns an object; what is no reference is no answer", async () => {
  const rollout: ObjectReference = {
    apiVersion: "example.org/v1",
    kind: "Rollout",
    namespace: "shop",
    name: "cart",
    uid: "u1",
  };
  const answers: unknown[] = [];
  const plugin = (name: string, setup: AnyPlugin["setup"]): AnyPlugin => ({ name, apiVersion: "fairlead/v1", setup });
  const controller = make([
    plugin("asks", ({ hooks }) => {
      hooks.synced.tap(() => {
        answers.push(hooks.workloadRoot.ask({ ...rollout, kind: "ReplicaSet" }), hooks.workloadRoot.ask(rollout));
      });
    }),
    plugin("knows", ({ hooks }) => {
      hooks.workloadRoot.tap((object) => (object.kind === "ReplicaSet" ? rollout : ("garbage" as never)));
    }),
  ]);
  await controller.start();
  assert.deepEqual(answers, [rollout, undefined]);
});

test("several controllers live side by side, each with its own plugins", async () => {
  const entries = ["inline", "worker"].map((isolation) => module("fragile", FRAGILE, { isolation } as PluginEntry));
  const controllers = entries.map((entry) => make([entry]));
  await Promise.all(controllers.map((controller) => controller.start()));
  await controllers[0].stop();
  assert.equal(await controllers[1].services.use<Fragile>("fragile").well(), true);
});

test("after twenty lives of a controller with plugins no thread, socket or timer is left", async () => {
  const resources = (): number => process.getActiveResourcesInfo().filter((name) => name !== "Immediate").length;
  const busy: AnyPlugin = {
    name: "busy",
    apiVersion: "fairlead/v1",
    needs: { pods: true },
    permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["list"] }],
    setup({ hooks, timers, kube, events, services }) {
      hooks.changes("pods").tap(() => {});
      timers.every("1ms", async () => {
        await kube.list({ apiVersion: "v1", plural: "configmaps" }).next();
      });
      hooks.synced.tap(() => {
        events.normal({ apiVersion: "v1", kind: "Pod", namespace: "default", name: "a", uid: "a" }, "Seen", "seen");
        void services
          .use<{ never: () => void }>("fragile")
          .never()
          .catch(() => {});
      });
    },
  };
  const life = async (): Promise<void> => {
    const controller = make([busy, module("fragile", FRAGILE), { ...module("inline", FRAGILE), isolation: "inline" }]);
    await controller.start();
    await controller.reload([busy]);
    await controller.stop();
  };
  await life();
  server.dropConnections();
  const before = resources();
  for (let i = 0; i < 20; i++) {
    await life();
  }
  server.dropConnections();
  await log.until(() => resources() <= before);
});
