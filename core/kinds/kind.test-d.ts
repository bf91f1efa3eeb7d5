// Type tests: this file only has to compile.

import { defineCustomKind } from "./custom.ts";
import { integer, records, text } from "./field.ts";
import { type deployments, nodes, pods } from "./index.ts";
import { type AnyKind, type IndexOf, mergeKinds, type ViewOf } from "./kind.ts";

const few = pods.select("phase", "podIP", "labels", "restarts", "containers.image");
declare const pod: ViewOf<typeof few>;

export const key: string = pod.key;
export const name: string = pod.metadata.name;
export const namespace: string = pod.metadata.namespace;
export const deleting: string | undefined = pod.metadata.deletionTimestamp;
export const phase: string | undefined = pod.status.phase;
export const podIP: string | undefined = pod.status.podIP;
export const app: string = pod.metadata.labels.app;
export const restarts: number = pod.restarts;
export const image: string | undefined = pod.spec.containers[0].image;

// @ts-expect-error annotations were not selected
pod.metadata.annotations;
// @ts-expect-error volumes are not a field of the table
pod.spec.volumes;
// @ts-expect-error nodeName was not selected
pod.spec.nodeName;
// @ts-expect-error only the image of containers was selected
pod.spec.containers[0].name;
// @ts-expect-error a derived field that was not selected
pod.ready;
// @ts-expect-error views are read-only
pod.status.phase = "Running";
// @ts-expect-error no such field
pods.select("phases");
// @ts-expect-error no such part
pods.select("containers.volumes");

declare const whole: ViewOf<typeof pods>;
export const since: string | undefined = whole.status.containerStatuses[0].state.running.startedAt;
export const owner: string | undefined = whole.metadata.ownerReferences[0].uid;
export const isReady: string | undefined = whole.ready;
export const port: number = whole.spec.containers[0].ports[0].containerPort;

declare const node: ViewOf<typeof nodes>;
export const none: undefined = node.metadata.namespace;
export const cpu: string = node.status.capacity.cpu;

declare const deployment: ViewOf<typeof deployments>;
export const desired: number | undefined = deployment.spec.replicas;
export const templateImage: string | undefined = deployment.spec.template.spec.containers[0].image;

const widgets = defineCustomKind({
  apiVersion: "example.org/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
  fields: { size: integer("spec.size"), parts: records("spec.parts", { color: text("color") }) },
});
declare const widget: ViewOf<typeof widgets>;
export const size: number = widget.spec.size;
export const color: string | undefined = widget.spec.parts[0].color;
// @ts-expect-error not declared
widget.spec.weight;

export const index: IndexOf<typeof pods> = "podIP";
// @ts-expect-error not an index of pods
export const noIndex: IndexOf<typeof pods> = "image";

export const any: readonly AnyKind[] = [few, pods, nodes, widgets, mergeKinds([pods, few.keep("slim")])];

declare const someone: ViewOf<AnyKind>;
export const someKey: string = someone.key;
export const someNamespace: string | undefined = someone.metadata.namespace;
// @ts-expect-error nothing is known of its fields
someone.status;

const byImage = pods.index({ image: "containers.image" });
export const added: IndexOf<typeof byImage> = "image";
export const kept: IndexOf<typeof byImage> = "podIP";

const slimPods = pods.keep("slim").select("phase");
declare const slimPod: ViewOf<typeof slimPods>;
export const whatever: unknown = slimPod.json;
export const slimPhase: string | undefined = slimPod.status.phase;
const backPods = slimPods.keep("fields");
declare const backPod: ViewOf<typeof backPods>;
// @ts-expect-error no JSON is kept
backPod.json;
// @ts-expect-error no JSON is kept
pod.json;
