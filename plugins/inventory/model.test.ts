import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InventoryModel, type OwnerReference } from "./model.ts";
import { PHASES } from "./pod-counts.ts";
import * as queries from "./queries.ts";
import { naiveSource, recount, type TestCluster, type TestOwner, type TestPod } from "./recount.test-support.ts";

const ALL = { limit: 1_000_000 };

function emptyCluster(): TestCluster {
  return {
    pods: new Map(),
    owners: new Map(),
    nodes: new Map(),
    namespaces: new Set(),
    services: new Map(),
    slices: new Map(),
  };
}

function modelOver(cluster: TestCluster, ownerUnknown?: (uid: string) => void): InventoryModel {
  return new InventoryModel({
    findPods: (namespace, labels) =>
      [...cluster.pods.values()]
        .filter((pod) => pod.namespace === namespace && Object.entries(labels).every(([k, v]) => pod.labels[k] === v))
        .map((pod) => pod.uid),
    ownerUnknown: (owner) => ownerUnknown?.(owner.uid),
  });
}

const OWNER_TYPES = {
  Deployment: { apiVersion: "apps/v1", kind: "Deployment" },
  ReplicaSet: { apiVersion: "apps/v1", kind: "ReplicaSet" },
  StatefulSet: { apiVersion: "apps/v1", kind: "StatefulSet" },
  Job: { apiVersion: "batch/v1", kind: "Job" },
  CronJob: { apiVersion: "batch/v1", kind: "CronJob" },
  Rollout: { apiVersion: "example.org/v1", kind: "Rollout" },
  Node: { apiVersion: "v1", kind: "Node" },
} as const;
type OwnerKind = keyof typeof OWNER_TYPES;

/** A reference to the object of that kind and number in a namespace; controlling unless said otherwise. */
function ownedBy(kind: OwnerKind, number: number, namespace: string, controller = true): OwnerReference {
  const name = `${kind.toLowerCase()}-${number}`;
  return { ...OWNER_TYPES[kind], name, uid: `${namespace}-${name}`, controller };
}

function owner(kind: OwnerKind, number: number, namespace: string, owners: readonly OwnerReference[] = []): TestOwner {
  const { name = "", uid = "" } = ownedBy(kind, number, namespace);
  return { ...OWNER_TYPES[kind], namespace, name, uid, owners };
}

function podNamed(name: string, more: Partial<TestPod> = {}): TestPod {
  const base = {
    namespace: "shop",
    phase: "Running",
    ready: true,
    node: "node-0",
    labels: { app: "cart" },
    owners: [],
  };
  return { name, uid: `uid-${name}`, ...base, ...more };
}

/** Tells the model of one object as it is now. */
function tell(model: InventoryModel, cluster: TestCluster, what: keyof TestCluster, key: string): void {
  const [namespace, name] = key.split("/");
  const acts: Record<keyof TestCluster, () => void> = {
    pods: () => {
      const pod = cluster.pods.get(key);
      return pod === undefined
        ? model.removePod(key)
        : model.putPod(pod, { ...pod, isReady: pod.ready, nodeName: pod.node });
    },
    owners: () => {
      const object = cluster.owners.get(key);
      return object === undefined ? model.removeOwner(key) : model.putOwner(object, object, object.owners);
    },
    nodes: () => {
      const node = cluster.nodes.get(key);
      return node === undefined ? model.removeNode(key) : model.putNode(key, { ...node, isUnschedulable: false });
    },
    namespaces: () => (cluster.namespaces.has(key) ? model.putNamespace(key, "Active") : model.removeNamespace(key)),
    services: () => {
      const service = cluster.services.get(key);
      return service === undefined
        ? model.removeService({ namespace, name })
        : model.putService({ namespace, name }, service);
    },
    slices: () => {
      const slice = cluster.slices.get(key);
      return model.putSlice({ namespace, name }, slice?.service.split("/")[1], slice?.uids ?? []);
    },
  };
  acts[what]();
}

function answersOf(model: InventoryModel): ReturnType<typeof recount> {
  return {
    workloads: queries.workloads(model, ALL).items,
    services: queries.services(model, ALL).items,
    namespaces: queries.namespaces(model, ALL).items,
    nodes: queries.nodes(model, ALL).items,
    summary: queries.summary(model),
  };
}

/** One event of the random test: the object and what becomes of it. */
type Event = {
  readonly what: keyof TestCluster;
  readonly key: string;
  readonly set: ((cluster: TestCluster) => void) | undefined;
};

const number = fc.nat({ max: 2 });
const gone = fc.nat({ max: 3 }).map((one) => one === 0);
const namespaceName = fc.constantFrom("shop", "team-a");
const labels = fc.record(
  { app: fc.constantFrom("cart", "web"), tier: fc.constantFrom("a", "b") },
  { requiredKeys: [] },
);

const podOwner = (namespace: string): fc.Arbitrary<readonly OwnerReference[]> =>
  fc.oneof(
    fc.constant([]),
    fc
      .tuple(fc.constantFrom<OwnerKind>("ReplicaSet", "StatefulSet", "Job", "Rollout", "Node"), number, fc.boolean())
      .map(([kind, which, controls]) => [ownedBy(kind, which, namespace, controls || kind === "Node")]),
  );

const podEvent: fc.Arbitrary<Event> = namespaceName.chain((namespace) =>
  fc
    .record({
      which: fc.nat({ max: 5 }),
      generation: fc.nat({ max: 1 }),
      gone,
      phase: fc.constantFrom(...PHASES),
      ready: fc.boolean(),
      node: fc.option(fc.constantFrom("node-0", "node-1"), { nil: undefined }),
      labels,
      owners: podOwner(namespace),
    })
    .map(({ which, generation, gone, ...facts }) => {
      const key = `${namespace}-pod-${which}-${generation}`;
      const pod = { namespace, name: `pod-${which}`, uid: key, ...facts };
      return { what: "pods", key, set: gone ? undefined : (cluster) => cluster.pods.set(key, pod) };
    }),
);

const ABOVE: Partial<Record<OwnerKind, OwnerKind>> = {
  ReplicaSet: "Deployment",
  Job: "CronJob",
  Deployment: "Rollout",
};

const ownerEvent: fc.Arbitrary<Event> = fc
  .record({
    namespace: namespaceName,
    kind: fc.constantFrom<OwnerKind>("Deployment", "ReplicaSet", "StatefulSet", "Job", "CronJob"),
    which: number,
    above: fc.option(number, { nil: undefined }),
    gone,
  })
  .map(({ namespace, kind, which, above, gone }) => {
    const type = ABOVE[kind];
    const object = owner(
      kind,
      which,
      namespace,
      above === undefined || type === undefined ? [] : [ownedBy(type, above, namespace)],
    );
    return {
      what: "owners",
      key: object.uid,
      set: gone ? undefined : (cluster) => cluster.owners.set(object.uid, object),
    };
  });

const placeEvent: fc.Arbitrary<Event> = fc.tuple(fc.boolean(), gone, number, namespaceName, fc.boolean()).map(
  ([isNode, gone, which, namespace, isReady]): Event =>
    isNode
      ? {
          what: "nodes",
          key: `node-${which}`,
          set: gone ? undefined : (cluster) => cluster.nodes.set(`node-${which}`, { isReady }),
        }
      : {
          what: "namespaces",
          key: namespace,
          set: gone ? undefined : (cluster) => cluster.namespaces.add(namespace),
        },
);

const serviceEvent: fc.Arbitrary<Event> = fc
  .record({ namespace: namespaceName, which: fc.nat({ max: 1 }), selector: fc.oneof(fc.constant({}), labels), gone })
  .map(({ namespace, which, selector, gone }) => {
    const key = `${namespace}/service-${which}`;
    return {
      what: "services",
      key,
      set: gone ? undefined : (cluster) => cluster.services.set(key, { type: "ClusterIP", selector }),
    };
  });

const sliceEvent: fc.Arbitrary<Event> = fc
  .record({
    namespace: namespaceName,
    which: number,
    service: fc.nat({ max: 1 }),
    pods: fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 1 })), { maxLength: 8 }),
    gone,
  })
  .map(({ namespace, which, service, pods, gone }) => {
    const key = `${namespace}/slice-${which}`;
    const uids = pods.map(([pod, generation]) => `${namespace}-pod-${pod}-${generation}`);
    const slice = { service: `${namespace}/service-${service}`, uids };
    return { what: "slices", key, set: gone ? undefined : (cluster) => cluster.slices.set(key, slice) };
  });

const event = fc.oneof(
  { weight: 4, arbitrary: podEvent },
  { weight: 3, arbitrary: ownerEvent },
  { weight: 1, arbitrary: placeEvent },
  { weight: 2, arbitrary: serviceEvent },
  { weight: 2, arbitrary: sliceEvent },
);
const kindOrder = fc.shuffledSubarray<keyof TestCluster>(
  ["pods", "owners", "nodes", "namespaces", "services", "slices"],
  {
    minLength: 6,
  },
);

test("after any changes, told in any order of kinds, every answer is that of a recount", () => {
  const batches = fc.array(fc.tuple(fc.array(event, { maxLength: 12 }), kindOrder), { minLength: 4, maxLength: 24 });
  fc.assert(
    fc.property(batches, (given) => {
      const cluster = emptyCluster();
      const model = modelOver(cluster);
      for (const [events, order] of given) {
        // As with the store: all is there before anything is told, and each object is told of once.
        const touched = new Map(events.map((one) => [`${one.what} ${one.key}`, one]));
        for (const { what, key, set } of touched.values()) {
          if (set === undefined) {
            cluster[what].delete(key);
          } else {
            set(cluster);
          }
        }
        for (const what of order) {
          for (const one of touched.values()) {
            if (one.what === what) {
              tell(model, cluster, what, one.key);
            }
          }
        }
        assert.deepEqual(answersOf(model), recount(cluster));
      }
    }),
    { numRuns: 400 },
  );
});

test("when everything is gone, nothing is kept", () => {
  const cluster = emptyCluster();
  const model = modelOver(cluster);
  const told: [keyof TestCluster, string][] = [];
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 40 }), (events) => {
      for (const { what, key, set } of events) {
        set?.(cluster);
        tell(model, cluster, what, key);
        told.push([what, key]);
      }
    }),
    { numRuns: 20 },
  );
  for (const objects of Object.values(cluster)) {
    objects.clear();
  }
  for (const [what, key] of told) {
    tell(model, cluster, what, key);
  }
  assert.deepEqual(answersOf(model), recount(emptyCluster()));
  assert.equal(model.owners.size, 0);
});

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
