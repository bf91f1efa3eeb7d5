import type { ObjectInput } from "./object.ts";
import * as samples from "./objects-sample.ts";

/** An object that is there at the start, and what becomes of it: changed, with another one beside it. */
export interface KindSample {
  readonly first: ObjectInput;
  readonly second: readonly ObjectInput[];
}

const one = "conformance/one-1";
const two = "conformance/two-1";
const labels = { app: "one", changed: "yes" };

const SAMPLES: Readonly<Record<string, () => KindSample>> = {
  "v1/Pod": () => ({
    first: samples.pod(one),
    second: [
      samples.pod(one, { restarts: 1000, ready: false, labels }),
      samples.pod(two, { phase: "Pending", node: "" }),
      samples.pod("conformance/three-1", { phase: "Failed" }),
    ],
  }),
  "v1/Service": () => ({
    first: samples.service(one),
    second: [samples.service(one, { selector: { app: "two" } }), samples.service(two, { type: "ExternalName" })],
  }),
  "v1/Node": () => ({
    first: samples.node("one-1"),
    second: [samples.node("one-1", { ready: false, unschedulable: true }), samples.node("two-1")],
  }),
  "v1/Namespace": () => ({
    first: samples.namespace("conformance"),
    second: [samples.namespace("conformance", { labels }), samples.namespace("other")],
  }),
  "v1/ConfigMap": () => ({
    first: samples.configMap(one, { key: "value" }),
    second: [samples.configMap(one, {}), samples.configMap(two)],
  }),
  "apps/v1/Deployment": workload(samples.deployment),
  "apps/v1/ReplicaSet": workload(samples.replicaSet),
  "apps/v1/StatefulSet": workload(samples.statefulSet),
  "apps/v1/DaemonSet": workload(samples.daemonSet),
  "batch/v1/Job": workload(samples.job),
  "batch/v1/CronJob": workload(samples.cronJob),
};

function workload(make: (key: string, given?: samples.SampleWorkload) => ObjectInput): () => KindSample {
  return () => ({
    first: make(one),
    second: [make(one, { replicas: 3, ready: 0, labels }), make(two, { replicas: 0 })],
  });
}

/** Samples of those of the kinds that have some; of others the test itself gives objects. */
export function samplesFor(kinds: readonly { readonly apiVersion: string; readonly kind: string }[]): KindSample[] {
  return kinds.flatMap(({ apiVersion, kind }) => SAMPLES[`${apiVersion}/${kind}`]?.() ?? []);
}
