import type { Case } from "./case.ts";
import { del, get, patch, post, put } from "./requests.ts";

/** The definition that the runner installs on both servers before the cases run. */
export const WIDGETS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.conformance.example.org" },
  spec: {
    group: "conformance.example.org",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList", shortNames: ["wd"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                required: ["size"],
                properties: {
                  size: { type: "integer", minimum: 1, maximum: 10 },
                  color: { type: "string", enum: ["red", "blue"], default: "red" },
                  name: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
                  tags: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
                  any: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  map: { type: "object", additionalProperties: { type: "string" } },
                },
              },
              status: { type: "object", properties: { ready: { type: "boolean" } } },
            },
          },
        },
      },
    ],
  },
};

const W = "/apis/conformance.example.org/v1/namespaces/{ns}/widgets";
const widget = (
  spec: Record<string, unknown>,
  more: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
) => ({
  apiVersion: "conformance.example.org/v1",
  kind: "Widget",
  metadata: { name: "w", ...metadata },
  spec,
  ...more,
});

export const customCases: readonly Case[] = [
  { name: "custom: create with defaults", steps: [post(W, widget({ size: 3 })), get(`${W}/w`)] },
  { name: "custom: a list", steps: [post(W, widget({ size: 3 })), get(W)] },
  { name: "custom: an empty list", steps: [get(W)] },
  { name: "custom: unknown fields are pruned", steps: [post(W, widget({ size: 3, weight: 9 }))] },
  {
    name: "custom: unknown fields are refused when asked to",
    steps: [post(`${W}?fieldValidation=Strict`, widget({ size: 3, weight: 9 }))],
  },
  {
    name: "custom: unknown fields are kept where the schema says so",
    steps: [post(W, widget({ size: 3, any: { deep: { er: [1, "x"] } } }))],
  },
  { name: "custom: a required field", steps: [post(W, widget({}))] },
  { name: "custom: too small", steps: [post(W, widget({ size: 0 }))] },
  { name: "custom: too large", steps: [post(W, widget({ size: 11 }))] },
  { name: "custom: a wrong type", steps: [post(W, widget({ size: "3" }))] },
  { name: "custom: not in the enum", steps: [post(W, widget({ size: 3, color: "green" }))] },
  { name: "custom: a pattern", steps: [post(W, widget({ size: 3, name: "A" }))] },
  { name: "custom: too long", steps: [post(W, widget({ size: 3, name: "abcdefg" }))] },
  { name: "custom: two mistakes", steps: [post(W, widget({ size: 0, color: "green" }), { statusOnly: true })] },
  { name: "custom: no status on create", steps: [post(W, widget({ size: 3 }, { status: { ready: true } }))] },
  {
    name: "custom: the status",
    steps: [
      post(W, widget({ size: 3 })),
      patch("merge", `${W}/w/status`, { status: { ready: true }, spec: { size: 5 } }),
    ],
  },
  {
    name: "custom: the generation",
    steps: [
      post(W, widget({ size: 3 })),
      patch("merge", `${W}/w`, { spec: { size: 4 } }),
      patch("merge", `${W}/w`, { metadata: { labels: { a: "b" } } }),
    ],
  },
  { name: "custom: update needs a version", steps: [post(W, widget({ size: 3 })), put(`${W}/w`, widget({ size: 4 }))] },
  {
    name: "custom: update with a version",
    steps: [
      post(W, widget({ size: 3 })),
      put(`${W}/w`, widget({ size: 4 }, {}, { resourceVersion: "{0.metadata.resourceVersion}" })),
    ],
  },
  {
    name: "custom: no strategic patches",
    steps: [post(W, widget({ size: 3 })), patch("strategic", `${W}/w`, { spec: { size: 4 } })],
  },
  {
    name: "custom: apply",
    steps: [
      patch("apply", `${W}/w?fieldManager=one`, widget({ size: 3, tags: ["a"] })),
      patch("apply", `${W}/w?fieldManager=two`, {
        apiVersion: "conformance.example.org/v1",
        kind: "Widget",
        metadata: { name: "w" },
        spec: { tags: ["b"] },
      }),
    ],
  },
  { name: "custom: delete", steps: [post(W, widget({ size: 3 })), del(`${W}/w`), get(`${W}/w`)] },
  { name: "custom: a watch", steps: [post(W, widget({ size: 3 })), get(`${W}?watch=1&timeoutSeconds=1`)] },
  {
    name: "custom: a streamed list",
    steps: [
      post(W, widget({ size: 3 })),
      get(
        `${W}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`,
      ),
    ],
  },
  { name: "custom: an unknown field label", steps: [get(`${W}?fieldSelector=spec.size%3D3`)] },
  {
    name: "custom: protobuf is not served",
    steps: [get(W, { headers: { accept: "application/vnd.kubernetes.protobuf" } })],
  },
  {
    name: "custom: protobuf or JSON",
    steps: [get(W, { headers: { accept: "application/vnd.kubernetes.protobuf, application/json;q=0.9" } })],
  },
  {
    name: "custom: metadata only",
    steps: [
      post(W, widget({ size: 3 })),
      get(`${W}/w`, { headers: { accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" } }),
    ],
  },
  {
    name: "custom: without kind and version",
    steps: [post(W, { metadata: { name: "w" }, spec: { size: 3 } }, { statusOnly: true })],
  },
  {
    name: "custom: a table",
    steps: [
      post(W, widget({ size: 3 })),
      get(W, { headers: { accept: "application/json;as=Table;g=meta.k8s.io;v=v1" } }),
    ],
  },
  { name: "custom: discovery of the group", steps: [get("/apis/conformance.example.org")] },
  { name: "custom: discovery of the version", steps: [get("/apis/conformance.example.org/v1")] },
  {
    name: "an access review of an administrator",
    steps: [
      post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: { verb: "list", resource: "pods", namespace: "{ns}" } },
        },
        { statusOnly: true },
      ),
    ],
  },
  { name: "discovery of leases", steps: [get("/apis/coordination.k8s.io", { statusOnly: true })] },
];
