import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { after, before, test } from "node:test";
import {
  type ApiClient,
  type Cluster,
  openKubeconfig,
  startCluster,
  type WatchEvent,
  whyNoCluster,
} from "./cluster.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);
const options = { skip: missing ?? false };
const MAPS = "/api/v1/namespaces/default/configmaps";

let cluster: Cluster;

before(async () => {
  if (missing === undefined) {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
  }
});

after(() => cluster?.stop());

async function put(name: string, client: ApiClient = cluster.client): Promise<string> {
  const { body } = await client.send("POST", MAPS, { metadata: { name } });
  return body.metadata.resourceVersion;
}

async function names(client: ApiClient = cluster.client): Promise<readonly string[]> {
  const { body } = await client.send("GET", `${MAPS}?fieldSelector=metadata.name%21%3Dkube-root-ca.crt`);
  return body.items.map((item: { readonly metadata: { readonly name: string } }) => item.metadata.name);
}

async function firstEvent(client: ApiClient, from: string): Promise<WatchEvent | undefined> {
  for await (const event of client.events(`${MAPS}?watch=1&resourceVersion=${from}&timeoutSeconds=20`)) {
    return event;
  }
  return undefined;
}

test("tells the version that was pinned, over HTTP/2 too", options, async () => {
  const { body } = await cluster.send("GET", "/version");
  assert.match(body.gitVersion, /^v1\.\d+\.\d+$/);
  const session = connectHttp2(cluster.url, {
    ca: cluster.caPem,
    cert: cluster.admin.certPem,
    key: cluster.admin.keyPem,
  });
  try {
    const stream = session.request({ ":path": "/readyz" });
    const text = await stream.setEncoding("utf8").reduce((whole: string, part: string) => whole + part, "");
    assert.equal(text, "ok");
  } finally {
    session.close();
  }
});

test("a limited user may do what was granted and gets 403 for the rest", options, async () => {
  const kubeconfig = await cluster.createUser("reader", [
    { verbs: ["get", "list"], resources: ["configmaps"], namespace: "default" },
  ]);
  const reader = await openKubeconfig(kubeconfig);
  const statuses = [
    (await reader.request("GET", MAPS)).status,
    (await reader.request("GET", "/api/v1/configmaps")).status,
    (await reader.request("POST", MAPS, { metadata: { name: "denied" } })).status,
  ];
  reader.close();
  assert.deepEqual(statuses, [200, 403, 403]);
});

test("a certificate that has expired is refused", options, async () => {
  const rules = [{ verbs: ["list"], resources: ["configmaps"] }];
  const late = await openKubeconfig(
    await cluster.createUser("late", rules, { notAfter: new Date(Date.now() - 60_000) }),
  );
  const { status } = await late.request("GET", MAPS);
  late.close();
  assert.equal(status, 401);
});

test("a service account logs in with its token", options, async () => {
  const token = await cluster.serviceAccountToken("default", "robot");
  const robot = await openKubeconfig(await cluster.writeKubeconfig("robot", { token }));
  const { body } = await robot.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
    apiVersion: "authentication.k8s.io/v1",
    kind: "SelfSubjectReview",
  });
  robot.close();
  assert.equal(body.status.userInfo.username, "system:serviceaccount:default:robot");
});

test("the audit log tells who asked for what", options, async () => {
  await cluster.request("GET", `${MAPS}/nobody-made-it`);
  const entries = await cluster.auditLog();
  const found = entries.filter((entry) => entry.requestURI === `${MAPS}/nobody-made-it`);
  assert.deepEqual(
    found.map((entry) => [entry.user.username, entry.verb, entry.responseStatus?.code]),
    [["admin", "get", 404]],
  );
});

test("a restart keeps the port and the data", options, async () => {
  await put("kept");
  const pid = cluster.pid("apiserver");
  await cluster.restart("apiserver", "SIGKILL");
  assert.notEqual(cluster.pid("apiserver"), pid);
  assert.ok((await names()).includes("kept"));
});

test("a frozen API server answers nothing until it is thawed", options, async () => {
  cluster.freeze("apiserver");
  let answered = false;
  const answer = cluster.request("GET", MAPS).finally(() => {
    answered = true;
  });
  // Another process has answered over its own socket meanwhile: time enough for an API server that is not frozen.
  for (let asked = 0; asked < 20; asked++) {
    await fetch(`http://127.0.0.1:${cluster.etcdPort}/health`);
  }
  assert.equal(answered, false);
  cluster.thaw("apiserver");
  assert.equal((await answer).status, 200);
});

test("a proxy that cuts ends a watch; the next request goes through", options, async () => {
  const proxy = await cluster.proxy();
  const kubeconfig = await cluster.writeKubeconfig("through-proxy", { url: `https://127.0.0.1:${proxy.port}` });
  const client = await openKubeconfig(kubeconfig);
  const watch = client.events(`${MAPS}?watch=1&resourceVersion=0`);
  await watch.next();
  proxy.cut();
  await assert.rejects(async () => {
    for await (const _ of watch) {
      // What was on its way when it was cut.
    }
  });
  assert.equal((await client.request("GET", MAPS)).status, 200);
  client.close();
});

test("a second API server sees what the first one wrote", options, async () => {
  const second = await cluster.secondApiServer();
  await put("shared");
  assert.ok((await names(second.client)).includes("shared"));
  await cluster.stopComponent(second.name, "SIGKILL");
});

test("after a compaction old versions are expired: for a page and, after a restart, for a watch", options, async () => {
  const old = await put("before-compaction");
  const { body: page } = await cluster.send("GET", `${MAPS}?limit=1`);
  await put("compacted");
  await cluster.expireVersions();
  const next = await cluster.request("GET", `${MAPS}?limit=1&continue=${page.metadata.continue}`);
  assert.deepEqual([next.status, next.body.reason], [410, "Expired"]);
  const event = await firstEvent(cluster.client, old);
  assert.deepEqual([event?.type, event?.object.code, event?.object.reason], ["ERROR", 410, "Expired"]);
});

test("an etcd that is restored goes back in time", options, async () => {
  await put("before-snapshot");
  const snapshot = await cluster.snapshotEtcd();
  let later = 0;
  for (let at = 0; at < 50; at++) {
    later = Number(await put(`after-snapshot-${at}`));
  }
  await cluster.restoreEtcd(snapshot);
  const { body } = await cluster.send("GET", MAPS);
  assert.ok(Number(body.metadata.resourceVersion) < later, `${body.metadata.resourceVersion} is not before ${later}`);
  const left = await names();
  assert.deepEqual([left.includes("before-snapshot"), left.some((name) => name.startsWith("after-"))], [true, false]);
});

test("a component that is not there is named", options, async () => {
  await assert.rejects(cluster.restart("kwok"), { code: "CLUSTER_NOT_RUNNING" });
  await assert.rejects(cluster.startComponent("kwok"), { code: "CLUSTER_NOT_CHOSEN" });
});

test("a flag that the API server does not know ends the start with the reason", options, async () => {
  const broken = startCluster({ components: ["etcd", "apiserver"], apiServerFlags: { "no-such-flag": "1" } });
  await assert.rejects(broken, (error: Error & { readonly code?: string }) => {
    assert.equal(error.code, "CLUSTER_COMPONENT_FAILED");
    assert.match(error.message, /unknown flag: --no-such-flag/);
    return true;
  });
});
