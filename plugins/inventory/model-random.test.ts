import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OwnerReference } from "./model.ts";
import {
  answersOf,
  emptyCluster,
  modelOver,
  type OwnerKind,
  ownedBy,
  owner,
  tell,
} from "./model-cluster.test-support.ts";
import { PHASES } from "./pod-counts.ts";
import { recount, type TestCluster } from "./recount.test-support.ts";

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
