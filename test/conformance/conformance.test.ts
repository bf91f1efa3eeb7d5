import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { after, before, test } from "node:test";
import { type ApiServer, createApiServer } from "../../core/testing/index.ts";
import { decodeObject } from "../../core/testing/protobuf-decode.ts";
import { envelope, messageBytes } from "../../core/testing/protobuf-encode.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { runCase, type Send } from "./case.ts";
import { cases } from "./cases.ts";
import { WIDGETS } from "./custom-cases.ts";
import { getProtobuf } from "./encoding.ts";
import { configMap, deployment, pod } from "./requests.ts";

let real: Cluster;
let ours: ApiServer;
let sendReal: Send;
let sendOurs: Send;

before(async () => {
  // Without the controller manager there are no service accounts for pods.
  real = await startCluster({
    components: ["etcd", "apiserver"],
    apiServerFlags: { "disable-admission-plugins": "ServiceAccount" },
  });
  ours = await createApiServer({ behaviour: { namespaceController: false } });
  const { caPem, admin } = real;
  sendReal = sender(real.url, { ca: caPem, cert: admin.certPem, key: admin.keyPem });
  sendOurs = sender(ours.url, {});
  await Promise.all([sendReal, sendOurs].map(prepare));
  await makeForEncoding(sendReal);
});

after(async () => {
  await ours?.stop();
  await real?.stop();
});

for (const [at, one] of cases.entries()) {
  test(one.name, async () => {
    const namespace = `case-${at}`;
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    const run = async (send: Send) => {
      const made = await send({ method: "POST", path: "/api/v1/namespaces", body });
      assert.equal(made.status, 201, made.text);
      return runCase(one, namespace, send);
    };
    const [expected, actual] = await Promise.all([run(sendReal), run(sendOurs)]);
    assert.deepEqual(actual, expected);
  });
}

for (const [path, apiVersion, kind] of [
  ["/api/v1/namespaces/encoding/configmaps/a", "v1", "ConfigMap"],
  ["/api/v1/namespaces/encoding/pods/p", "v1", "Pod"],
  ["/api/v1/namespaces/encoding/services/web", "v1", "Service"],
  ["/apis/apps/v1/namespaces/encoding/deployments/web", "apps/v1", "Deployment"],
  ["/apis/coordination.k8s.io/v1/namespaces/encoding/leases/l", "coordination.k8s.io/v1", "Lease"],
  ["/apis/batch/v1/namespaces/encoding/cronjobs/c", "batch/v1", "CronJob"],
  ["/apis/discovery.k8s.io/v1/namespaces/encoding/endpointslices/s", "discovery.k8s.io/v1", "EndpointSlice"],
  [
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.conformance.example.org",
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
  ],
] as const) {
  test(`protobuf of a ${kind}: ours is the real one's, byte for byte`, async () => {
    const shown = JSON.parse((await sendReal({ method: "GET", path })).text);
    const bytes = await getProtobuf(real, path);
    const ourBytes = envelope(apiVersion, kind, messageBytes(apiVersion, kind, shown));
    assert.equal(ourBytes.toString("hex"), bytes.toString("hex"));
    assert.deepEqual(decodeObject(bytes), shown);
  });
}

async function makeForEncoding(send: Send): Promise<void> {
  const make = async (path: string, body: unknown) => {
    const made = await send({ method: "POST", path, body });
    assert.equal(made.status, 201, made.text);
  };
  const container = {
    name: "web",
    image: "x:1",
    ports: [{ containerPort: 80 }],
    readinessProbe: { httpGet: { port: "http" } },
    resources: { limits: { cpu: "1" } },
  };
  const inside = "/namespaces/encoding";
  await make("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "encoding" } });
  await make(
    `/api/v1${inside}/configmaps`,
    configMap("a", { data: { k: "é" }, binaryData: { b: "AAEC" } }, { labels: { z: "1", a: "2" } }),
  );
  await make(`/api/v1${inside}/pods`, pod("p", { annotations: { "example.org/a": "b" } }, { containers: [container] }));
  await make(`/api/v1${inside}/services`, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { ports: [{ port: 80, targetPort: "http" }] },
  });
  await make(`/apis/apps/v1${inside}/deployments`, deployment("web"));
  await make(`/apis/coordination.k8s.io/v1${inside}/leases`, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "l" },
    spec: { renewTime: "2026-01-01T00:00:00.123456Z" },
  });
  const jobTemplate = {
    spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "x:1" }] } } },
  };
  await make(`/apis/batch/v1${inside}/cronjobs`, {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "c" },
    spec: { schedule: "* * * * *", jobTemplate },
  });
  await make(`/apis/discovery.k8s.io/v1${inside}/endpointslices`, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "s" },
    addressType: "IPv4",
    endpoints: [{ addresses: ["192.0.2.1"], conditions: { ready: true } }],
    ports: [{ name: "http", port: 80 }],
  });
}

/** Both servers get the definition and serve it before the first case. */
async function prepare(send: Send): Promise<void> {
  const made = await send({
    method: "POST",
    path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    body: WIDGETS,
  });
  assert.equal(made.status, 201, made.text);
  const path = `/apis/${WIDGETS.spec.group}/v1/widgets`;
  for (let tries = 0; tries < 100; tries++) {
    if ((await send({ method: "GET", path })).status === 200) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the custom kind is not served");
}

function sender(url: string, tls: RequestOptions): Send {
  return (step) =>
    new Promise((resolve, reject) => {
      const text =
        step.body === undefined ? undefined : typeof step.body === "string" ? step.body : JSON.stringify(step.body);
      const headers: Record<string, string> = {
        accept: "application/json",
        "user-agent": "conformance",
        ...step.headers,
      };
      if (text !== undefined) {
        headers["content-type"] ??= "application/json";
        headers["content-length"] = String(Buffer.byteLength(text));
      }
      const make = url.startsWith("https") ? httpsRequest : httpRequest;
      const outgoing = make(new URL(step.path, url), { ...tls, method: step.method, headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
        );
      });
      outgoing.on("error", reject);
      outgoing.end(text);
    });
}
