import type { Case } from "./case.ts";
import { CM, configMap, del, get, PODS, patch, pod, post } from "./requests.ts";

const three = [
  post(CM, configMap("a", { data: { k: "1" } }, { labels: { app: "x", tier: "web" } })),
  post(CM, configMap("b", { data: { k: "2" } }, { labels: { app: "y" } })),
  post(CM, configMap("c", {}, { labels: { app: "z", tier: "db" } })),
];
const METADATA = { accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" };
const ONE_METADATA = { accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" };
const STREAM =
  "watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

export const listCases: readonly Case[] = [
  { name: "an empty list", steps: [get(CM)] },
  { name: "a list in the order of names", steps: [...three, get(CM)] },
  { name: "labels: equal", steps: [...three, get(`${CM}?labelSelector=app%3Dx`)] },
  { name: "labels: not equal", steps: [...three, get(`${CM}?labelSelector=app!%3Dx`)] },
  { name: "labels: in", steps: [...three, get(`${CM}?labelSelector=app%20in%20(x,y)`)] },
  { name: "labels: notin", steps: [...three, get(`${CM}?labelSelector=app%20notin%20(x,y)`)] },
  {
    name: "labels: exists and does not",
    steps: [...three, get(`${CM}?labelSelector=tier`), get(`${CM}?labelSelector=!tier`)],
  },
  { name: "labels: two at once", steps: [...three, get(`${CM}?labelSelector=tier,app%3Dz`)] },
  { name: "labels: what is no selector", steps: [get(`${CM}?labelSelector=a%20b%20c`, { statusOnly: true })] },
  { name: "fields: name", steps: [...three, get(`${CM}?fieldSelector=metadata.name%3Db`)] },
  { name: "fields: not that name", steps: [...three, get(`${CM}?fieldSelector=metadata.name!%3Db`)] },
  { name: "fields: namespace", steps: [...three, get(`/api/v1/configmaps?fieldSelector=metadata.namespace%3D{ns}`)] },
  { name: "fields: unknown to the kind", steps: [get(`${CM}?fieldSelector=data.k%3D1`)] },
  { name: "fields: unknown to pods", steps: [get(`${PODS}?fieldSelector=spec.color%3Dred`)] },
  {
    name: "fields: phase and node of pods",
    steps: [
      post(PODS, pod("p1", {}, { nodeName: "n1" })),
      post(PODS, pod("p2")),
      get(`${PODS}?fieldSelector=spec.nodeName%3Dn1`),
      get(`${PODS}?fieldSelector=status.phase%3DPending,spec.nodeName%3D`),
      get(`${PODS}?fieldSelector=status.phase!%3DPending`),
    ],
  },
  { name: "pages", steps: [...three, get(`${CM}?limit=2`), get(`${CM}?limit=2&continue={3.metadata.continue}`)] },
  {
    name: "pages of one",
    steps: [
      ...three,
      get(`${CM}?limit=1`),
      get(`${CM}?limit=1&continue={3.metadata.continue}`),
      get(`${CM}?limit=1&continue={4.metadata.continue}`),
    ],
  },
  {
    name: "pages with a selector do not count what remains",
    steps: [...three, get(`${CM}?limit=1&labelSelector=app`)],
  },
  {
    name: "pages show one moment",
    steps: [...three, get(`${CM}?limit=1`), del(`${CM}/b`), get(`${CM}?limit=5&continue={3.metadata.continue}`)],
  },
  { name: "a limit of exactly all", steps: [...three, get(`${CM}?limit=3`)] },
  { name: "a token that is none", steps: [get(`${CM}?limit=1&continue=zzz`, { statusOnly: true })] },
  {
    name: "a token and a version",
    steps: [...three, get(`${CM}?limit=1`), get(`${CM}?limit=1&resourceVersion=5&continue={3.metadata.continue}`)],
  },
  {
    name: "version 0 ignores the limit",
    steps: [
      ...three,
      get(CM),
      get(`${CM}?resourceVersion={3.metadata.resourceVersion}&resourceVersionMatch=NotOlderThan`),
      get(`${CM}?limit=1&resourceVersion=0`),
    ],
  },
  {
    name: "exactly an older version",
    steps: [
      ...three,
      del(`${CM}/a`),
      get(`${CM}?resourceVersion={2.metadata.resourceVersion}&resourceVersionMatch=Exact`),
    ],
  },
  {
    name: "not older than",
    steps: [...three, get(`${CM}?resourceVersion={0.metadata.resourceVersion}&resourceVersionMatch=NotOlderThan`)],
  },
  { name: "a match without a version", steps: [get(`${CM}?resourceVersionMatch=Exact`)] },
  { name: "a match that is none", steps: [get(`${CM}?resourceVersion=1&resourceVersionMatch=Sometimes`)] },
  { name: "exactly version 0", steps: [get(`${CM}?resourceVersion=0&resourceVersionMatch=Exact`)] },
  { name: "a list from the future", steps: [get(`${CM}?resourceVersion=99999999&resourceVersionMatch=NotOlderThan`)] },
  {
    name: "metadata only",
    steps: [...three, get(CM, { headers: METADATA }), get(`${CM}/a`, { headers: ONE_METADATA })],
  },
  { name: "an Accept that nobody serves", steps: [get(CM, { headers: { accept: "image/png" }, statusOnly: true })] },
  { name: "a kind that is not served", steps: [get("/api/v1/namespaces/{ns}/unicorns")] },
  { name: "a group that is not served", steps: [get("/apis/unicorns.example.org/v1/unicorns", { statusOnly: true })] },
  { name: "an object that is not there", steps: [get(`${CM}/nope`)] },
  { name: "a watch from nothing shows what is there", steps: [...three, get(`${CM}?watch=1&timeoutSeconds=1`)] },
  { name: "a watch from version 0", steps: [...three, get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion=0`)] },
  {
    name: "a watch from a version shows what came after",
    steps: [
      ...three,
      patch("merge", `${CM}/a`, { data: { k: "9" } }),
      del(`${CM}/b`),
      get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion={2.metadata.resourceVersion}`),
    ],
  },
  {
    name: "a watch with a selector: objects come and go",
    steps: [
      ...three,
      patch("merge", `${CM}/a`, { metadata: { labels: { tier: "db" } } }),
      patch("merge", `${CM}/c`, { metadata: { labels: { tier: null } } }),
      get(`${CM}?watch=1&timeoutSeconds=1&labelSelector=tier%3Ddb&resourceVersion={2.metadata.resourceVersion}`),
    ],
  },
  { name: "a streamed list", steps: [...three, get(`${CM}?${STREAM}`)] },
  { name: "a streamed list of pods", steps: [post(PODS, pod("p1")), get(`${PODS}?${STREAM}`)] },
  {
    name: "a streamed list from the future",
    steps: [
      get(
        `${CM}?watch=1&timeoutSeconds=5&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=99999999`,
      ),
    ],
  },
  { name: "a streamed list without a match", steps: [get(`${CM}?watch=1&timeoutSeconds=1&sendInitialEvents=true`)] },
  {
    name: "a watch from the future is silent",
    steps: [get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion=99999999`)],
  },
  {
    name: "a match on a plain watch",
    steps: [get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion=1&resourceVersionMatch=NotOlderThan`)],
  },
  { name: "sendInitialEvents on a list", steps: [get(`${CM}?sendInitialEvents=true`)] },
  { name: "a watch of metadata", steps: [...three, get(`${CM}?watch=1&timeoutSeconds=1`, { headers: ONE_METADATA })] },
  { name: "a watch version that is no number", steps: [get(`${CM}?watch=1&timeoutSeconds=1&resourceVersion=abc`)] },
  { name: "a list version that is no number", steps: [get(`${CM}?resourceVersion=abc`)] },
];
