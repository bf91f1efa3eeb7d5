import type { ApiClient } from "../cluster/api-client.ts";
import type { Manifest } from "../package/manifests.ts";

/** Plural of the kinds that our manifests hold, and whether they belong to a namespace. */
const PLURALS: Readonly<Record<string, readonly [plural: string, namespaced: boolean]>> = {
  Namespace: ["namespaces", false],
  ServiceAccount: ["serviceaccounts", true],
  ClusterRole: ["clusterroles", false],
  ClusterRoleBinding: ["clusterrolebindings", false],
  ConfigMap: ["configmaps", true],
  Service: ["services", true],
  Deployment: ["deployments", true],
};
const STRICT = "?fieldManager=test&fieldValidation=Strict&force=true";

/** Applies objects in their order, as `kubectl apply --server-side` does; gives the refusals: "Kind name: message". */
export async function applyManifests(client: ApiClient, objects: readonly Manifest[]): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const object of objects) {
    const headers = { "content-type": "application/apply-patch+yaml" };
    const { status, body } = await client.request("PATCH", pathOf(object) + STRICT, JSON.stringify(object), headers);
    if (status >= 300) {
      refused.push(`${object.kind} ${object.metadata.name}: ${body.message ?? body}`);
    }
  }
  return refused;
}

/** Path of an object. */
export function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const [plural, namespaced] = PLURALS[kind];
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = namespaced ? `/namespaces/${metadata.namespace}` : "";
  return `${group}${place}/${plural}/${metadata.name}`;
}
