import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { WriteVerdict } from "../api/hooks.ts";
import type { PluginContext, WriteRequest } from "../api/index.ts";
import type { AnyPlugin, PermissionRule } from "../api/plugin.ts";
import { codeOf, messageOf } from "../errors.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Controller, createController } from "./create-controller.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import { recordingLog } from "./recording-log.test-support.ts";

let server: ApiServer;
let log: ReturnType<typeof recordingLog>;
let controller: Controller | undefined;

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  log = recordingLog();
});
afterEach(async () => {
  await controller?.stop();
  await server.stop();
});

const ALL: PermissionRule = { apiGroups: ["*"], resources: ["*"], verbs: ["*"] };
const configMap = (name: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "shop" },
  data: { a: "1" },
});
const inShop = { apiVersion: "v1", plural: "configmaps", namespace: "shop" };

async function start(
  permissions: readonly PermissionRule[],
  entry: Partial<PluginEntry> = {},
  others: readonly AnyPlugin[] = [],
): Promise<PluginContext> {
  const { promise, resolve } = Promise.withResolvers<PluginContext>();
  const use: AnyPlugin = { name: "writer", apiVersion: "fairlead/v1", permissions, setup: resolve };
  controller = createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    plugins: [{ use, ...entry }, ...others],
    ingest: "inline",
    log,
  }) as Controller;
  await controller.start();
  return await promise;
}

const guard = (tap: (write: WriteRequest) => unknown): AnyPlugin => ({
  name: "guard",
  apiVersion: "fairlead/v1",
  setup: ({ hooks }) => void hooks.writeBefore.tap(tap as (write: WriteRequest) => WriteVerdict),
});

const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "done",
    (error) => codeOf(error),
  );

const isThere = (name: string): boolean =>
  server.objects.get({ apiVersion: "v1", kind: "ConfigMap", name, namespace: "shop" }) !== undefined;

test("every verb works, and each write is one debug line", async () => {
  const { kube } = await start([ALL]);
  await kube.create(inShop, configMap("one"));
  const target = { ...inShop, name: "one" };
  await kube.patch(target, "merge", { data: { b: "2" } });
  await kube.apply({ ...inShop, name: "two" }, configMap("two"));
  const one = await kube.get(target);
  assert.deepEqual(one.data, { a: "1", b: "2" });
  await kube.update(target, { ...one, data: { c: "3" } });
  const names: unknown[] = [];
  for await (const object of kube.list(inShop, { limit: 1 })) {
    names.push(object.metadata?.name);
  }
  assert.deepEqual(names, ["one", "two"]);
  assert.equal((await kube.json({ method: "GET", path: "/api/v1/namespaces/shop/configmaps/one" })).kind, "ConfigMap");
  assert.ok(Buffer.isBuffer((await kube.raw({ method: "GET", path: "/version" })).body));
  await kube.delete(target);
  await kube.deleteCollection(inShop);
  assert.deepEqual([isThere("one"), isThere("two")], [false, false]);
  const lines = log.lines.filter((line) => line.startsWith("write "));
  assert.deepEqual(
    lines.map((line) => JSON.parse(line.slice(6)).verb),
    ["create", "patch", "patch", "update", "delete", "deletecollection"],
  );
});

test("what the permissions do not cover is refused before anything is sent, by whatever way", async () => {
  const { kube } = await start([
    { apiGroups: [""], resources: ["configmaps"], verbs: ["get"], resourceNames: ["one"] },
  ]);
  server.requests.clear();
  const secrets = { apiVersion: "v1", plural: "secrets", namespace: "shop" };
  const calls = [
    kube.get({ ...inShop, name: "two" }),
    kube.get({ ...secrets, name: "one" }),
    kube.list(inShop).next(),
    kube.create(inShop, configMap("one")),
    kube.patch({ ...inShop, name: "one", subresource: "status" }, "merge", {}),
    kube.raw({ method: "GET", path: "/api/v1/namespaces/shop/secrets/one" }),
    kube.raw({ method: "DELETE", path: "/api/v1/namespaces/shop/configmaps" }),
    kube.json({ method: "GET", path: "/api/v1/secrets" }),
    kube.json({ method: "GET", path: "/api/v1/namespaces/shop/pods/x/log" }),
  ];
  for (const call of calls) {
    assert.equal(await outcome(call), "PLUGIN_PERMISSION_NOT_DECLARED");
  }
  const odd = [
    "/api/v1/namespaces/shop/configmaps/../secrets/one",
    "/api/v1/pods?watch=1",
    "//evil/api",
    "api",
    "/api/v1/%zz",
  ];
  for (const path of odd) {
    assert.equal(await outcome(kube.raw({ method: "GET", path })), "KUBE_BAD_REQUEST", path);
  }
  assert.equal(await outcome(kube.raw({ method: "POST", path: "/version" })), "KUBE_BAD_REQUEST");
  assert.equal(await outcome(kube.get(undefined as never)), "KUBE_BAD_REQUEST");
  assert.equal(server.requests.count({ path: /configmaps|secrets|pods/ }), 0);
});

for (const [what, entry, tap] of [
  ["by the operator", { dryRun: true }, () => undefined],
  ["by a tap of writeBefore", {}, () => ({ dryRun: true })],
] as const) {
  test(`a dry run ${what} is checked by the server and not stored`, async () => {
    const { kube } = await start([ALL], entry, [guard(tap)]);
    await kube.create(inShop, configMap("one"));
    await kube.json({
      method: "POST",
      path: "/api/v1/namespaces/shop/configmaps",
      body: JSON.stringify(configMap("two")),
    });
    assert.deepEqual([isThere("one"), isThere("two")], [false, false]);
    assert.equal(server.requests.count({ method: "POST", query: "dryRun=All" }), 2);
  });
}

for (const [what, tap, expected] of [
  ["no answer allows", () => undefined, "done"],
  ["allow", () => ({ allow: true }), "done"],
  ["a refusal", () => ({ allow: false, reason: "not on a Friday" }), "PLUGIN_WRITE_REFUSED"],
  ["a throw refuses", () => Promise.reject(new Error("broken")), "PLUGIN_WRITE_REFUSED"],
  ["an answer that is none refuses", () => "yes", "PLUGIN_WRITE_REFUSED"],
  ["no answer in time refuses", () => new Promise(() => {}), "PLUGIN_WRITE_REFUSED"],
] as const) {
  test(`writeBefore: ${what}`, async () => {
    const { kube } = await start([ALL], {}, [guard(tap)]);
    assert.equal(await outcome(kube.create(inShop, configMap("one"))), expected);
    assert.equal(isThere("one"), expected === "done");
  });
}

test("writeBefore sees a frozen copy of who writes what; reads do not come by", async () => {
  const seen: WriteRequest[] = [];
  const change = guard((write) => {
    seen.push(write);
    try {
      Object.assign((write.body as { data: object }).data, { a: "changed" });
    } catch (error) {
      assert.match(messageOf(error), /read only/);
    }
  });
  const { kube } = await start([ALL], {}, [change]);
  const given = configMap("one");
  await kube.create(inShop, given);
  await kube.get({ ...inShop, name: "one" });
  given.data.a = "still mine";
  assert.deepEqual(seen, [
    {
      plugin: "writer",
      verb: "create",
      apiVersion: "v1",
      plural: "configmaps",
      namespace: "shop",
      name: "one",
      subresource: undefined,
      dryRun: false,
      body: configMap("one"),
    },
  ]);
  assert.equal(Object.isFrozen(seen[0]), true);
});

test("a plugin is not asked about its own writes, so that a tap may write", async () => {
  const asked: string[] = [];
  const writes: AnyPlugin = {
    name: "journal",
    apiVersion: "fairlead/v1",
    permissions: [ALL],
    setup: ({ hooks, kube }) =>
      void hooks.writeBefore.tap(async ({ plugin, name }) => {
        asked.push(`${plugin} ${name}`);
        await kube.create(inShop, configMap(`journal-of-${name}`));
        return undefined;
      }),
  };
  const { kube } = await start([ALL], {}, [writes]);
  await kube.create(inShop, configMap("one"));
  assert.deepEqual([asked, isThere("one"), isThere("journal-of-one")], [["writer one"], true, true]);
});

test("calls are limited in rate, and end with the plugin", async () => {
  const { kube } = await start([ALL], { rateLimit: { perSecond: 0.001, burst: 2 } });
  await kube.create(inShop, configMap("one"));
  await kube.create(inShop, configMap("two"));
  const third = outcome(kube.create(inShop, configMap("three")));
  const stop = new AbortController();
  const fourth = outcome(kube.create(inShop, configMap("four"), { signal: stop.signal }));
  stop.abort();
  assert.notEqual(await fourth, "done");
  await controller?.stop();
  assert.equal(await third, "PLUGIN_STOPPED");
  assert.equal(isThere("three"), false);
});

test("a flood of calls is refused before it fills the memory", async () => {
  const { kube } = await start([ALL], { rateLimit: { perSecond: 0.001, burst: 1 } });
  const found = new Map<string, number>();
  const calls = Array.from({ length: 5_000 }, () =>
    outcome(kube.get({ ...inShop, name: "one" })).then((code) => found.set(code, (found.get(code) ?? 0) + 1)),
  );
  await log.until(() => found.get("PLUGIN_TOO_MANY_CALLS") === 4_000 && found.has("KUBE_NOT_FOUND"));
  await controller?.stop();
  await Promise.all(calls);
  assert.deepEqual(Object.fromEntries(found), {
    PLUGIN_TOO_MANY_CALLS: 4_000,
    KUBE_NOT_FOUND: 1,
    PLUGIN_STOPPED: 999,
  });
});

test("rules that the server does not grant are told once, ready to paste, and the plugin runs", async () => {
  const rules = [
    { verbs: ["list", "watch"], apiGroups: [""], resources: ["pods"] },
    { verbs: ["create"], apiGroups: ["events.k8s.io"], resources: ["events"] },
  ];
  server.tokens.set("t1", { name: "jane", rules });
  for (const namespaces of [undefined, { allow: ["shop"] }]) {
    log.lines.length = 0;
    const needs = { pods: true } as const;
    const use: AnyPlugin = {
      name: "writer",
      apiVersion: "fairlead/v1",
      needs,
      permissions: [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "patch"] }],
      setup: () => {},
    };
    const cluster = { kubeconfig: { text: server.kubeconfig("t1") } };
    controller = createController({ cluster, plugins: [use], ingest: "inline", log, namespaces }) as Controller;
    await controller.start();
    const line = await log.waitFor(/permissions are missing/);
    const missing = JSON.parse(line.slice(line.indexOf("{"))) as { rules: string; namespace?: string };
    assert.equal(missing.namespace, namespaces?.allow[0]);
    assert.equal(
      missing.rules,
      '- apiGroups: ["apps"]\n  resources: ["deployments"]\n  verbs: ["get", "patch"]\n' +
        '- apiGroups: ["events.k8s.io"]\n  resources: ["events"]\n  verbs: ["patch"]\n',
    );
    const [info] = controller.plugins();
    assert.deepEqual([info.state, info.error?.code], ["running", "PLUGIN_PERMISSION_MISSING"]);
    await controller.stop();
  }
});
