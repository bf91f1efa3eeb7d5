import assert from "node:assert/strict";
import type { FakeCluster, ObjectInput } from "../../core/testing/index.ts";
import { type AnyObject, namespace, type Scenario } from "./world.ts";

/** A WebApp of the example. */
export const webApp = (name: string, spec: Record<string, unknown> = {}): ObjectInput => ({
  apiVersion: "apps.example.org/v1",
  kind: "WebApp",
  metadata: { name, namespace: "shop" },
  spec: { image: "example.org/cart:1", replicas: 2, ...spec },
});

const at = (kind: string, apiVersion: string) => (name: string) => ({ apiVersion, kind, namespace: "shop", name });
const app = at("WebApp", "apps.example.org/v1");
const deployment = at("Deployment", "apps/v1");
const service = at("Service", "v1");
const ingress = at("Ingress", "networking.k8s.io/v1");

/** Everything that belongs to WebApps: no duplicate and no orphan may be there. */
export async function childrenIn(cluster: FakeCluster): Promise<string[]> {
  const lists = await Promise.all([
    cluster.list("apps/v1", "Deployment", "shop"),
    cluster.list("v1", "Service", "shop"),
    cluster.list("networking.k8s.io/v1", "Ingress", "shop"),
  ]);
  return lists.flat().map((object: AnyObject) => `${object.kind} ${object.metadata.name}`);
}

async function conditionsOf(cluster: FakeCluster, name: string): Promise<Record<string, string>> {
  const object: AnyObject = await cluster.get(app(name));
  return Object.fromEntries((object?.status?.conditions ?? []).map((one: AnyObject) => [one.type, one.status]));
}

const GROUND = [namespace("shop")];

/** What the WebApp controller must do. Each also holds when it is killed and started again between any two steps. */
export const WEBAPP_SCENARIOS: readonly Scenario[] = [
  {
    name: "a WebApp gets a Deployment and a Service that it owns, and a status",
    objects: GROUND,
    steps: [(cluster) => cluster.apply(webApp("cart"))],
    check: async (cluster) => {
      assert.deepEqual(await childrenIn(cluster), ["Deployment cart", "Service cart"]);
      const made: AnyObject = await cluster.get(deployment("cart"));
      const owner: AnyObject = await cluster.get(app("cart"));
      assert.deepEqual(
        made.metadata.ownerReferences.map(({ kind, uid, controller }: AnyObject) => [kind, uid, controller]),
        [["WebApp", owner.metadata.uid, true]],
      );
      assert.equal(owner.status.observedGeneration, owner.metadata.generation);
      assert.equal(owner.status.url, "http://cart.shop.svc");
    },
  },
  {
    name: "it is available once its pods are ready",
    needsPods: true,
    objects: [...GROUND, webApp("cart")],
    steps: [],
    check: async (cluster) => {
      assert.deepEqual(await conditionsOf(cluster, "cart"), { Available: "True", RolledOut: "True" });
      const owner: AnyObject = await cluster.get(app("cart"));
      assert.deepEqual([owner.status.replicas, owner.status.readyReplicas], [2, 2]);
    },
  },
  {
    name: "a host gives it an Ingress, and without one it goes again",
    objects: [...GROUND, webApp("cart", { host: "cart.example.org" })],
    steps: [(cluster) => cluster.patch(app("cart"), { spec: { host: null } })],
    check: async (cluster) => {
      assert.deepEqual(await childrenIn(cluster), ["Deployment cart", "Service cart"]);
      assert.equal(await cluster.get(ingress("cart")), undefined);
    },
  },
  {
    name: "a change of the spec reaches the children",
    objects: [...GROUND, webApp("cart")],
    steps: [(cluster) => cluster.patch(app("cart"), { spec: { image: "example.org/cart:2", replicas: 3 } })],
    check: async (cluster) => {
      const made: AnyObject = await cluster.get(deployment("cart"));
      assert.deepEqual([made.spec.replicas, made.spec.template.spec.containers[0].image], [3, "example.org/cart:2"]);
      const owner: AnyObject = await cluster.get(app("cart"));
      assert.equal(owner.status.observedGeneration, owner.metadata.generation);
    },
  },
  {
    name: "children that are deleted or edited come back",
    objects: [...GROUND, webApp("cart")],
    steps: [
      (cluster) => cluster.delete(deployment("cart")),
      (cluster) => cluster.patch(service("cart"), { spec: { ports: [{ name: "http", port: 80, targetPort: 9999 }] } }),
    ],
    check: async (cluster) => {
      assert.deepEqual(await childrenIn(cluster), ["Deployment cart", "Service cart"]);
      const restored: AnyObject = await cluster.get(service("cart"));
      assert.deepEqual(
        restored.spec.ports.map(({ targetPort }: AnyObject) => targetPort),
        ["http"],
      );
    },
  },
  {
    name: "a WebApp that goes leaves nothing behind",
    objects: [...GROUND, webApp("cart", { host: "cart.example.org" }), webApp("web")],
    steps: [(cluster) => cluster.delete(app("cart"))],
    check: async (cluster) => {
      assert.equal(await cluster.get(app("cart")), undefined);
      assert.deepEqual(await childrenIn(cluster), ["Deployment web", "Service web"]);
    },
  },
  {
    name: "a WebApp that is made anew at once under its old name has children of its own",
    objects: [...GROUND, webApp("cart")],
    steps: [
      (cluster) => cluster.delete(app("cart")),
      (cluster) => cluster.apply(webApp("cart", { image: "example.org/cart:9" })),
    ],
    check: async (cluster) => {
      const owner: AnyObject = await cluster.get(app("cart"));
      const made: AnyObject = await cluster.get(deployment("cart"));
      assert.equal(made.metadata.ownerReferences[0].uid, owner.metadata.uid);
      assert.equal(made.spec.template.spec.containers[0].image, "example.org/cart:9");
      assert.deepEqual(await childrenIn(cluster), ["Deployment cart", "Service cart"]);
    },
  },
];
