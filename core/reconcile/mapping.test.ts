import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deployments, nodes, pods, replicaSets } from "../kinds/index.ts";
import type { Mapping } from "./controller.ts";
import { LoopBench } from "./loop.test-support.ts";
import { mapping } from "./mapping.ts";
import type { ObjectLike } from "./predicate.ts";

const kinds = [
  pods.select("owners", "nodeName"),
  replicaSets.select("owners"),
  deployments.select("owners"),
  nodes.select("labels"),
] as const;
let bench: LoopBench;

const owner = (apiVersion: string, kind: string, name: string, controller = true) => ({
  apiVersion,
  kind,
  name,
  uid: `uid-${name}`,
  controller,
});

before(async () => {
  bench = new LoopBench(...kinds);
  const put = (kind: string, name: string, owners: readonly object[], more: object = {}) =>
    bench.put(kind, { name, resourceVersion: "1", fields: { owners, ...more } });
  put("deployments", "web", [owner("example.org/v1", "WebApp", "cart")]);
  put("deployments", "alone", []);
  put("replicasets", "web-1", [owner("apps/v1", "Deployment", "web")]);
  put("replicasets", "alone-1", [owner("apps/v1", "Deployment", "alone")]);
  put("pods", "web-1-a", [owner("apps/v1", "ReplicaSet", "web-1")], { nodeName: "node-1" });
  put("pods", "alone-1-a", [owner("apps/v1", "ReplicaSet", "alone-1")], { nodeName: "node-1" });
  put("pods", "orphan", [owner("apps/v1", "ReplicaSet", "gone")]);
  put("pods", "loop", [owner("v1", "Pod", "loop")]);
  put("pods", "many", [owner("v1", "Node", "node-1", false), owner("apps/v1beta1", "ReplicaSet", "web-1")]);
  bench.put("nodes", { name: "node-1", namespace: "", resourceVersion: "1" });
  bench.synced("pods", "replicasets", "deployments", "nodes");
  await bench.commit();
});
after(() => bench.end());

/** A kind of one's own that nobody follows here: only its name is looked at. */
const webApps = Object.freeze({ ...deployments, apiVersion: "example.org/v1", kind: "WebApp", name: "webapps" });

function keysOf(map: Mapping<ObjectLike>, kind: string, key: string): string[] {
  return bench.reader.read((view) => {
    const object = view.kind(kind).get(key);
    assert.ok(object !== undefined);
    const given = map(object, { view, kind: webApps });
    return typeof given === "string" ? [given] : [...(given ?? [])];
  });
}

test("the owner of a kind: its controller in the same namespace, whatever the version, or every owner", () => {
  assert.deepEqual(keysOf(mapping.toOwner(webApps), "deployments", "shop/web"), ["shop/cart"]);
  assert.deepEqual(keysOf(mapping.toOwner(webApps), "deployments", "shop/alone"), []);
  assert.deepEqual(keysOf(mapping.toOwner(replicaSets), "pods", "shop/many"), ["shop/web-1"]);
  assert.deepEqual(keysOf(mapping.toOwner(nodes), "pods", "shop/many"), []);
  assert.deepEqual(keysOf(mapping.toOwner(nodes, { any: true }), "pods", "shop/many"), ["node-1"]);
});

test("an owner chain leads through several kinds to the top, and ends where a link is missing", () => {
  const chain = mapping.ownerChain(pods, replicaSets, deployments);
  assert.deepEqual(keysOf(chain, "pods", "shop/web-1-a"), ["shop/cart"]);
  assert.deepEqual(keysOf(chain, "replicasets", "shop/web-1"), ["shop/cart"]);
  assert.deepEqual(keysOf(chain, "deployments", "shop/web"), ["shop/cart"]);
  assert.deepEqual(keysOf(chain, "pods", "shop/alone-1-a"), []);
  assert.deepEqual(keysOf(chain, "pods", "shop/orphan"), []);
  assert.deepEqual(keysOf(chain, "pods", "shop/loop"), [], "an object that owns itself");
});

test("a parent that is gone still names its own", async () => {
  bench.remove("replicasets", "web-1");
  await bench.commit();
  assert.deepEqual(keysOf(mapping.ownerChain(replicaSets, deployments), "pods", "shop/web-1-a"), ["shop/cart"]);
});

test("objects by an index, of all namespaces where the changed object has none", () => {
  const onNode = mapping.byIndex(kinds[0], "nodeName", (node: ObjectLike) => node.metadata.name);
  assert.deepEqual(keysOf(onNode, "nodes", "node-1").toSorted(), ["shop/alone-1-a", "shop/web-1-a"]);
  const none = mapping.byIndex(kinds[0], "nodeName", () => undefined);
  assert.deepEqual(keysOf(none, "nodes", "node-1"), []);
});
