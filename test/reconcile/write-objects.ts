import type { KubeObject } from "../../core/kube/client.ts";

/** A custom resource without a schema of its own. */
export const GADGETS: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "gadgets.test.example.org" },
  spec: {
    group: "test.example.org",
    names: { kind: "Gadget", listKind: "GadgetList", plural: "gadgets", singular: "gadget" },
    scope: "Namespaced",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            },
          },
        },
        subresources: { status: {} },
      },
    ],
  },
};

/** A gadget, to own and to carry a status. */
export const gadget = (namespace: string, name: string, metadata = {}): KubeObject => ({
  apiVersion: "test.example.org/v1",
  kind: "Gadget",
  metadata: { name, namespace, ...metadata },
  spec: { size: 1 },
});

/** A deployment with everything in it that is compared in a way of its own. */
export const deployment = (namespace: string, name = "web") =>
  ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels: { app: name, tier: "web" } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: "25%" } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [
            {
              name: "web",
              image: "example.org/web:1",
              ports: [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP", name: "dns" }],
              env: [
                { name: "B", value: "2" },
                { name: "A", value: "1" },
                { name: "EMPTY", value: "" },
                { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              ],
              resources: { requests: { cpu: "1000m", memory: "1024Mi" }, limits: { memory: "2Gi" } },
              readinessProbe: { httpGet: { path: "/", port: 80 } },
              args: ["--verbose", ""],
              volumeMounts: [{ name: "cache", mountPath: "/cache" }],
            },
            { name: "side", image: "example.org/side:1" },
          ],
          tolerations: [{ key: "example.org/spot", operator: "Exists" }],
          volumes: [{ name: "cache", emptyDir: {} }],
          nodeSelector: { disk: "fast" },
        },
      },
    },
  }) as const;

/** A service of those pods. */
export const service = (namespace: string, name = "web") =>
  ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: {
      selector: { app: name },
      ports: [
        { name: "http", port: 80, targetPort: 80 },
        { name: "dns", port: 53, protocol: "UDP", targetPort: "dns" },
      ],
    },
  }) as const;

/** A config map. */
export const configMap = (namespace: string, name: string, data: Readonly<Record<string, string>>, metadata = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace, ...metadata },
  data,
});
