import { defineResource } from "fairlead/reconcile";
import { z } from "zod";

const quantity = z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi)?$/);
const amounts = z.strictObject({ cpu: quantity.optional(), memory: quantity.optional() });

/** A web application: an image, how often it runs, and where it is reached. */
export const WebApp = defineResource({
  group: "apps.example.org",
  version: "v1",
  kind: "WebApp",
  plural: "webapps",
  shortNames: ["wa"],
  categories: ["all"],
  spec: z.strictObject({
    image: z.string().min(1).describe("Container image."),
    replicas: z.int().min(0).max(50).default(1).describe("Pods that run."),
    port: z.int().min(1).max(65535).default(8080).describe("Port that the container listens on."),
    path: z.string().startsWith("/").default("/").describe("Path that answers 200 when a pod is ready."),
    host: z.string().min(1).optional().describe("Host name. Left out: reached inside the cluster only."),
    env: z.record(z.string(), z.string()).optional().describe("Environment of the container."),
    resources: z.strictObject({ requests: amounts.optional(), limits: amounts.optional() }).optional(),
  }),
  status: z.object({
    replicas: z.int().default(0).describe("Pods that there are."),
    readyReplicas: z.int().default(0).describe("Pods that answer."),
    selector: z.string().optional().describe("Labels of the pods, for autoscalers."),
    url: z.string().optional().describe("Where it is reached."),
  }),
  rules: [{ rule: "!has(self.spec.host) || self.spec.replicas > 0", message: "a host needs at least one replica" }],
  columns: { Ready: ".status.readyReplicas", Wanted: ".spec.replicas", Image: ".spec.image", Url: ".status.url" },
  scale: { specReplicas: ".spec.replicas", statusReplicas: ".status.replicas", labelSelector: ".status.selector" },
});

/** One WebApp, as the API server gives it, and its key "namespace/name". */
export type WebAppObject = NonNullable<(typeof WebApp)["objectType"]> & { readonly key: string };
