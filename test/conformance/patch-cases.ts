import type { Case } from "./case.ts";
import { CM, configMap, DEPLOYMENTS, deployment, get, patch, post } from "./requests.ts";

const made = post(CM, configMap("a", { data: { k: "1", l: "2" } }, { labels: { x: "1" } }));
const applied = (manager: string, more: Record<string, unknown>, query = "") =>
  patch("apply", `${CM}/a?fieldManager=${manager}${query}`, configMap("a", more));

export const patchCases: readonly Case[] = [
  {
    name: "merge: change, add, remove",
    steps: [made, patch("merge", `${CM}/a`, { data: { k: "9", l: null, m: "3" } })],
  },
  {
    name: "merge: nothing changes",
    steps: [
      made,
      patch("merge", `${CM}/a`, { data: { k: "1" } }),
      get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion={0.metadata.resourceVersion}`),
    ],
  },
  {
    name: "merge: an old version",
    steps: [
      made,
      patch("merge", `${CM}/a`, { data: { k: "2" } }),
      patch("merge", `${CM}/a`, { metadata: { resourceVersion: "{0.metadata.resourceVersion}" }, data: { k: "3" } }),
    ],
  },
  { name: "merge: another name", steps: [made, patch("merge", `${CM}/a`, { metadata: { name: "b" } })] },
  { name: "merge: what is not there", steps: [patch("merge", `${CM}/nope`, { data: { k: "2" } })] },
  {
    name: "json: add, replace, remove, test",
    steps: [
      made,
      patch("json", `${CM}/a`, [
        { op: "test", path: "/data/k", value: "1" },
        { op: "replace", path: "/data/k", value: "5" },
        { op: "add", path: "/data/n", value: "6" },
        { op: "remove", path: "/data/l" },
      ]),
    ],
  },
  {
    name: "json: a failed test",
    steps: [made, patch("json", `${CM}/a`, [{ op: "test", path: "/data/k", value: "no" }])],
  },
  {
    name: "json: a path that is not there",
    steps: [made, patch("json", `${CM}/a`, [{ op: "remove", path: "/data/none" }], { statusOnly: true })],
  },
  {
    name: "json: copy and move",
    steps: [
      made,
      patch("json", `${CM}/a`, [
        { op: "copy", from: "/data/k", path: "/data/c" },
        { op: "move", from: "/data/l", path: "/data/d" },
      ]),
    ],
  },
  {
    name: "json: escaped names",
    steps: [
      made,
      patch("json", `${CM}/a`, [
        { op: "add", path: "/metadata/annotations", value: {} },
        { op: "add", path: "/metadata/annotations/example.org~1x", value: "1" },
      ]),
    ],
  },
  {
    name: "a patch of unknown type",
    steps: [
      made,
      patch("merge", `${CM}/a`, {}, { headers: { "content-type": "application/x-patch" }, statusOnly: true }),
    ],
  },
  {
    name: "strategic: a container by its name",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch("strategic", `${DEPLOYMENTS}/web`, {
        spec: { template: { spec: { containers: [{ name: "web", image: "example.org/web:2" }] } } },
      }),
    ],
  },
  {
    name: "strategic: delete a container",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch("strategic", `${DEPLOYMENTS}/web`, {
        spec: {
          template: {
            spec: {
              containers: [
                { name: "two", image: "example.org/two:1" },
                { name: "web", $patch: "delete" },
              ],
            },
          },
        },
      }),
    ],
  },
  {
    name: "strategic: replace a list",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch("strategic", `${DEPLOYMENTS}/web`, {
        spec: {
          template: { spec: { containers: [{ $patch: "replace" }, { name: "only", image: "example.org/two:1" }] } },
        },
      }),
    ],
  },
  {
    name: "strategic: an item without its key",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch(
        "strategic",
        `${DEPLOYMENTS}/web`,
        { spec: { template: { spec: { containers: [{ image: "x:1" }] } } } },
        { statusOnly: true },
      ),
    ],
  },
  {
    name: "strategic: finalizers merge",
    steps: [
      post(CM, configMap("a", {}, { finalizers: ["example.org/a"] })),
      patch("strategic", `${CM}/a`, { metadata: { finalizers: ["example.org/b"] } }, { statusOnly: true }),
    ],
  },
  { name: "apply creates", steps: [applied("one", { data: { k: "1" } }), get(`${CM}/a`)] },
  { name: "apply without a manager", steps: [patch("apply", `${CM}/a`, configMap("a"))] },
  {
    name: "apply again changes nothing",
    steps: [
      applied("one", { data: { k: "1" } }),
      applied("one", { data: { k: "1" } }),
      get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion={0.metadata.resourceVersion}`),
    ],
  },
  {
    name: "apply gives up a field",
    steps: [applied("one", { data: { k: "1", l: "2" } }), applied("one", { data: { k: "1" } })],
  },
  {
    name: "apply: two managers, different fields",
    steps: [applied("one", { data: { k: "1" } }), applied("two", { data: { l: "1" } }), applied("one", {})],
  },
  {
    name: "apply: a conflict with an applier",
    steps: [applied("one", { data: { k: "1" } }), applied("two", { data: { k: "2" } })],
  },
  {
    name: "apply: two conflicts",
    steps: [applied("one", { data: { k: "1", l: "1" } }), applied("two", { data: { k: "2", l: "2" } })],
  },
  {
    name: "apply: the same value is shared",
    steps: [applied("one", { data: { k: "1" } }), applied("two", { data: { k: "1" } })],
  },
  {
    name: "apply: by force",
    steps: [applied("one", { data: { k: "1" } }), applied("two", { data: { k: "2" } }, "&force=true")],
  },
  { name: "apply: a conflict with an update", steps: [made, applied("two", { data: { k: "2" } })] },
  {
    name: "apply: an update takes a field",
    steps: [applied("one", { data: { k: "1", l: "2" } }), patch("merge", `${CM}/a`, { data: { k: "9" } })],
  },
  {
    name: "apply a deployment",
    steps: [
      patch("apply", `${DEPLOYMENTS}/web?fieldManager=one`, deployment("web", { replicas: 2 })),
      patch("apply", `${DEPLOYMENTS}/web?fieldManager=one`, deployment("web", { replicas: 3 })),
    ],
  },
  {
    name: "apply: two managers, one container each",
    steps: [
      patch("apply", `${DEPLOYMENTS}/web?fieldManager=one`, deployment("web")),
      patch("apply", `${DEPLOYMENTS}/web?fieldManager=two`, {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web" },
        spec: { template: { spec: { containers: [{ name: "side", image: "example.org/side:1" }] } } },
      }),
    ],
  },
  {
    name: "apply the status",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch("apply", `${DEPLOYMENTS}/web/status?fieldManager=one`, {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web" },
        status: { replicas: 2 },
      }),
    ],
  },
];
