import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { ownedOf } from "../../core/kinds/owned.ts";
import { createKubeClient, type KubeClient, type KubeObject } from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { connect, type HttpTransport } from "../../core/kube/http-transport.ts";
import { configurationOf } from "../../core/reconcile/apply.ts";
import { ownedDifferences } from "../../core/reconcile/owned-compare.ts";
import { createApiServer } from "../../core/testing/index.ts";
import { startCluster, whyNoCluster } from "../cluster/cluster.ts";

const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const word = fc.constantFrom("a", "b", "c");
const labels = fc.dictionary(word, fc.constantFrom("1", "2", ""), { maxKeys: 3 });
const ports = fc.uniqueArray(
  fc.record({
    containerPort: fc.constantFrom(80, 81),
    protocol: some(fc.constantFrom("TCP", "UDP")),
    name: some(fc.constantFrom("x", "y")),
  }),
  { maxLength: 2, selector: (port) => port.name ?? port.containerPort },
);
const container = (name: string) =>
  fc.record({
    name: fc.constant(name),
    image: fc.constantFrom("example.org/a:1", "example.org/a:2"),
    env: some(
      fc.uniqueArray(fc.record({ name: fc.constantFrom("A", "B", "C"), value: some(fc.constantFrom("", "1", "2")) }), {
        maxLength: 3,
        selector: ({ name: key }) => key,
      }),
    ),
    args: some(fc.array(word, { maxLength: 2 })),
    ports: some(
      ports.filter(
        (list) => new Set(list.map((port) => `${port.containerPort}${port.protocol ?? "TCP"}`)).size === list.length,
      ),
    ),
    resources: some(
      fc.record({
        requests: some(
          fc.dictionary(fc.constantFrom("cpu", "memory"), fc.constantFrom("1", "1000m", "1024", "1Ki"), { maxKeys: 2 }),
        ),
      }),
    ),
  });
const containers = fc.oneof(
  fc.tuple(container("web")),
  fc.tuple(container("web"), container("side")),
  fc.tuple(container("side"), container("web")),
);
const wanted: fc.Arbitrary<KubeObject> = fc
  .record({
    labels: some(labels),
    annotations: some(labels),
    replicas: some(fc.constantFrom(0, 1, 2)),
    paused: some(fc.boolean()),
    containers,
    nodeSelector: some(labels),
    surge: some(fc.constantFrom(1, "25%")),
  })
  .map(({ labels: own, annotations, replicas, paused, containers: list, nodeSelector, surge }) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "x", namespace: "default", labels: own, annotations },
    spec: {
      replicas,
      paused,
      strategy: surge === undefined ? undefined : { rollingUpdate: { maxSurge: surge } },
      selector: { matchLabels: { app: "x" } },
      template: { metadata: { labels: { app: "x" } }, spec: { containers: list, nodeSelector } },
    },
  }));
const foreign = some(
  fc.record({
    metadata: fc.record({ labels: fc.dictionary(word, fc.constantFrom("1", "9"), { maxKeys: 2 }) }),
    spec: fc.record({ replicas: fc.constantFrom(1, 7), minReadySeconds: fc.constantFrom(0, 3) }),
  }),
);

const APPLY = { fieldManager: "me", force: true } as const;

/** What is skipped would have changed nothing, and what was applied is skipped. */
async function holds(client: KubeClient, runs: number): Promise<void> {
  let serial = 0;
  let skipped = 0;
  await fc.assert(
    fc.asyncProperty(wanted, foreign, wanted, fc.boolean(), async (first, change, other, isSame) => {
      const name = `x-${serial++}`;
      const target = { apiVersion: "apps/v1", plural: "deployments", namespace: "default", name };
      const named = (object: KubeObject) =>
        configurationOf({ ...object, metadata: { ...object.metadata, name } }).object;
      const second = named(isSame ? first : other);
      await client.apply(target, named(first), APPLY);
      if (change !== undefined) {
        await client.patch(target, "merge", change, { fieldManager: "them" });
      }
      const before = { apiVersion: "apps/v1", kind: "Deployment", ...(await client.get(target)) };
      const isSkipped = ownedDifferences(ownedOf(before, "me"), second).length === 0;
      const after = await client.apply(target, second, APPLY);
      skipped += Number(isSkipped);
      if (isSkipped) {
        assert.deepEqual(after.metadata?.managedFields, before.metadata?.managedFields);
        assert.equal(after.metadata?.resourceVersion, before.metadata?.resourceVersion);
      }
      assert.deepEqual(ownedDifferences(ownedOf(after, "me"), second), []);
      await client.delete(target);
    }),
    { numRuns: runs },
  );
  assert(skipped > runs / 10, `only ${skipped} of ${runs} were skipped`);
}

test("an apply that is skipped would have changed nothing, on the server in the process", {
  timeout: 60_000,
}, async () => {
  await using server = await createApiServer();
  const transport = connect(await resolveCluster({ server: server.url }));
  try {
    await holds(createKubeClient(transport), 300);
  } finally {
    await transport.close();
  }
});

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);

describe("on a real API server", { skip: missing ?? false }, () => {
  let stop: (() => Promise<void>) | undefined;
  let transport: HttpTransport;

  before(async () => {
    const cluster = await startCluster({ components: ["etcd", "apiserver"] });
    stop = () => cluster.stop();
    transport = connect(await resolveCluster({ kubeconfig: cluster.kubeconfigPath }));
  });

  after(async () => {
    await transport?.close();
    await stop?.();
  });

  test("an apply that is skipped would have changed nothing", { timeout: 120_000 }, async () => {
    await holds(createKubeClient(transport), 300);
  });
});
