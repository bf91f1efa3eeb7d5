import type { FieldLabels } from "./selectors.ts";

/** A kind that the server serves. */
export interface Resource {
  /** "" for the legacy group. */
  readonly group: string;
  readonly version: string;
  /** "v1", "apps/v1". */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly string[];
  /** True when the server counts changes of the spec in metadata.generation. */
  readonly counted: boolean;
  readonly fieldLabels: FieldLabels;
  /** True for kinds that come from a CustomResourceDefinition: JSON only. */
  readonly custom: boolean;
  /** True for custom kinds that define columns for their Table view. */
  readonly hasColumns?: boolean;
  /** How names are checked. */
  readonly names: "subdomain" | "label" | "label1035" | "path";
  /** Group and plural: the versions of a kind share their objects. */
  readonly storageKey: string;
}

interface Row {
  readonly kind: string;
  readonly plural: string;
  readonly cluster?: true;
  readonly short?: string;
  readonly all?: true;
  readonly sub?: string;
  readonly counted?: true;
  readonly fields?: string;
  readonly names?: Resource["names"];
}

const POD_FIELDS =
  "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork status.phase status.podIP status.nominatedNodeName";
const EVENT_FIELDS =
  "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reason reportingComponent type";

const TABLE: Readonly<Record<string, readonly Row[]>> = {
  v1: [
    { kind: "ConfigMap", plural: "configmaps", short: "cm" },
    { kind: "Endpoints", plural: "endpoints", short: "ep" },
    { kind: "Event", plural: "events", short: "ev", fields: EVENT_FIELDS },
    { kind: "LimitRange", plural: "limitranges", short: "limits" },
    {
      kind: "Namespace",
      plural: "namespaces",
      cluster: true,
      short: "ns",
      sub: "finalize status",
      fields: "status.phase",
      names: "label",
    },
    { kind: "Node", plural: "nodes", cluster: true, short: "no", sub: "status", fields: "spec.unschedulable" },
    { kind: "PersistentVolumeClaim", plural: "persistentvolumeclaims", short: "pvc", sub: "status" },
    { kind: "PersistentVolume", plural: "persistentvolumes", cluster: true, short: "pv", sub: "status" },
    {
      kind: "Pod",
      plural: "pods",
      short: "po",
      all: true,
      sub: "ephemeralcontainers eviction status",
      counted: true,
      fields: POD_FIELDS,
    },
    { kind: "PodTemplate", plural: "podtemplates", counted: true },
    {
      kind: "ReplicationController",
      plural: "replicationcontrollers",
      short: "rc",
      all: true,
      sub: "scale status",
      counted: true,
      fields: "status.replicas",
    },
    { kind: "ResourceQuota", plural: "resourcequotas", short: "quota", sub: "status" },
    { kind: "Secret", plural: "secrets", fields: "type" },
    { kind: "ServiceAccount", plural: "serviceaccounts", short: "sa" },
    {
      kind: "Service",
      plural: "services",
      short: "svc",
      all: true,
      sub: "status",
      fields: "spec.clusterIP spec.type",
      names: "label",
    },
  ],
  "apps/v1": [
    { kind: "ControllerRevision", plural: "controllerrevisions" },
    { kind: "DaemonSet", plural: "daemonsets", short: "ds", all: true, sub: "status", counted: true },
    { kind: "Deployment", plural: "deployments", short: "deploy", all: true, sub: "scale status", counted: true },
    {
      kind: "ReplicaSet",
      plural: "replicasets",
      short: "rs",
      all: true,
      sub: "scale status",
      counted: true,
      fields: "status.replicas",
    },
    { kind: "StatefulSet", plural: "statefulsets", short: "sts", all: true, sub: "scale status", counted: true },
  ],
  "batch/v1": [
    { kind: "CronJob", plural: "cronjobs", short: "cj", all: true, sub: "status", counted: true },
    { kind: "Job", plural: "jobs", all: true, sub: "status", counted: true, fields: "status.successful" },
  ],
  "coordination.k8s.io/v1": [{ kind: "Lease", plural: "leases" }],
  "discovery.k8s.io/v1": [{ kind: "EndpointSlice", plural: "endpointslices", counted: true }],
  "events.k8s.io/v1": [
    {
      kind: "Event",
      plural: "events",
      short: "ev",
      fields: "regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion reason type",
    },
  ],
  "networking.k8s.io/v1": [
    { kind: "Ingress", plural: "ingresses", short: "ing", sub: "status", counted: true },
    { kind: "IngressClass", plural: "ingressclasses", cluster: true, counted: true },
    { kind: "NetworkPolicy", plural: "networkpolicies", short: "netpol", counted: true },
  ],
  "policy/v1": [
    { kind: "PodDisruptionBudget", plural: "poddisruptionbudgets", short: "pdb", sub: "status", counted: true },
  ],
  "rbac.authorization.k8s.io/v1": [
    { kind: "ClusterRole", plural: "clusterroles", cluster: true, names: "path" },
    { kind: "ClusterRoleBinding", plural: "clusterrolebindings", cluster: true, names: "path" },
    { kind: "Role", plural: "roles", names: "path" },
    { kind: "RoleBinding", plural: "rolebindings", names: "path" },
  ],
  "scheduling.k8s.io/v1": [
    { kind: "PriorityClass", plural: "priorityclasses", cluster: true, short: "pc", counted: true },
  ],
  "storage.k8s.io/v1": [{ kind: "StorageClass", plural: "storageclasses", cluster: true, short: "sc" }],
  "apiextensions.k8s.io/v1": [
    {
      kind: "CustomResourceDefinition",
      plural: "customresourcedefinitions",
      cluster: true,
      short: "crd,crds",
      sub: "status",
      counted: true,
    },
  ],
};

/** Group and version of an apiVersion. */
export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf("/");
  return slash < 0
    ? { group: "", version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** All built-in kinds that the server serves. */
export function builtInResources(): Resource[] {
  return Object.entries(TABLE).flatMap(([apiVersion, rows]) => rows.map((row) => resourceOf(apiVersion, row)));
}

function resourceOf(apiVersion: string, row: Row): Resource {
  const { group, version } = splitApiVersion(apiVersion);
  // Events are one store under two groups, as in the real server.
  const storageGroup = group === "events.k8s.io" ? "" : group;
  return {
    group,
    version,
    apiVersion,
    kind: row.kind,
    plural: row.plural,
    singular: row.kind.toLowerCase(),
    namespaced: row.cluster !== true,
    shortNames: row.short?.split(",") ?? [],
    categories: row.all ? ["all"] : [],
    subresources: row.sub?.split(" ") ?? [],
    counted: row.counted === true,
    fieldLabels: Object.fromEntries((row.fields?.split(" ") ?? []).map((path) => [path, path])),
    custom: false,
    names: row.names ?? "subdomain",
    storageKey: `${storageGroup}/${row.plural}`,
  };
}

/** The kinds served now: built-in ones and those of CustomResourceDefinitions. */
export class ResourceTable {
  readonly #byPath = new Map<string, Resource>();
  readonly #byKind = new Map<string, Resource>();

  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      this.add(resource);
    }
  }

  add(resource: Resource): void {
    this.#byPath.set(`${resource.apiVersion}/${resource.plural}`, resource);
    this.#byKind.set(`${resource.apiVersion}/${resource.kind}`, resource);
  }

  remove(resource: Resource): void {
    this.#byPath.delete(`${resource.apiVersion}/${resource.plural}`);
    this.#byKind.delete(`${resource.apiVersion}/${resource.kind}`);
  }

  byPlural(apiVersion: string, plural: string): Resource | undefined {
    return this.#byPath.get(`${apiVersion}/${plural}`);
  }

  byKind(apiVersion: string, kind: string): Resource | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
  }

  all(): Resource[] {
    return [...this.#byPath.values()];
  }
}
