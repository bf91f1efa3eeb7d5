import { defineCustomKind, text } from "fairlead/kinds";
import type { WebAppObject } from "./resource.ts";

/** Ingresses, of which only the host is looked at. */
export const ingresses = defineCustomKind({
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  plural: "ingresses",
  namespaced: true,
  fields: { ingressClass: text("spec.ingressClassName") },
});

const CONTAINER = "app";

/** Labels of all that belongs to a WebApp; its pods are found by them. */
export function labelsFor(app: WebAppObject): Record<string, string> {
  return { "app.kubernetes.io/name": app.metadata.name, "app.kubernetes.io/managed-by": "webapp" };
}

/** Labels as the scale subresource wants them. */
export function selectorFor(app: WebAppObject): string {
  return Object.entries(labelsFor(app))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** Runs the pods. A new image takes over pod by pod; none goes before its successor answers. */
export function deploymentFor(app: WebAppObject) {
  const { image, replicas, port, path, env = {}, resources } = app.spec;
  const labels = labelsFor(app);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataFor(app),
    spec: {
      replicas,
      selector: { matchLabels: labels },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: CONTAINER,
              image,
              ports: [{ name: "http", containerPort: port }],
              env: Object.entries(env).map(([name, value]) => ({ name, value })),
              readinessProbe: { httpGet: { path, port: "http" }, periodSeconds: 2 },
              // Until every proxy knows that this pod goes, it goes on answering.
              lifecycle: { preStop: { sleep: { seconds: 5 } } },
              ...(resources === undefined ? {} : { resources }),
            },
          ],
        },
      },
    },
  };
}

/** The address of the pods inside the cluster. */
export function serviceFor(app: WebAppObject) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadataFor(app),
    spec: { selector: labelsFor(app), ports: [{ name: "http", port: 80, targetPort: "http" }] },
  };
}

/** The way in from outside. */
export function ingressFor(app: WebAppObject, host: string) {
  const service = { name: app.metadata.name, port: { name: "http" } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: metadataFor(app),
    spec: { rules: [{ host, http: { paths: [{ path: "/", pathType: "Prefix", backend: { service } }] } }] },
  };
}

function metadataFor(app: WebAppObject) {
  const { name, namespace } = app.metadata;
  return { name, namespace, labels: labelsFor(app) };
}
