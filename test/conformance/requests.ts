import type { Step } from "./case.ts";

/** Paths in the namespace of the case. */
export const CM = "/api/v1/namespaces/{ns}/configmaps";
export const PODS = "/api/v1/namespaces/{ns}/pods";
export const DEPLOYMENTS = "/apis/apps/v1/namespaces/{ns}/deployments";

type Extra = Pick<Step, "headers" | "statusOnly">;

export function get(path: string, extra: Extra = {}): Step {
  return { method: "GET", path, ...extra };
}

export function post(path: string, body: unknown, extra: Extra = {}): Step {
  return { method: "POST", path, body, ...extra };
}

export function put(path: string, body: unknown, extra: Extra = {}): Step {
  return { method: "PUT", path, body, ...extra };
}

export function del(path: string, body?: unknown, extra: Extra = {}): Step {
  return { method: "DELETE", path, body, ...extra };
}

const TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

export function patch(kind: keyof typeof TYPES, path: string, body: unknown, extra: Extra = {}): Step {
  return { method: "PATCH", path, body, ...extra, headers: { "content-type": TYPES[kind], ...extra.headers } };
}

export function configMap(
  name: string,
  more: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
): Record<string, unknown> {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata }, ...more };
}

export function pod(
  name: string,
  metadata: Record<string, unknown> = {},
  spec: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...metadata },
    spec: { containers: [{ name: "web", image: "example.org/web:1" }], ...spec },
  };
}

export function deployment(name: string, spec: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "web", image: "example.org/web:1" }] },
      },
      ...spec,
    },
  };
}
