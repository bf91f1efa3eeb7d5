import type { Case } from "./case.ts";
import { CM, configMap, DEPLOYMENTS, del, deployment, get, PODS, patch, pod, post, put } from "./requests.ts";

const SERVICES = "/api/v1/namespaces/{ns}/services";
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
const service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
};
const lease = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "l" },
  spec: { holderIdentity: "me", leaseDurationSeconds: 15 },
};
const held = { finalizers: ["example.org/hold"] };

export const writeCases: readonly Case[] = [
  { name: "create a config map", steps: [post(CM, configMap("a", { data: { k: "v" } })), get(`${CM}/a`)] },
  { name: "create twice", steps: [post(CM, configMap("a")), post(CM, configMap("a"))] },
  { name: "create with a bad name", steps: [post(CM, configMap("Not_Good"))] },
  { name: "create without a name", steps: [post(CM, { apiVersion: "v1", kind: "ConfigMap", metadata: {} })] },
  { name: "create with a bad label", steps: [post(CM, configMap("a", {}, { labels: { "bad key!": "x" } }))] },
  { name: "create with a bad label value", steps: [post(CM, configMap("a", {}, { labels: { key: "not good" } }))] },
  { name: "create with a version", steps: [post(CM, configMap("a", {}, { resourceVersion: "5" }))] },
  {
    name: "create in another namespace than the path's",
    steps: [post(CM, configMap("a", {}, { namespace: "other" }))],
  },
  {
    name: "create in a namespace that is not there",
    steps: [post("/api/v1/namespaces/no-such-namespace/configmaps", configMap("a"))],
  },
  { name: "create with another kind", steps: [post(CM, pod("a"), { statusOnly: true })] },
  {
    name: "create with another version of the API",
    steps: [post(CM, { ...configMap("a"), apiVersion: "v2" }, { statusOnly: true })],
  },
  { name: "create with a wrong type", steps: [post(CM, configMap("a", { data: { k: 1 } }), { statusOnly: true })] },
  { name: "create what is no JSON", steps: [post(CM, "{", { statusOnly: true })] },
  {
    name: "create with an unknown media type",
    steps: [post(CM, configMap("a"), { headers: { "content-type": "text/plain" }, statusOnly: true })],
  },
  { name: "create drops unknown fields", steps: [post(CM, configMap("a", { color: "red" }))] },
  {
    name: "create refuses unknown fields when asked to",
    steps: [post(`${CM}?fieldValidation=Strict`, configMap("a", { color: "red" }))],
  },
  {
    name: "create as a dry run",
    steps: [post(`${CM}?dryRun=All`, configMap("a", { data: { k: "v" } })), get(`${CM}/a`)],
  },
  {
    name: "create with an owner of the fields",
    steps: [post(`${CM}?fieldManager=boss`, configMap("a", { data: { k: "v" } }, { labels: { a: "b" } }))],
  },
  { name: "create a pod", steps: [post(PODS, pod("p"))] },
  {
    name: "create a pod with more in it",
    steps: [
      post(
        PODS,
        pod(
          "p",
          { labels: { app: "web" } },
          {
            containers: [
              {
                name: "web",
                image: "example.org/web",
                ports: [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP" }],
                env: [{ name: "A", value: "1" }],
                readinessProbe: { httpGet: { port: 80 } },
                resources: { limits: { cpu: "1", memory: "64Mi" } },
                volumeMounts: [{ name: "data", mountPath: "/data" }],
              },
            ],
            volumes: [{ name: "data", configMap: { name: "a" } }],
          },
        ),
      ),
    ],
  },
  { name: "a pod without containers", steps: [post(PODS, { ...pod("p"), spec: { containers: [] } })] },
  { name: "a pod without an image", steps: [post(PODS, { ...pod("p"), spec: { containers: [{ name: "web" }] } })] },
  {
    name: "two containers of one name",
    steps: [
      post(PODS, {
        ...pod("p"),
        spec: {
          containers: [
            { name: "a", image: "x:1" },
            { name: "a", image: "x:1" },
          ],
        },
      }),
    ],
  },
  { name: "create a deployment", steps: [post(DEPLOYMENTS, deployment("web"))] },
  {
    name: "a deployment without a selector",
    steps: [post(DEPLOYMENTS, deployment("web", { selector: undefined }), { statusOnly: true })],
  },
  {
    name: "a selector that does not match",
    steps: [post(DEPLOYMENTS, deployment("web", { selector: { matchLabels: { app: "other" } } }))],
  },
  { name: "create a service", steps: [post(SERVICES, service)] },
  { name: "a service with a bad name", steps: [post(SERVICES, { ...service, metadata: { name: "1web" } })] },
  { name: "create a lease", steps: [post(LEASES, lease)] },
  {
    name: "renew a lease",
    steps: [
      post(LEASES, lease),
      put(`${LEASES}/l`, {
        ...lease,
        metadata: { name: "l", resourceVersion: "{0.metadata.resourceVersion}" },
        spec: { holderIdentity: "you" },
      }),
    ],
  },
  {
    name: "create a secret",
    steps: [
      post(
        "/api/v1/namespaces/{ns}/secrets",
        { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { a: "b" } },
        { statusOnly: true },
      ),
      get("/api/v1/namespaces/{ns}/secrets/s?", { statusOnly: true }),
    ],
  },
  {
    name: "update",
    steps: [post(CM, configMap("a", { data: { k: "1" } })), put(`${CM}/a`, configMap("a", { data: { k: "2" } }))],
  },
  {
    name: "update with the same content keeps the version",
    steps: [
      post(CM, configMap("a", { data: { k: "1" } })),
      put(`${CM}/a`, configMap("a", { data: { k: "1" } })),
      get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion={0.metadata.resourceVersion}`),
    ],
  },
  {
    name: "update from an old version",
    steps: [
      post(CM, configMap("a", { data: { k: "1" } })),
      put(`${CM}/a`, configMap("a", { data: { k: "2" } })),
      put(`${CM}/a`, configMap("a", { data: { k: "3" } }, { resourceVersion: "{0.metadata.resourceVersion}" })),
    ],
  },
  { name: "update what is not there", steps: [put(`${CM}/nope`, configMap("nope"))] },
  { name: "update under another name", steps: [post(CM, configMap("a")), put(`${CM}/a`, configMap("b"))] },
  {
    name: "update with another uid",
    steps: [
      post(CM, configMap("a")),
      put(`${CM}/a`, configMap("a", { data: { k: "1" } }, { uid: "11111111-2222-4333-8444-555555555555" })),
    ],
  },
  {
    name: "update an immutable map",
    steps: [
      post(CM, configMap("a", { immutable: true, data: { k: "1" } })),
      put(`${CM}/a`, configMap("a", { immutable: true, data: { k: "2" } })),
    ],
  },
  {
    name: "the generation counts changes of the spec",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch("merge", `${DEPLOYMENTS}/web`, { spec: { replicas: 3 } }),
      patch("merge", `${DEPLOYMENTS}/web`, { metadata: { labels: { a: "b" } } }),
    ],
  },
  {
    name: "an update leaves the status alone",
    steps: [post(DEPLOYMENTS, deployment("web")), patch("merge", `${DEPLOYMENTS}/web`, { status: { replicas: 5 } })],
  },
  {
    name: "the status alone",
    steps: [
      post(DEPLOYMENTS, deployment("web")),
      patch("merge", `${DEPLOYMENTS}/web/status`, {
        spec: { replicas: 9 },
        status: { replicas: 5, observedGeneration: 1 },
      }),
    ],
  },
  {
    name: "the status of a pod",
    steps: [
      post(PODS, pod("p")),
      patch("merge", `${PODS}/p/status`, {
        status: { phase: "Running", podIP: "192.0.2.7", podIPs: [{ ip: "192.0.2.7" }] },
      }),
      get(`${PODS}?fieldSelector=status.phase%3DRunning`),
    ],
  },
  {
    name: "the spec of a pod is frozen",
    steps: [
      post(PODS, pod("p")),
      patch("merge", `${PODS}/p`, { spec: { restartPolicy: "Never" } }, { statusOnly: true }),
    ],
  },
  {
    name: "the image of a pod can change",
    steps: [
      post(PODS, pod("p")),
      patch("strategic", `${PODS}/p`, { spec: { containers: [{ name: "web", image: "example.org/web:2" }] } }),
    ],
  },
  {
    name: "an ephemeral container",
    steps: [
      post(PODS, pod("p")),
      patch("strategic", `${PODS}/p/ephemeralcontainers`, {
        spec: { ephemeralContainers: [{ name: "debug", image: "example.org/debug:1" }] },
      }),
      get(`${PODS}/p`),
    ],
  },
  {
    name: "an ephemeral container not by the main path",
    steps: [
      post(PODS, pod("p")),
      patch(
        "strategic",
        `${PODS}/p`,
        { spec: { ephemeralContainers: [{ name: "debug", image: "example.org/debug:1" }] } },
        { statusOnly: true },
      ),
    ],
  },
  { name: "delete", steps: [post(CM, configMap("a")), del(`${CM}/a`), get(`${CM}/a`)] },
  { name: "delete what is not there", steps: [del(`${CM}/nope`)] },
  {
    name: "delete with another uid",
    steps: [
      post(CM, configMap("a")),
      del(`${CM}/a`, { preconditions: { uid: "11111111-2222-4333-8444-555555555555" } }),
    ],
  },
  {
    name: "delete with another version",
    steps: [post(CM, configMap("a")), del(`${CM}/a`, { preconditions: { resourceVersion: "1" } })],
  },
  {
    name: "delete with the right preconditions",
    steps: [
      post(CM, configMap("a")),
      del(`${CM}/a`, { preconditions: { uid: "{0.metadata.uid}", resourceVersion: "{0.metadata.resourceVersion}" } }),
    ],
  },
  { name: "delete as a dry run", steps: [post(CM, configMap("a")), del(`${CM}/a?dryRun=All`), get(`${CM}/a`)] },
  {
    name: "a finalizer holds",
    steps: [
      post(CM, configMap("a", {}, held)),
      del(`${CM}/a`),
      del(`${CM}/a`),
      patch("merge", `${CM}/a`, { metadata: { finalizers: null } }),
      get(`${CM}/a`),
    ],
  },
  {
    name: "a finalizer holds a deployment",
    steps: [post(DEPLOYMENTS, { ...deployment("web"), metadata: { name: "web", ...held } }), del(`${DEPLOYMENTS}/web`)],
  },
  { name: "delete in the foreground", steps: [post(CM, configMap("a")), del(`${CM}/a?propagationPolicy=Foreground`)] },
  { name: "delete with orphans", steps: [post(CM, configMap("a")), del(`${CM}/a?propagationPolicy=Orphan`)] },
  {
    name: "a pod without a node goes at once",
    steps: [post(PODS, pod("p")), del(`${PODS}/p`, undefined, { statusOnly: true }), get(`${PODS}/p`)],
  },
  {
    name: "a pod on a node is given time",
    steps: [
      post(PODS, pod("p", {}, { nodeName: "n1" })),
      del(`${PODS}/p`),
      get(`${PODS}/p`),
      del(`${PODS}/p?gracePeriodSeconds=0`),
      get(`${PODS}/p`),
    ],
  },
  {
    name: "less time for a pod",
    steps: [
      post(PODS, pod("p", {}, { nodeName: "n1" })),
      del(`${PODS}/p?gracePeriodSeconds=5`),
      del(`${PODS}/p?gracePeriodSeconds=3`),
    ],
  },
  {
    name: "delete a collection",
    steps: [
      post(CM, configMap("a", {}, { labels: { x: "1" } })),
      post(CM, configMap("b")),
      del(`${CM}?labelSelector=x`),
      get(CM),
    ],
  },
  {
    name: "an eviction",
    steps: [
      post(PODS, pod("p")),
      post(`${PODS}/p/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "p" } }),
      get(`${PODS}/p`),
    ],
  },
  {
    name: "the scale",
    steps: [
      post(DEPLOYMENTS, deployment("web", { replicas: 2 })),
      get(`${DEPLOYMENTS}/web/scale`),
      patch("merge", `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 4 } }),
      get(`${DEPLOYMENTS}/web`),
    ],
  },
  { name: "a subresource that is none", steps: [post(CM, configMap("a")), get(`${CM}/a/status`)] },
  {
    name: "a namespace with a bad name",
    steps: [post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "Bad" } })],
  },
  {
    name: "a namespace",
    steps: [post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "{ns}-more" } })],
  },
  {
    name: "nothing new in a namespace that ends",
    steps: [del("/api/v1/namespaces/{ns}"), post(CM, configMap("late"))],
  },
];
