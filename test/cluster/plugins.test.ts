import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Plugin, PluginContext } from "../../core/api/index.ts";
import { rulesFor } from "../../core/controller/permission-check.ts";
import { checkPlugin } from "../../core/controller/plugin-check.ts";
import { declarationOf } from "../../core/controller/plugin-load.ts";
import { recordingLog } from "../../core/controller/recording-log.test-support.ts";
import { codeOf, createController } from "../../core/index.ts";
import { type Cluster, startCluster, whyNoCluster } from "./cluster.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);
const options = { skip: missing ?? false };

let cluster: Cluster;

before(async () => {
  if (missing === undefined) {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
    await cluster.send("POST", "/api/v1/namespaces", { metadata: { name: "shop" } });
  }
});

after(() => cluster?.stop());

const needs = { configmaps: true } as const;

/** A plugin that hands out its context. */
function writer(): { readonly plugin: Plugin<undefined, typeof needs>; readonly context: Promise<PluginContext> } {
  const { promise, resolve } = Promise.withResolvers<PluginContext>();
  const plugin: Plugin<undefined, typeof needs> = {
    name: "writer",
    apiVersion: "fairlead/v1",
    needs,
    permissions: [
      {
        apiGroups: [""],
        resources: ["configmaps"],
        verbs: ["get", "create", "update", "patch", "delete", "deletecollection"],
      },
    ],
    // The test does not care for the types of what is needed.
    setup: (context) => resolve(context as unknown as PluginContext),
  };
  return { plugin, context: promise };
}

const configmaps = { apiVersion: "v1", plural: "configmaps", namespace: "shop" };
const configMap = (name: string, data: Record<string, string> = { a: "1" }) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "shop" },
  data,
});

describe("plugins on a real API server", options, () => {
  test("a user with exactly the rules of its plugins can do all that they declare, and nothing is missing", async () => {
    const { plugin, context } = writer();
    const log = recordingLog();
    const { declaration, kinds } = declarationOf(checkPlugin(plugin, "the test"));
    const rules = rulesFor([{ ...declaration, kinds }], []);
    const kubeconfig = await cluster.createUser("exact", rules);
    await using controller = await createController({ cluster: { kubeconfig }, plugins: [plugin], log }).start();
    const { kube, events, store } = await context;
    await kube.create(configmaps, configMap("one"));
    const one = { ...configmaps, name: "one" };
    await kube.patch(one, "merge", { data: { b: "2" } });
    await kube.apply({ ...configmaps, name: "two" }, configMap("two"), { force: true });
    await kube.update(one, { ...(await kube.get(one)), data: { c: "3" } });
    const names: unknown[] = [];
    for await (const object of kube.list(configmaps, { limit: 1 })) {
      names.push(object.metadata?.name);
    }
    assert.deepEqual(
      names.filter((name) => name !== "kube-root-ca.crt"),
      ["one", "two"],
    );
    await log.until(() => store.read((view) => view.kind("configmaps").get("shop/one") !== undefined));
    const about = await kube.get(one);
    const { uid } = about.metadata as { uid: string };
    for (let i = 0; i < 5; i++) {
      events.warn({ apiVersion: "v1", kind: "ConfigMap", namespace: "shop", name: "one", uid }, "Seen", `seen ${i}`);
    }
    await controller.stop();
    const { body } = await cluster.send("GET", "/apis/events.k8s.io/v1/namespaces/shop/events");
    const reported = body.items.filter((event: { reason: string }) => event.reason === "Seen");
    assert.deepEqual(
      reported.map((event: Record<string, unknown>) => [
        event.note,
        (event.series as { count: number }).count,
        event.reportingController,
      ]),
      [["seen 0", 5, "fairlead/writer"]],
    );
    assert.doesNotMatch(log.lines.join("\n"), /permissions are missing|event not reported|KUBE_FORBIDDEN/);
  });

  for (const [where, namespaces] of [
    ["cluster", undefined],
    ["namespace", { allow: ["shop"] }],
  ] as const) {
    test(`a missing rule is told, ready to paste (${where}); the server refuses the call`, async () => {
      const { plugin, context } = writer();
      const log = recordingLog();
      const { declaration, kinds } = declarationOf(checkPlugin(plugin, "the test"));
      const rules = rulesFor([{ ...declaration, kinds }], []).map((rule) => ({
        ...rule,
        verbs: rule.verbs.filter((verb) => verb !== "delete"),
      }));
      const kubeconfig = await cluster.createUser(`lacking-${where}`, rules);
      await using controller = await createController({
        cluster: { kubeconfig },
        plugins: [plugin],
        namespaces,
        log,
      }).start();
      const line = await log.waitFor(/permissions are missing/);
      assert.match(line, /configmaps.*delete/);
      assert.doesNotMatch(line, /deletecollection|watch|events/);
      assert.equal(controller.plugins()[0]?.error?.code, "PLUGIN_PERMISSION_MISSING");
      const { kube } = await context;
      const refusal = await kube.delete({ ...configmaps, name: "one" }).then(() => "none", codeOf);
      assert.equal(refusal, "KUBE_FORBIDDEN");
    });
  }

  test("a dry run is checked by the server and not stored", async () => {
    const { plugin, context } = writer();
    const here = { kubeconfig: cluster.kubeconfigPath };
    await using controller = await createController({ cluster: here, plugins: [plugin], dryRun: true }).start();
    const { kube } = await context;
    await kube.create(configmaps, configMap("dry"));
    await kube.apply({ ...configmaps, name: "dry" }, configMap("dry"));
    await kube.deleteCollection(configmaps, { labelSelector: "none=such" });
    const path = "/api/v1/namespaces/shop/configmaps";
    await kube.json({
      method: "POST",
      path,
      body: JSON.stringify(configMap("dry")),
      headers: { "content-type": "application/json" },
    });
    const invalid = { ...configMap("Not A Name") };
    assert.equal(await kube.create(configmaps, invalid).then(() => "none", codeOf), "KUBE_INVALID");
    assert.equal((await cluster.request("GET", `${path}/dry`)).status, 404);
    void controller;
  });
});
