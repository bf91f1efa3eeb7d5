import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { BUILT_IN_KINDS, builtInKind } from "../../core/kinds/index.ts";
import type { RowPlan } from "../../core/kinds/plan.ts";
import { RowBuilder } from "../../core/store/row.ts";
import {
  acceptHeader,
  createListDecoder,
  createWatchDecoder,
  formatOf,
  metadataPlan,
  type WatchSink,
  type WireFormat,
} from "../../core/wire/decoder.ts";
import { MapInterner, plainRow } from "../../core/wire/plain-row.test-support.ts";
import { watchFrame } from "../../core/wire/sample.test-support.ts";
import { type Cluster, startCluster, whyNoCluster } from "./cluster.ts";

const skip = await whyNoCluster();

type Plain = ReturnType<typeof plainRow>;

let cluster: Cluster;
let agent: Agent;

before(async () => {
  if (skip === undefined) {
    cluster = await startCluster({ seeded: "seed", components: ["etcd", "apiserver"] });
    agent = new Agent({ ca: cluster.caPem, cert: cluster.admin.certPem, key: cluster.admin.keyPem, keepAlive: true });
    for (const [path, object] of MORE_OBJECTS) {
      await cluster.send("POST", path, object);
    }
  }
});

after(async () => {
  agent?.destroy();
  await cluster?.stop();
});

test("every object of a real server gives the same row from protobuf and from JSON", { skip }, async (t) => {
  for (const kind of BUILT_IN_KINDS) {
    const plan = kind.where({ fieldSelector: "" }).plan();
    const json = await list(plan, "json", "application/json", "");
    const at = `?resourceVersion=${json.version}&resourceVersionMatch=Exact`;
    const protobuf = await list(plan, "protobuf", acceptHeader(plan, "list"), at);
    assert.deepEqual(protobuf.rows, json.rows, kind.name);
    assert(json.rows.length > 0, `the cluster has no ${kind.name}`);
    t.diagnostic(`${kind.name}: ${json.rows.length} objects`);
  }
});

test("a watch gives the rows that a list gives, in both formats", { skip }, async () => {
  for (const name of ["pods", "deployments", "leases", "customresourcedefinitions"]) {
    const plan = builtInKind(name)?.where({ fieldSelector: "" }).plan();
    assert(plan);
    for (const format of ["protobuf", "json"] as const) {
      const accept = format === "json" ? "application/json" : acceptHeader(plan, "watch");
      const seen = await watch(plan, format, accept);
      // The API server renews a lease of its own, so that only the state of that very version can be compared.
      const at = `?resourceVersion=${seen.endsAt}&resourceVersionMatch=Exact`;
      const { rows } = await list(plan, "json", "application/json", at);
      assert.deepEqual(sorted(seen.rows), sorted(rows), `${name} as ${format}`);
    }
  }
});

test("a metadata-only list has the names and versions of the whole one", { skip }, async () => {
  const plan = builtInKind("deployments")?.plan();
  assert(plan);
  const whole = await list(plan, "json", "application/json", "");
  const metadata = await list(metadataPlan(plan), "protobuf", acceptHeader(plan, "audit"), "", plan);
  const header = ({ name, namespace, uid, resourceVersion }: Plain) => [namespace, name, uid, resourceVersion];
  assert.deepEqual(metadata.rows.map(header), whole.rows.map(header));
});

test("the fixtures of the Go types give the same row from protobuf and from JSON", {
  skip: skip ?? goMissing(),
}, () => {
  const folder = `${goModule("k8s.io/api")}/testdata/HEAD`;
  let kinds = 0;
  for (const kind of BUILT_IN_KINDS) {
    const group = kind.apiVersion.includes("/") ? kind.apiVersion.replace("/", ".") : "core.v1";
    const file = `${folder}/${group}.${kind.kind}`;
    if (existsSync(`${file}.pb`)) {
      const plan = kind.plan();
      const object: unknown = JSON.parse(readFileSync(`${file}.json`, "utf8"));
      const json = Buffer.from(`${JSON.stringify({ type: "ADDED", object })}\n`);
      const [fromJson] = rowsOf(plan, "json", json);
      assert.deepEqual(
        rowsOf(plan, "protobuf", watchFrame("ADDED", readFileSync(`${file}.pb`))),
        [fromJson],
        kind.name,
      );
      kinds++;
    }
  }
  assert(kinds >= 16, `${kinds} kinds have fixtures`);
});

test("the table of protobuf messages is what the Go types say", { skip: skip ?? goMissing() }, () => {
  const generator = new URL("../../core/kinds/generate-messages.ts", import.meta.url).pathname;
  execFileSync(process.execPath, [generator, "--check"]);
});

function goMissing(): string | undefined {
  try {
    execFileSync("go", ["version"]);
    return undefined;
  } catch {
    return "go is missing, and the fixtures of the Go types with it";
  }
}

function goModule(path: string): string {
  const out = execFileSync("go", ["mod", "download", "-json", `${path}@v0.36.3`], { cwd: tmpdir(), encoding: "utf8" });
  const parsed: unknown = JSON.parse(out);
  assert(typeof parsed === "object" && parsed !== null && "Dir" in parsed);
  return String(parsed.Dir);
}

function rowsOf(plan: RowPlan, format: WireFormat, bytes: Uint8Array): Plain[] {
  const rows: Plain[] = [];
  const interner = new MapInterner();
  const event = (_: string, row: RowBuilder) => rows.push(plainRow(plan, row.words.subarray(0, row.length), interner));
  const decoder = createWatchDecoder(plan, format, interner, new RowBuilder(), { event, bookmark() {}, error() {} });
  decoder.push(bytes);
  decoder.end();
  return rows;
}

function pathOf(plan: RowPlan): string {
  return `/${plan.apiVersion.includes("/") ? "apis" : "api"}/${plan.apiVersion}/${plan.plural}`;
}

async function list(
  plan: RowPlan,
  format: WireFormat,
  accept: string,
  query: string,
  asked: RowPlan = plan,
): Promise<{ rows: Plain[]; version: string }> {
  const rows: Plain[] = [];
  const interner = new MapInterner();
  const item = (row: RowBuilder): void => {
    rows.push(plainRow(plan, row.words.subarray(0, row.length), interner));
  };
  const decoder = createListDecoder(plan, format, interner, new RowBuilder(), { item });
  await read(pathOf(asked) + query, accept, format, (chunk) => {
    decoder.push(chunk);
    return true;
  });
  return { rows, version: decoder.end().resourceVersion };
}

/** A streamed list up to the bookmark that ends it. */
async function watch(plan: RowPlan, format: WireFormat, accept: string): Promise<{ rows: Plain[]; endsAt: string }> {
  const rows: Plain[] = [];
  let endsAt = "";
  const interner = new MapInterner();
  const sink: WatchSink = {
    event: (_, row) => rows.push(plainRow(plan, row.words.subarray(0, row.length), interner)),
    bookmark: (version, isEnd) => {
      endsAt = isEnd ? version : endsAt;
    },
    error: (status) => assert.fail(JSON.stringify(status)),
  };
  const decoder = createWatchDecoder(plan, format, interner, new RowBuilder(), sink);
  const query =
    "?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=30";
  await read(pathOf(plan) + query, accept, format, (chunk) => {
    decoder.push(chunk);
    return endsAt === "";
  });
  return { rows, endsAt };
}

function sorted(rows: readonly Plain[]): Plain[] {
  return [...rows].sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
}

/** Reads a response until it ends or `onChunk` gives false. */
function read(path: string, accept: string, format: WireFormat, onChunk: (chunk: Buffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(new URL(path, cluster.url), { agent, headers: { accept } }, (response) => {
      if (response.statusCode !== 200 || formatOf(response.headers["content-type"]) !== format) {
        reject(new Error(`${path}: ${response.statusCode} ${response.headers["content-type"]}`));
        request.destroy();
        return;
      }
      response.on("data", (chunk: Buffer) => {
        try {
          if (!onChunk(chunk)) {
            resolve();
            request.destroy();
          }
        } catch (error) {
          reject(error);
          request.destroy();
        }
      });
      response.on("end", resolve);
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** One object of each kind at least, some with values that are easily got wrong. */
const MORE_OBJECTS: readonly (readonly [path: string, object: unknown])[] = [
  [
    "/api/v1/namespaces/default/configmaps",
    {
      metadata: {
        name: "odd",
        annotations: { "example.org/text": 'snow ☃ 𝄞 "<&>" \\ \n\t' },
        finalizers: ["example.org/a"],
      },
      data: { empty: "", text: "line\nline" },
      binaryData: { bytes: "AAECAwT/" },
      immutable: false,
    },
  ],
  [
    "/api/v1/namespaces/default/secrets",
    { metadata: { name: "odd" }, type: "Opaque", data: { key: "AP8=", empty: "" } },
  ],
  [
    "/api/v1/namespaces/default/services",
    { metadata: { name: "outside" }, spec: { type: "ExternalName", externalName: "db.example.org" } },
  ],
  [
    "/api/v1/namespaces/default/services",
    {
      metadata: { name: "headless" },
      spec: {
        clusterIP: "None",
        selector: { app: "a" },
        ports: [
          { name: "a", port: 80, targetPort: "http" },
          { name: "b", port: 81 },
        ],
      },
    },
  ],
  [
    "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    {
      metadata: { name: "odd" },
      spec: {
        holderIdentity: "me",
        leaseDurationSeconds: 15,
        renewTime: "2026-01-31T08:00:00.000001Z",
        leaseTransitions: 0,
      },
    },
  ],
  [
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    {
      metadata: { name: "odd", labels: { "kubernetes.io/service-name": "headless" } },
      addressType: "IPv6",
      endpoints: [
        { addresses: ["fd00::1"], conditions: { ready: false }, targetRef: { kind: "Pod", name: "a" } },
        { addresses: ["fd00::2"] },
      ],
      ports: [{ port: 80 }, { name: "b", protocol: "UDP" }],
    },
  ],
  [
    "/api/v1/namespaces/default/events",
    {
      metadata: { name: "old" },
      involvedObject: { kind: "Pod", namespace: "default", name: "a", fieldPath: "spec.containers{main}" },
      reason: "Started",
      message: "started",
      type: "Normal",
      count: 3,
      firstTimestamp: "2026-01-31T08:00:00Z",
      lastTimestamp: "2026-01-31T08:00:05Z",
      source: { component: "kubelet", host: "node-1" },
    },
  ],
  [
    "/apis/events.k8s.io/v1/namespaces/default/events",
    {
      metadata: { name: "new" },
      regarding: { kind: "Pod", namespace: "default", name: "a" },
      reason: "Started",
      note: "started",
      type: "Warning",
      action: "Start",
      eventTime: "2026-01-31T08:00:00.123456Z",
      reportingController: "example.org/controller",
      reportingInstance: "controller-1",
      series: { count: 2, lastObservedTime: "2026-01-31T08:00:09.000000Z" },
    },
  ],
  [
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    {
      metadata: { name: "widgets.example.org" },
      spec: {
        group: "example.org",
        scope: "Namespaced",
        names: { kind: "Widget", plural: "widgets", singular: "widget", shortNames: ["wi"] },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", default: {} } } } },
          },
        ],
      },
    },
  ],
  [
    "/apis/apps/v1/namespaces/default/replicasets",
    { metadata: { name: "none" }, spec: { replicas: 0, ...workload() } },
  ],
  [
    "/apis/apps/v1/namespaces/default/statefulsets",
    {
      metadata: { name: "set" },
      spec: { serviceName: "headless", updateStrategy: { rollingUpdate: { partition: 0 } }, ...workload() },
    },
  ],
  ["/apis/apps/v1/namespaces/default/daemonsets", { metadata: { name: "set" }, spec: workload() }],
  [
    "/apis/apps/v1/namespaces/default/deployments",
    {
      metadata: { name: "odd" },
      spec: { paused: true, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "10%" } }, ...workload() },
    },
  ],
  [
    "/apis/batch/v1/namespaces/default/jobs",
    { metadata: { name: "odd" }, spec: { suspend: true, template: podTemplate("Never") } },
  ],
  [
    "/apis/batch/v1/namespaces/default/cronjobs",
    {
      metadata: { name: "odd" },
      spec: { schedule: "0 0 1 1 *", timeZone: "Etc/UTC", jobTemplate: { spec: { template: podTemplate("Never") } } },
    },
  ],
  ["/api/v1/namespaces/default/pods", { metadata: { name: "odd" }, ...podTemplate("Always") }],
];

function workload(): object {
  return {
    selector: { matchLabels: { app: "a" } },
    template: { metadata: { labels: { app: "a" } }, ...podTemplate("Always") },
  };
}

function podTemplate(restartPolicy: string): { readonly spec: unknown } {
  const resources = { requests: { cpu: "0.1", memory: "1Gi" } };
  return {
    spec: {
      restartPolicy,
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists", effect: "NoExecute", tolerationSeconds: 0 }],
      containers: [{ name: "main", image: "registry.example.org/a:1", resources, ports: [{ containerPort: 80 }] }],
    },
  };
}
