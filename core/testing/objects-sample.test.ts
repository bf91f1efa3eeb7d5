import assert from "node:assert/strict";
import { test } from "node:test";
import { createController } from "../controller/create-controller.ts";
import * as kinds from "../kinds/index.ts";
import { createApiServer } from "./api-server.ts";
import * as samples from "./objects-sample.ts";

test("samples arrive in the store as they were asked for", async () => {
  await using server = await createApiServer();
  const cart = samples.deployment("shop/cart", { replicas: 3, ready: 2 });
  const set = samples.replicaSet("shop/cart-7d4f", { owner: cart });
  const objects = [
    cart,
    set,
    samples.pod("shop/cart-1", { restarts: 3, owner: set }),
    samples.pod("shop/cart-2", { phase: "Pending", node: "" }),
    samples.service("shop/cart"),
    samples.node("node-1", { ready: false, unschedulable: true }),
    samples.namespace("shop"),
    samples.configMap("shop/settings", { colour: "blue" }),
    samples.statefulSet("shop/db"),
    samples.daemonSet("shop/agent", { replicas: 4 }),
    samples.job("shop/report"),
    samples.cronJob("shop/reports"),
  ];
  for (const object of objects) {
    server.objects.apply(object);
  }
  await using controller = await createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    kinds: [
      kinds.pods,
      kinds.services,
      kinds.deployments,
      kinds.nodes,
      kinds.configMaps,
      kinds.daemonSets,
      kinds.replicaSets,
    ],
    ingest: "inline",
  }).start();
  const seen = controller.store.read((view) => {
    const pod = view.pods.get("shop/cart-1");
    return {
      restarts: pod?.restarts,
      ready: [pod?.ready, view.pods.get("shop/cart-2")?.ready, view.nodes.get("node-1")?.ready],
      owner: pod?.metadata.ownerReferences.map(({ kind, name, controller }) => `${kind} ${name} ${controller}`),
      ownerUid: view.replicasets.get("shop/cart-7d4f")?.metadata.ownerReferences[0].uid,
      deploymentUid: view.deployments.get("shop/cart")?.metadata.uid,
      selected: view.pods.select({
        namespace: "shop",
        labels: view.services.get("shop/cart")?.spec.selector ?? {},
      }).length,
      readyReplicas: view.deployments.get("shop/cart")?.status.readyReplicas,
      data: view.configmaps.get("shop/settings")?.data,
      daemons: view.daemonsets.get("shop/agent")?.status.numberReady,
      nodeName: view.pods.get("shop/cart-2")?.spec.nodeName,
    };
  });
  const { ownerUid, deploymentUid, ...rest } = seen;
  assert.equal(ownerUid, deploymentUid);
  assert.deepEqual(rest, {
    restarts: 3,
    ready: ["True", "False", "False"],
    owner: ["ReplicaSet cart-7d4f true"],
    selected: 2,
    readyReplicas: 2,
    data: { colour: "blue" },
    daemons: 4,
    nodeName: undefined,
  });
});

test("the API server takes samples as they are", async () => {
  await using server = await createApiServer();
  server.objects.apply(samples.namespace("shop"));
  const posted = [
    ["/api/v1/namespaces/shop/pods", samples.pod("shop/cart-1")],
    ["/api/v1/namespaces/shop/services", samples.service("shop/cart")],
    ["/apis/apps/v1/namespaces/shop/deployments", samples.deployment("shop/cart")],
    ["/apis/apps/v1/namespaces/shop/statefulsets", samples.statefulSet("shop/db")],
    ["/apis/apps/v1/namespaces/shop/daemonsets", samples.daemonSet("shop/agent")],
    ["/apis/batch/v1/namespaces/shop/jobs", samples.job("shop/report")],
    ["/apis/batch/v1/namespaces/shop/cronjobs", samples.cronJob("shop/reports")],
    ["/api/v1/nodes", samples.node("node-1")],
    ["/api/v1/namespaces/shop/configmaps", samples.configMap("shop/settings")],
  ] as const;
  const answers: string[] = [];
  for (const [path, object] of posted) {
    const response = await fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(object),
    });
    answers.push(`${object.kind} ${response.status} ${response.ok ? "" : await response.text()}`.trim());
  }
  assert.deepEqual(
    answers,
    posted.map(([, { kind }]) => `${kind} 201`),
  );
});
