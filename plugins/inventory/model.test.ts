import assert from "node:assert/strict";
import { test } from "node:test";
import { InventoryModel } from "./model.ts";
import {
  ALL,
  emptyCluster,
  modelOver,
  OWNER_TYPES,
  ownedBy,
  owner,
  podNamed,
  tell,
} from "./model-cluster.test-support.ts";
import * as queries from "./queries.ts";
import { naiveSource, type TestOwner, type TestPod } from "./recount.test-support.ts";

test("follows a chain whose links arrive from the bottom up", () => {
  const cluster = emptyCluster();
  const model = modelOver(cluster);
  const roots = (): string[] => queries.workloads(model, ALL).items.map(({ kind, pods }) => `${kind} ${pods.total}`);
  const tellAll = (object: TestOwner): void => {
    cluster.owners.set(object.uid, object);
    tell(model, cluster, "owners", object.uid);
  };
  cluster.pods.set("uid-cart", podNamed("cart", { owners: [ownedBy("ReplicaSet", 1, "shop")] }));
  tell(model, cluster, "pods", "uid-cart");
  assert.deepEqual(roots(), ["ReplicaSet 1"]);
  tellAll(owner("ReplicaSet", 1, "shop", [ownedBy("Deployment", 1, "shop")]));
  assert.deepEqual(roots(), ["Deployment 1"]);
  tellAll(owner("Deployment", 1, "shop"));
  assert.deepEqual(roots(), ["Deployment 1"]);
  const chain = queries.chainOf(model, naiveSource(cluster), { namespace: "shop", name: "cart" });
  assert.deepEqual(
    chain?.map(({ kind }) => kind),
    ["Pod", "ReplicaSet", "Deployment"],
  );
});

test("asks once for what is above an owner of a kind that is not watched, and follows the answer", () => {
  const cluster = emptyCluster();
  const asked: string[] = [];
  const model = modelOver(cluster, (uid) => asked.push(uid));
  for (const name of ["cart-1", "cart-2"]) {
    cluster.pods.set(`uid-${name}`, podNamed(name, { owners: [ownedBy("Rollout", 1, "shop")] }));
    tell(model, cluster, "pods", `uid-${name}`);
  }
  assert.deepEqual(asked, ["shop-rollout-1"]);
  const rollout = model.owners.byUid("shop-rollout-1");
  assert.ok(rollout);
  model.adopt(rollout, { apiVersion: "example.org/v1", kind: "Release", namespace: "shop", name: "r", uid: "release" });
  assert.deepEqual(asked, ["shop-rollout-1", "release"]);
  const [found] = queries.workloads(model, ALL).items;
  assert.deepEqual([found.kind, found.name, found.pods.total], ["Release", "r", 2]);
});

test("an owner without a namespace is listed, and is no namespace", () => {
  const cluster = emptyCluster();
  const model = modelOver(cluster);
  cluster.pods.set("uid-cart", podNamed("cart", { owners: [ownedBy("Rollout", 1, "shop")] }));
  tell(model, cluster, "pods", "uid-cart");
  const rollout = model.owners.byUid("shop-rollout-1");
  assert.ok(rollout);
  model.adopt(rollout, { apiVersion: "example.org/v1", kind: "Fleet", name: "all", uid: "fleet" });
  assert.deepEqual(
    queries.workloads(model, { limit: 10 }).items.map(({ kind, namespace }) => `${kind} "${namespace}"`),
    ['Fleet ""'],
  );
  assert.equal(queries.summary(model).namespaces, 1);
  assert.deepEqual(
    queries.namespaces(model, ALL).items.map(({ name }) => name),
    ["shop"],
  );
});

test("broken and strange objects are counted and do no harm", () => {
  const cluster = emptyCluster();
  const model = modelOver(cluster);
  const strange: TestPod[] = [
    podNamed("no-uid", { owners: [{ controller: true, kind: "ReplicaSet", name: "set" }] }),
    podNamed("bare-uid", { owners: [{ controller: true, uid: "bare" }] }),
    podNamed("two", { owners: [ownedBy("ReplicaSet", 1, "shop", false), ownedBy("Job", 1, "shop")] }),
    podNamed("labels", { labels: JSON.parse('{ "__proto__": "x", "constructor": "y", "": "" }') }),
    podNamed("phase", { phase: "Dreaming", node: "" }),
  ];
  for (const pod of strange) {
    cluster.pods.set(pod.uid, pod);
    tell(model, cluster, "pods", pod.uid);
  }
  cluster.services.set("shop/odd", { type: "ClusterIP", selector: { constructor: "y" } });
  tell(model, cluster, "services", "shop/odd");
  assert.equal(model.pods.total, 5);
  assert.deepEqual(model.pods.totals().phases, { Running: 4, Unknown: 1 });
  assert.equal(model.services.get("shop/odd")?.pods.size, 1);
  for (const pod of strange) {
    model.removePod(pod.uid);
    model.removePod(pod.uid);
  }
  assert.equal(model.owners.size, 0);
});

test("owners in a circle are counted and do no harm", () => {
  const cluster = emptyCluster();
  const model = modelOver(cluster);
  const circle = [
    owner("ReplicaSet", 1, "shop", [ownedBy("Deployment", 1, "shop")]),
    owner("Deployment", 1, "shop", [ownedBy("ReplicaSet", 1, "shop")]),
    owner("StatefulSet", 1, "shop", [ownedBy("StatefulSet", 1, "shop")]),
  ];
  for (const object of circle) {
    cluster.owners.set(object.uid, object);
    tell(model, cluster, "owners", object.uid);
  }
  cluster.pods.set("uid-cart", podNamed("cart", { owners: [ownedBy("ReplicaSet", 1, "shop")] }));
  tell(model, cluster, "pods", "uid-cart");
  assert.deepEqual(
    queries.workloads(model, ALL).items.map(({ kind, pods }) => `${kind} ${pods.total}`),
    ["Deployment 1", "StatefulSet 0"],
  );
});

/** How often Maps and Sets are asked or changed, and entries of them are walked over. */
function workOf(change: () => void): number {
  let work = 0;
  const counting = [Map, Set].flatMap(({ prototype }) =>
    ["get", "set", "has", "add", "delete", "keys", "values", "entries", "forEach", Symbol.iterator].flatMap((name) => {
      const method: unknown = Reflect.get(prototype, name);
      return typeof method === "function" ? [{ prototype, name, method }] : [];
    }),
  );
  for (const { prototype, name, method } of counting) {
    Reflect.set(prototype, name, function (this: { readonly size: number }, ...given: unknown[]) {
      work += name === "get" || name === "set" || name === "has" || name === "add" || name === "delete" ? 1 : this.size;
      return Reflect.apply(method, this, given);
    });
  }
  try {
    change();
  } finally {
    for (const { prototype, name, method } of counting) {
      Reflect.set(prototype, name, method);
    }
  }
  return work;
}

test("a change is the same work in a cluster of 50 pods and in one of 20,000", () => {
  const works = [50, 20_000].map((count) => {
    const model = new InventoryModel({ findPods: () => ["uid-pod-0", "uid-pod-1"] });
    const put = (number: number, more: Partial<TestPod> = {}): void => {
      const app = `app-${Math.floor(number / 5)}`;
      const owners = [{ ...ownedBy("ReplicaSet", 0, "shop"), uid: `set-${app}` }];
      const pod = podNamed(`pod-${number}`, {
        labels: { app },
        owners,
        node: `node-${number % (count / 10)}`,
        ...more,
      });
      model.putPod(pod, { ...pod, isReady: pod.ready, nodeName: pod.node });
    };
    for (let number = 0; number < count; number += 5) {
      const name = `app-${number / 5}`;
      model.putService({ namespace: "shop", name }, { type: "ClusterIP", selector: { app: name } });
    }
    for (let number = 0; number < count; number++) {
      put(number);
    }
    return {
      moves: workOf(() => put(0, { node: "node-1", phase: "Pending" })),
      goes: workOf(() => model.removePod("uid-pod-0")),
      comes: workOf(() => put(0)),
      isAdopted: workOf(() =>
        model.putOwner(OWNER_TYPES.ReplicaSet, { namespace: "shop", name: "set", uid: "set-app-0" }, [
          ownedBy("Deployment", 1, "shop"),
        ]),
      ),
      selects: workOf(() =>
        model.putService(
          { namespace: "shop", name: "app-0" },
          { type: "ClusterIP", selector: { app: "app-0", a: "b" } },
        ),
      ),
      isSummed: workOf(() => queries.summary(model)),
    };
  });
  assert.deepEqual(works[0], works[1]);
});
