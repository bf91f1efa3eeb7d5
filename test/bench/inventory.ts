import { parseArgs } from "node:util";
import { InventoryModel, type OwnerReference, type PodFacts } from "../../plugins/inventory/model.ts";
import { summary, workloads } from "../../plugins/inventory/queries.ts";
import { median } from "./numbers.ts";

const SMALL = 4_000;
const LARGE = 150_000;
const PODS_OF_AN_APP = 5;
const PODS_OF_A_NODE = 77;
const NAMESPACES = 40;

interface Load {
  readonly model: InventoryModel;
  readonly count: number;
  readonly names: readonly string[];
}

const DEPLOYMENT = { apiVersion: "apps/v1", kind: "Deployment" };
const REPLICA_SET = { apiVersion: "apps/v1", kind: "ReplicaSet" };

function controller(type: typeof DEPLOYMENT, name: string): readonly OwnerReference[] {
  return [{ ...type, name, uid: `${type.kind}-${name}`, controller: true }];
}

function identity(load: { readonly names: readonly string[] }, number: number) {
  const name = load.names[number];
  return { namespace: `team-${Math.floor(number / PODS_OF_AN_APP) % NAMESPACES}`, name, uid: name };
}

function facts(count: number, number: number, turn: number): PodFacts {
  const app = `app-${Math.floor(number / PODS_OF_AN_APP)}`;
  return {
    owners: controller(REPLICA_SET, app),
    labels: { app, tier: number % 2 === 0 ? "web" : "batch", "pod-template-hash": "7d4f9c", team: "shop" },
    phase: turn % 2 === 0 ? "Running" : "Pending",
    isReady: turn % 2 === 0,
    nodeName: `node-${(number + turn) % Math.ceil(count / PODS_OF_A_NODE)}`,
  };
}

/** A cluster of so many pods: five to a deployment, a service for each, 77 to a node. */
function loadedModel(count: number): Load {
  const names = Array.from({ length: count }, (_, number) => `pod-${number}`);
  const model = new InventoryModel({ findPods: () => [] });
  const load = { model, count, names };
  for (let number = 0; number < count; number += PODS_OF_AN_APP) {
    const app = `app-${number / PODS_OF_AN_APP}`;
    const { namespace } = identity(load, number);
    model.putService({ namespace, name: app }, { type: "ClusterIP", selector: { app, team: "shop" } });
    model.putOwner(DEPLOYMENT, { namespace, name: app, uid: `Deployment-${app}` }, []);
    model.putOwner(REPLICA_SET, { namespace, name: app, uid: `ReplicaSet-${app}` }, controller(DEPLOYMENT, app));
  }
  for (let number = 0; number < count; number++) {
    model.putPod(identity(load, number), facts(count, number, 0));
  }
  return load;
}

/**
 * Microseconds of one change: a pod moves and changes its phase; every tenth pod goes and comes back. Changes go round among
 * so many pods, which are spread over all.
 */
function microsOfAPod({ model, count, names }: Load, among: number, changes: number, turn: number): number {
  const apart = Math.floor(count / among);
  const made = Array.from({ length: changes }, (_, at) => {
    const number = ((at * 7919) % among) * apart;
    return { pod: identity({ names }, number), facts: facts(count, number, turn) };
  });
  const began = performance.now();
  for (const [at, { pod, facts: now }] of made.entries()) {
    if (at % 10 === 0) {
      model.removePod(pod.uid);
    }
    model.putPod(pod, now);
  }
  return ((performance.now() - began) / changes) * 1000;
}

/** Microseconds of a replica set that loses its deployment and gets it back: its pods move with it. */
function microsOfAnOwner({ model, count, names }: Load, changes: number): number {
  const apps = Math.floor(count / PODS_OF_AN_APP);
  const began = performance.now();
  for (let at = 0; at < changes; at++) {
    const number = (at * 7919) % apps;
    const app = `app-${number}`;
    const { namespace } = identity({ names }, number * PODS_OF_AN_APP);
    const object = { namespace, name: app, uid: `ReplicaSet-${app}` };
    model.putOwner(REPLICA_SET, object, []);
    model.putOwner(REPLICA_SET, object, controller(DEPLOYMENT, app));
  }
  return ((performance.now() - began) / changes / 2) * 1000;
}

function microsOf(times: number, call: () => unknown): number {
  const began = performance.now();
  for (let i = 0; i < times; i++) {
    call();
  }
  return ((performance.now() - began) / times) * 1000;
}

const { values } = parseArgs({ options: { runs: { type: "string" }, quick: { type: "boolean" } } });
const runs = Number(values.runs ?? 5);
const changes = values.quick ? 20_000 : 100_000;
const heapBefore = process.memoryUsage().heapUsed;
const large = loadedModel(LARGE);
const heapBytes = (process.memoryUsage().heapUsed - heapBefore) / LARGE;
const small = loadedModel(SMALL);
const figures = { pod: [[], []], anyPod: [[], []], owner: [[], []], summary: [[], []], page: [[], []] } as Record<
  string,
  number[][]
>;
for (let run = 0; run <= runs; run++) {
  for (const [side, load] of [small, large].entries()) {
    const measured = {
      pod: microsOfAPod(load, SMALL, changes, run),
      anyPod: microsOfAPod(load, load.count, changes, run),
      owner: microsOfAnOwner(load, changes / 10),
      summary: microsOf(1000, () => summary(load.model)),
      page: microsOf(100, () => workloads(load.model, { limit: 100, namespace: "team-7" })),
    };
    for (const [name, value] of Object.entries(measured)) {
      // The first run warms up.
      figures[name][side].push(...(run === 0 ? [] : [value]));
    }
  }
  console.log(`run ${run} done`);
}
const micros = (name: string, side: number): number => median(figures[name][side]);
const row = (what: string, name: string): string[] => [
  what,
  ...[0, 1].map((side) => `${micros(name, side).toFixed(2)} µs`),
];
console.log(
  JSON.stringify({
    how: [
      `The model of the inventory plugin with ${SMALL} and with ${LARGE} pods, interleaved: five pods to a deployment, a service for each deployment, ${PODS_OF_A_NODE} pods to a node. A change of a pod: it moves to another node and changes its phase; every tenth goes and comes back. A change is the same work in both (a unit test counts it); what differs is how much of the model is in the caches of the machine. Changes come as plain objects, so that only the model is measured.`,
    ],
    tables: [
      {
        title: "Inventory",
        columns: ["what", `${SMALL} pods`, `${LARGE} pods`],
        rows: [
          row(`change of a pod, out of ${SMALL}`, "pod"),
          row("change of a pod, out of all", "anyPod"),
          row("a replica set changes its owner", "owner"),
          row("summary", "summary"),
          row("page of 100 workloads of a namespace", "page"),
          ["heap a pod, all in", "", `${heapBytes.toFixed(0)} B`],
        ],
      },
    ],
    bars: [
      {
        what: `change of a pod at ${LARGE} pods against ${SMALL}`,
        value: micros("pod", 1) / micros("pod", 0),
        wants: "at most",
        limit: 5,
        unit: "x",
      },
      { what: `change of any of ${LARGE} pods`, value: micros("anyPod", 1), wants: "at most", limit: 10, unit: "µs" },
    ],
  }),
);
