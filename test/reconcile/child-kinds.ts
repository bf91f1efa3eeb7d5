import type { KubeObject } from "../../core/kube/client.ts";

/** A kind of children with one object, as people write them. */
export interface ChildKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const labels = { app: "web" };
const selector = { matchLabels: labels };
const container = {
  name: "web",
  image: "example.org/web:1",
  env: [
    { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "TOKEN", valueFrom: { secretKeyRef: { name: "token", key: "token" } } },
    { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
  ],
  envFrom: [{ configMapRef: { name: "settings" } }],
  ports: [{ name: "http", containerPort: 80 }],
  resources: { requests: { cpu: "0.5", memory: "0.5Gi" }, limits: { cpu: 2 } },
  livenessProbe: { tcpSocket: { port: "http" }, periodSeconds: 5 },
  readinessProbe: { httpGet: { path: "/", port: 80 } },
  lifecycle: { preStop: { exec: { command: ["sleep", "1"] } } },
  securityContext: { runAsNonRoot: true, capabilities: { drop: ["ALL"] } },
  volumeMounts: [{ name: "config", mountPath: "/etc/web", readOnly: true }],
};
const template = {
  metadata: { labels, annotations: { "example.org/checksum": "1" } },
  spec: {
    containers: [container],
    initContainers: [{ name: "init", image: "example.org/init:1", command: ["sh", "-c", "true"] }],
    securityContext: { fsGroup: 1000 },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway", labelSelector: selector },
    ],
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, podAffinityTerm: { topologyKey: "node", labelSelector: selector } },
        ],
      },
    },
    tolerations: [{ key: "spot", operator: "Exists", effect: "NoSchedule" }],
    volumes: [
      { name: "config", configMap: { name: "settings", items: [{ key: "a", path: "a" }] } },
      { name: "scratch", emptyDir: { sizeLimit: "1024Mi" } },
      { name: "secret", secret: { secretName: "token" } },
      {
        name: "all",
        projected: { sources: [{ serviceAccountToken: { path: "token" } }, { configMap: { name: "settings" } }] },
      },
    ],
  },
};

/** Kinds that operators make, each with what the server completes in them. */
export const childKinds: readonly ChildKind[] = [
  { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments", body: { spec: { selector, template } } },
  {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    plural: "statefulsets",
    body: {
      spec: {
        serviceName: "web",
        selector,
        template,
        volumeClaimTemplates: [
          {
            metadata: { name: "data" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1024Mi" } } },
          },
        ],
      },
    },
  },
  {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    plural: "daemonsets",
    body: { spec: { selector, template: { ...template, spec: { containers: [{ name: "a", image: "a" }] } } } },
  },
  {
    apiVersion: "batch/v1",
    kind: "CronJob",
    plural: "cronjobs",
    body: {
      spec: {
        schedule: "0 3 * * *",
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "a" }] } } },
        },
      },
    },
  },
  {
    apiVersion: "batch/v1",
    kind: "Job",
    plural: "jobs",
    body: {
      spec: {
        backoffLimit: 2,
        template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "a", command: ["true"] }] } },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    plural: "services",
    body: {
      spec: {
        type: "NodePort",
        selector: labels,
        ports: [
          { name: "http", port: 80 },
          { name: "x", port: 81, targetPort: "x" },
        ],
      },
    },
  },
  { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps", body: { data: { a: "1" }, binaryData: { b: "AAE=" } } },
  { apiVersion: "v1", kind: "Secret", plural: "secrets", body: { stringData: { a: "1" }, type: "Opaque" } },
  {
    apiVersion: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    body: { automountServiceAccountToken: false, imagePullSecrets: [{ name: "registry" }] },
  },
  {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    body: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "0.5Ti" } } } },
  },
  {
    apiVersion: "v1",
    kind: "ResourceQuota",
    plural: "resourcequotas",
    body: { spec: { hard: { cpu: "10000m", "requests.memory": "1024Gi", pods: 10 } } },
  },
  {
    apiVersion: "v1",
    kind: "LimitRange",
    plural: "limitranges",
    body: { spec: { limits: [{ type: "Container", default: { cpu: "500m" }, max: { cpu: "2000m" } }] } },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    plural: "ingresses",
    body: {
      metadata: { annotations: { "example.org/timeout": "30" } },
      spec: {
        rules: [
          {
            host: "shop.example.org",
            http: {
              paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }],
            },
          },
        ],
        tls: [{ hosts: ["shop.example.org"], secretName: "tls" }],
      },
    },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    body: {
      spec: {
        podSelector: selector,
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }, { port: 53, protocol: "UDP" }] }],
        egress: [{}],
      },
    },
  },
  {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    body: { spec: { minAvailable: "50%", selector } },
  },
  {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    body: {
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
        maxReplicas: 5,
        metrics: [
          { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
          { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "1024Mi" } } },
        ],
        behavior: { scaleDown: { policies: [{ type: "Pods", value: 1, periodSeconds: 60 }] } },
      },
    },
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    plural: "roles",
    body: { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }] },
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    plural: "rolebindings",
    body: {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "web" },
      subjects: [
        { kind: "ServiceAccount", name: "web" },
        { kind: "User", name: "u" },
      ],
    },
  },
];

/** One object of the kind. */
export function childOf({ apiVersion, kind, body }: ChildKind, namespace: string, name: string): KubeObject {
  // Where the table has metadata it is an object.
  const metadata = { ...(body.metadata as object | undefined), name, namespace };
  return { apiVersion, kind, ...body, metadata };
}
