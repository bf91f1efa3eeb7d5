import assert from "node:assert/strict";
import { pods } from "../kinds/index.ts";
import type { ObjectsOf } from "./reader.ts";
import type { RowInput } from "./row-maker.test-support.ts";

/** For tests: the kind that the model is about. */
export const MODEL_KIND = pods.select(
  "labels",
  "owners",
  "phase",
  "podIP",
  "podIPs",
  "hostIP",
  "nodeName",
  "containers.image",
  "restarts",
);

/** For tests: one object, by small numbers that decide its values. */
export interface ModelObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: number;
  readonly node: number;
  readonly app: number;
  readonly ip: number;
  readonly owner: number;
}

/** For tests: the object as the row maker wants it. */
export function rowOf(object: ModelObject): RowInput {
  const { namespace, name, uid, version, node, app, ip, owner } = object;
  return {
    namespace,
    name,
    uid,
    resourceVersion: String(version),
    fields: {
      phase: ["Pending", "Running", "Odd"][version % 3],
      podIP: ip === 0 ? undefined : `192.0.2.${ip}`,
      podIPs: ip === 0 ? undefined : [{ ip: `192.0.2.${ip}` }, { ip: `2001:db8::${ip}` }],
      nodeName: node === 0 ? undefined : `node-${node}`,
      labels: app === 0 ? undefined : { app: `app-${app}`, tier: "any" },
      owners: owner === 0 ? undefined : [{ kind: "ReplicaSet", name: "rs", uid: `owner-${owner}` }],
      containers: [{ image: `image-${version % 5}` }],
      restarts: version,
    },
  };
}

type Objects = ObjectsOf<typeof MODEL_KIND>;
type View = NonNullable<ReturnType<Objects["get"]>>;

/** For tests: what can be read from a view, as one string; the same for the model's object. */
export function stateOfView(view: View): string {
  return JSON.stringify([
    view.key,
    view.metadata.uid,
    view.metadata.resourceVersion,
    view.status.phase,
    view.status.podIP ?? "",
    view.status.podIPs.map((ip) => ip.ip),
    view.spec.nodeName ?? "",
    view.metadata.labels,
    view.metadata.ownerReferences.map((owner) => owner.uid),
    view.spec.containers.map((container) => container.image),
    view.restarts,
  ]);
}

/** For tests: see `stateOfView`. */
export function stateOf(object: ModelObject): string {
  const { namespace, name, uid, version, node, app, ip, owner } = object;
  return JSON.stringify([
    `${namespace}/${name}`,
    uid,
    String(version),
    ["Pending", "Running", "Odd"][version % 3],
    ip === 0 ? "" : `192.0.2.${ip}`,
    ip === 0 ? [] : [`192.0.2.${ip}`, `2001:db8::${ip}`],
    node === 0 ? "" : `node-${node}`,
    app === 0 ? {} : { app: `app-${app}`, tier: "any" },
    owner === 0 ? [] : [`owner-${owner}`],
    [`image-${version % 5}`],
    version,
  ]);
}

/** For tests: an object that was deleted. */
export interface Gone {
  readonly object: ModelObject;
  /** Seconds at the first `maintain` after it; -1 before. */
  stamp: number;
}

/** For tests: what a reader must see. */
export interface Expected {
  readonly objects: ReadonlyMap<string, ModelObject>;
  /** Not older than five minutes, the oldest first. */
  readonly gone: readonly ModelObject[];
}

const sorted = (list: Iterable<string>): string[] => [...list].sort();

/** For tests: compares everything that can be asked for with what is expected. */
export function checkObjects(seen: Objects, expected: Expected, limits: { namespaces: number; values: number }): void {
  const objects = [...expected.objects.values()];
  const where = (accepts: (object: ModelObject) => boolean): string[] => sorted(objects.filter(accepts).map(stateOf));
  const states = (views: Iterable<View>): string[] => sorted([...views].map(stateOfView));
  assert.equal(seen.size, objects.length, "size");
  assert.deepEqual(
    states(seen.all()),
    where(() => true),
    "all",
  );
  assert.deepEqual(
    states(seen),
    where(() => true),
    "iteration",
  );
  for (const object of objects) {
    const view = seen.get(object.namespace, object.name);
    assert.equal(view && stateOfView(view), stateOf(object), "get");
    const byUid = seen.byUid(object.uid);
    assert.equal(byUid && stateOfView(byUid), stateOf(object), "byUid");
  }
  for (let i = 0; i < limits.namespaces; i++) {
    const namespace = `ns-${i}`;
    assert.deepEqual(
      states(seen.inNamespace(namespace)),
      where((object) => object.namespace === namespace),
      "inNamespace",
    );
  }
  const goneBy = (accepts: (object: ModelObject) => boolean): string[] => expected.gone.filter(accepts).map(stateOf);
  for (let i = 1; i <= limits.values; i++) {
    assert.deepEqual(
      states(seen.by("nodeName", `node-${i}`)),
      where((object) => object.node === i),
      "nodeName",
    );
    assert.deepEqual(
      states(seen.byLabel("app", `app-${i}`)),
      where((object) => object.app === i),
      "label",
    );
    assert.deepEqual(
      states(seen.by("podIP", `192.0.2.${i}`)),
      where((object) => object.ip === i),
      "podIP",
    );
    assert.deepEqual(
      states(seen.by("podIP", `2001:db8::${i}`)),
      where((object) => object.ip === i),
      "IPv6",
    );
    assert.deepEqual(
      states(seen.byOwner(`owner-${i}`)),
      where((object) => object.owner === i),
      "owner",
    );
    assert.deepEqual(
      states(seen.select({ namespace: "ns-0", labels: { app: `app-${i}`, tier: "any" } })),
      where((object) => object.app === i && object.namespace === "ns-0"),
      "select",
    );
    const gone = states(seen.deleted.by("podIP", `192.0.2.${i}`));
    for (const state of goneBy((object) => object.ip === i)) {
      assert(gone.includes(state), `deleted by podIP: ${state} is missing in ${gone.join("\n")}`);
    }
  }
  const lastGone = new Map(expected.gone.map((object) => [`${object.namespace}/${object.name}`, object]));
  for (const [key, object] of lastGone) {
    const view = seen.deleted.get(key);
    assert.equal(view && stateOfView(view), stateOf(object), "deleted.get");
  }
  assert.equal(seen.get("ns-0/never"), undefined);
}
