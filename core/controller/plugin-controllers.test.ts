import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Plugin } from "../api/index.ts";
import type { PluginThreads } from "../api/thread.ts";
import { codeOf } from "../errors.ts";
import type { StoreReader } from "../store/reader.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { realClock } from "../watch/clock.ts";
import { type Controller, createController } from "./create-controller.ts";
import { createPluginContext } from "./plugin-context.ts";
import type { PluginSite } from "./plugin-site.ts";

let server: ApiServer;
let reconciled: string[];

const needs = {
  configmaps: { fields: ["labels", "data"] },
  secrets: { fields: ["labels", "owners"], appliedBy: "copier" },
} as const;

const PERMISSIONS = [
  { apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch", "get"] },
  { apiGroups: [""], resources: ["configmaps"], verbs: ["get"] },
] as const;

/** Copies ConfigMaps to Secrets of the same name, by a controller of its own. */
function copier(run: (failure: string) => void = () => {}, name = "copier"): Plugin<undefined, typeof needs> {
  return {
    name,
    apiVersion: "fairlead/v1",
    needs,
    permissions: PERMISSIONS,
    async setup({ controllers }) {
      const { configmaps, secrets } = controllers.kinds;
      const definition = controllers
        .define("copier")
        .for(configmaps)
        .watches(secrets, (secret) => secret.key)
        .reconcile(async (configMap, { kube, events }) => {
          reconciled.push(configMap.key);
          const { name, namespace } = configMap.metadata;
          const stringData = { copy: configMap.metadata.labels.text ?? "" };
          await kube.apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace, labels: stringData } });
          events.normal(configMap, "Copied", "to a Secret");
        });
      await controllers.run(definition).catch((error: unknown) => {
        run(codeOf(error));
        throw error;
      });
    },
  };
}

beforeEach(async () => {
  server = await createApiServer({ behaviour: { namespaceController: false } });
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  reconciled = [];
});
afterEach(() => server.stop());

const configMap = (name: string, text: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "shop", labels: { text } },
});

const secret = (name: string): string =>
  JSON.stringify(server.objects.get({ apiVersion: "v1", kind: "Secret", namespace: "shop", name })?.metadata?.labels);

const controllerOf = (plugins: Parameters<typeof createController>[0]["plugins"]) =>
  createController({ cluster: { kubeconfig: { text: server.kubeconfig() } }, plugins, ingest: "inline" });

async function settled(cluster: Pick<Controller, "controllers">): Promise<void> {
  for (let quiet = 0; quiet < 20; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const isBusy = cluster.controllers().some(({ isIdle }) => !isIdle);
    quiet = isBusy || server.requests.open().some(({ verb }) => verb !== "watch") ? 0 : quiet + 1;
  }
}

test("a plugin runs a controller on what it needs, with its own permissions, until it ends", async () => {
  server.objects.apply(configMap("a", "one"));
  await using cluster = await controllerOf([copier()]).start();
  await settled(cluster);
  assert.deepEqual([reconciled, secret("a")], [["shop/a"], '{"copy":"one"}']);
  server.objects.apply(configMap("a", "two"));
  await settled(cluster);
  assert.equal(secret("a"), '{"copy":"two"}');
  const writes = () => server.requests.all({ path: /secrets/ }).filter(({ method }) => method !== "GET").length;
  const before = writes();
  await cluster.controllers()[0].reconcile("shop/a");
  assert.equal(writes(), before, "what is there already is not written");
  await cluster.reload([]);
  assert.deepEqual(cluster.controllers(), []);
  server.objects.apply(configMap("a", "three"));
  await settled(cluster);
  assert.equal(secret("a"), '{"copy":"two"}');
});

test("a reload starts a controller of the same name anew, and its counts go on", async () => {
  server.objects.apply(configMap("a", "one"));
  await using cluster = await controllerOf([{ use: copier(), version: "1" }]).start();
  await settled(cluster);
  await cluster.reload([{ use: copier(), version: "2" }]);
  await settled(cluster);
  assert.equal(reconciled.length, 2);
  assert.match(await cluster.metrics(), /controller_runtime_reconcile_total\{controller="copier",result="success"\} 2/);
});

test("what a controller looks at must be in needs, and its name is its own", async () => {
  const failures: string[] = [];
  const failed = (code: string): void => void failures.push(code);
  const poor: Plugin<undefined, typeof needs> = {
    ...copier(failed, "poor"),
    async setup({ controllers }) {
      const { configmaps, secrets } = controllers.kinds;
      const definition = controllers
        .define("poor")
        .for(configmaps)
        .owns(secrets)
        .reconcile(() => {});
      await controllers.run(definition).catch((error: unknown) => {
        failed(codeOf(error));
        assert.match(String(error), /"finalizers", "generation", appliedBy: "poor" of "secrets"/);
        throw error;
      });
    },
  };
  await using cluster = await controllerOf([
    { use: poor, required: false },
    { use: copier(), required: false },
    { use: copier(failed, "second"), required: false },
  ]).start();
  assert.deepEqual(failures, ["PLUGIN_NEEDS", "CONTROLLER_DUPLICATE"]);
  assert.deepEqual(
    cluster.plugins().map(({ state }) => state),
    ["failed", "running", "failed"],
  );
});

test("a plugin in a thread of its own is told that its controllers belong on the main thread", async () => {
  const { context, end } = createPluginContext({
    site: { plugin: "away" } as PluginSite,
    options: undefined,
    reader: { close: () => {} } as StoreReader,
    kinds: [],
    threads: {} as PluginThreads,
    clock: realClock,
  });
  const definition = context.controllers
    .define("away")
    .keys()
    .reconcile(() => {});
  await assert.rejects(context.controllers.run(definition), { code: "PLUGIN_CONTROLLER_NEEDS_INLINE" });
  end();
  await assert.rejects(context.controllers.run(definition), { code: "PLUGIN_STOPPED" });
});
