import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Cluster, churn, seed, startCluster, whyNoCluster } from "./cluster.ts";
import { podsOf, replicasOf, SHAPES } from "./seed-shape.ts";

const missing = await whyNoCluster();
const options = { skip: missing ?? false };

let cluster: Cluster;

before(async () => {
  if (missing === undefined) {
    cluster = await startCluster({ seeded: "small", progress: () => {} });
  }
});

after(() => cluster?.stop());

async function count(path: string): Promise<number> {
  const { body } = await cluster.send("GET", path);
  return body.items.length;
}

test("the shapes have the sizes that they are known for", () => {
  assert.equal(podsOf(SHAPES.small), 12);
  for (const counts of Object.values(SHAPES)) {
    let replicas = 0;
    for (let at = 0; at < counts.deployments; at++) {
      replicas += replicasOf(counts, at);
    }
    assert.equal(replicas, counts.deploymentPods);
  }
});

test("a seeded cluster holds its shape, and every pod has run", options, async () => {
  const { nodes, services, deployments, statefulSets, daemonSets, jobs, cronJobs } = SHAPES.small;
  assert.deepEqual(
    {
      nodes: await count("/api/v1/nodes"),
      services: await count("/api/v1/services"),
      deployments: await count("/apis/apps/v1/deployments"),
      statefulSets: await count("/apis/apps/v1/statefulsets"),
      daemonSets: await count("/apis/apps/v1/daemonsets"),
      jobs: await count("/apis/batch/v1/jobs"),
      cronJobs: await count("/apis/batch/v1/cronjobs"),
    },
    { nodes, services: services + 1, deployments, statefulSets, daemonSets, jobs, cronJobs },
  );
  const { body } = await cluster.send("GET", "/api/v1/pods");
  assert.equal(body.items.length, 12);
  for (const { metadata, spec, status } of body.items) {
    assert.ok(["Running", "Succeeded"].includes(status.phase), `${metadata.name} is ${status.phase}`);
    assert.ok(
      status.podIP.startsWith("10.128.") && status.hostIP.startsWith("10.64."),
      `${status.podIP} on ${status.hostIP}`,
    );
    assert.equal(spec.containers.length, 2);
    assert.equal(spec.containers[0].env.length, 18);
  }
});

test("the controllers and the simulated nodes go on: a deployment that grows gets its pods", options, async () => {
  const { body } = await cluster.send("GET", "/apis/apps/v1/namespaces/shop/deployments?limit=1");
  const { name } = body.items[0].metadata;
  const path = `/apis/apps/v1/namespaces/shop/deployments/${name}`;
  const { body: patched } = await cluster.send("PATCH", path, { spec: { replicas: 4 } });
  const { resourceVersion } = patched.metadata;
  const query = `watch=1&resourceVersion=${resourceVersion}&fieldSelector=metadata.name%3D${name}&timeoutSeconds=30`;
  let ready = 0;
  for await (const { object } of cluster.client.events(`/apis/apps/v1/namespaces/shop/deployments?${query}`)) {
    ready = object.status.readyReplicas ?? 0;
    if (ready === 4) {
      break;
    }
  }
  assert.equal(ready, 4);
});

test("seeding again changes nothing", options, async () => {
  const { created, existed } = await seed(cluster, "small");
  assert.deepEqual({ created, existed }, { created: 0, existed: 21 });
});

for (const via of ["etcd", "api"] as const) {
  test(`churn via ${via}: as many watch events as it says, evenly`, options, async () => {
    const { body } = await cluster.send("GET", "/api/v1/pods?limit=1");
    const from = body.metadata.resourceVersion;
    const { events, failures, ratePerSecond } = await churn(cluster, { ratePerSecond: 20, forMs: 2_000, via });
    assert.deepEqual({ events, failures }, { events: 40, failures: 0 });
    assert.ok(ratePerSecond > 15, `${ratePerSecond} a second`);
    let seen = 0;
    const texts = new Set<string>();
    for await (const { object } of cluster.client.events(
      `/api/v1/pods?watch=1&resourceVersion=${from}&timeoutSeconds=30`,
    )) {
      texts.add(object.status.message ?? object.metadata.labels["example.org/turn"]);
      if (++seen === events) {
        break;
      }
    }
    assert.equal(seen, 40);
    assert.ok(texts.size > 1 && !texts.has("undefined"), [...texts].join());
  });
}
