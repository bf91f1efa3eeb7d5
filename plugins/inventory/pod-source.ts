import type { PodPlace } from "./answers.ts";
import type { PodSource } from "./queries.ts";
import type { PodFinder } from "./service-links.ts";

/** What is read of a pod. */
interface PodView {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly spec: { readonly nodeName: string | undefined };
  readonly status: { readonly phase: string | undefined };
  readonly ready: string | undefined;
}

/** The part of the store that is used. */
interface PodStore {
  read<T>(callback: (view: { readonly pods: PodIndexes }) => T extends PromiseLike<unknown> ? never : T): T;
}
interface PodIndexes {
  get(namespace: string, name: string): PodView | undefined;
  byUid(uid: string): PodView | undefined;
  byOwner(uid: string): readonly PodView[];
  by(index: "nodeName", value: string): readonly PodView[];
  select(selection: {
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  }): readonly PodView[];
}

/** Pods by the indexes of the store. */
export function podSource(store: PodStore): PodSource & { readonly matching: PodFinder } {
  return {
    byOwner: (uid) => store.read(({ pods }) => pods.byOwner(uid).map(placeOf)),
    byUid: (uid) => store.read(({ pods }) => maybe(pods.byUid(uid))),
    byName: (namespace, name) => store.read(({ pods }) => maybe(pods.get(namespace, name))),
    onNode: (node) => store.read(({ pods }) => pods.by("nodeName", node).map(placeOf)),
    matching: (namespace, labels) =>
      store.read(({ pods }) => pods.select({ namespace, labels }).map((pod) => pod.metadata.uid)),
  };
}

function maybe(pod: PodView | undefined): PodPlace | undefined {
  return pod === undefined ? undefined : placeOf(pod);
}

function placeOf({ metadata, spec, status, ready }: PodView): PodPlace {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    phase: status.phase ?? "Unknown",
    ready: ready === "True",
    node: spec.nodeName,
  };
}
