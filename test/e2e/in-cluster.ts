import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.ts";
import type { ContainerOptions } from "./container.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const READ = ["get", "list", "watch"];

/** What a container needs to reach a cluster as a pod does: environment and the mounted service account. */
export interface InCluster extends Required<Pick<ContainerOptions, "env" | "mounts">> {
  /** Name of the service account, in the namespace "default". */
  readonly account: string;
  remove(): void;
}

/** Makes a service account that may do what our manifests let it, and gives what a kubelet would give to its pods. */
export async function inCluster(cluster: Cluster, account: string): Promise<InCluster> {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const rules = [
    { apiGroups: [""], resources: ["pods", "services", "configmaps", "namespaces", "nodes"], verbs: READ },
    { apiGroups: ["apps"], resources: ["deployments", "replicasets", "statefulsets", "daemonsets"], verbs: READ },
    { apiGroups: ["batch"], resources: ["jobs", "cronjobs"], verbs: READ },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  ];
  const token = await cluster.serviceAccountToken("default", account);
  await cluster.send("POST", `${rbac}/clusterroles`, { metadata: { name: account }, rules });
  await cluster.send("POST", `${rbac}/clusterrolebindings`, {
    metadata: { name: account },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: account },
    subjects: [{ kind: "ServiceAccount", namespace: "default", name: account }],
  });
  const folder = mkdtempSync(join(tmpdir(), "fairlead-account-"));
  chmodSync(folder, 0o755); // The user of the container is not ours.
  for (const [file, text] of Object.entries({ token, "ca.crt": cluster.caPem, namespace: "default" })) {
    writeFileSync(join(folder, file), text);
  }
  return {
    account,
    env: { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(cluster.port) },
    mounts: [{ from: folder, to: ACCOUNT }],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
