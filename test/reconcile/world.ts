import type { FakeCluster, ObjectInput } from "../../core/testing/index.ts";

/** An object as JSON gives it, for tests that look into it. */
// biome-ignore lint/suspicious/noExplicitAny: tests read objects of every kind; a type for each would say nothing
export type AnyObject = any;

/** One step of a scenario and what must hold at its end. */
export interface Scenario {
  readonly name: string;
  /** What is there before the controller starts. */
  readonly objects?: readonly ObjectInput[];
  /** Changes of the cluster, one after the other; the controller may be killed and started again between any two. */
  readonly steps: readonly ((cluster: FakeCluster) => Promise<unknown>)[];
  /** Pods must get ready, which takes nodes. Default false. */
  readonly needsPods?: boolean;
  /** Looks at the end state. */
  readonly check: (cluster: FakeCluster) => Promise<void>;
}

export const namespace = (name: string, labels: Record<string, string> = {}): ObjectInput => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

/** A ConfigMap: `configMap("shop/ca", { a: "1" }, { labels: { mirror: "true" } })`. */
export function configMap(
  key: string,
  data: Record<string, string> = {},
  more: { readonly labels?: Record<string, string>; readonly [field: string]: unknown } = {},
): ObjectInput {
  const [namespace, name] = key.split("/");
  const { labels = {}, ...rest } = more;
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels }, data, ...rest };
}

/** Reference to a ConfigMap. */
export const mapAt = (key: string) => {
  const [namespace, name] = key.split("/");
  return { apiVersion: "v1", kind: "ConfigMap", namespace, name };
};

/** All ConfigMaps but those that the cluster makes itself: key -> data. */
export async function mapsIn(cluster: FakeCluster): Promise<Record<string, unknown>> {
  const objects: readonly AnyObject[] = await cluster.list("v1", "ConfigMap");
  return Object.fromEntries(
    objects
      .filter(({ metadata }) => metadata.name !== "kube-root-ca.crt" && !metadata.namespace.startsWith("kube-"))
      .map(({ metadata, data = {} }) => [`${metadata.namespace}/${metadata.name}`, data] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
