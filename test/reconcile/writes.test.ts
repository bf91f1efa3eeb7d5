import { after, before, describe, test } from "node:test";
import { createApiServer } from "../../core/testing/index.ts";
import { startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { applyCases, type WriteCase } from "./apply-cases.ts";
import { childCases } from "./child-cases.ts";
import { editCases } from "./edit-cases.ts";
import { type WriteWorld, writeWorld } from "./write-world.ts";

const CASES = [...applyCases, ...editCases];

/** The same promises on every server. */
function casesOn(
  server: string,
  start: () => Promise<WriteWorld & AsyncDisposable>,
  skip: string | undefined,
  more: readonly WriteCase[] = [],
): void {
  describe(`writes of reconcilers on ${server}`, { skip: skip ?? false, concurrency: false }, () => {
    let world: WriteWorld & AsyncDisposable;

    before(async () => {
      world = await start();
    });

    after(() => world?.[Symbol.asyncDispose]());

    for (const [at, one] of [...CASES, ...more].entries()) {
      test(one.name, { timeout: 30_000 }, async () => {
        const namespace = `case-${at}`;
        const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
        await world.other.create({ apiVersion: "v1", plural: "namespaces" }, body);
        await one.run(world, namespace);
      });
    }
  });
}

casesOn(
  "the server in the process",
  async () => {
    const server = await createApiServer();
    const { close, ...world } = await writeWorld({ server: server.url });
    return {
      ...world,
      async [Symbol.asyncDispose]() {
        await close();
        await server.stop();
      },
    };
  },
  undefined,
);

casesOn(
  "a real API server",
  async () => {
    const cluster = await startCluster({
      components: ["etcd", "apiserver"],
      apiServerFlags: { "disable-admission-plugins": "ServiceAccount" },
    });
    const { close, ...world } = await writeWorld({ kubeconfig: cluster.kubeconfigPath });
    return {
      ...world,
      async [Symbol.asyncDispose]() {
        await close();
        await cluster.stop();
      },
    };
  },
  await whyNoCluster(["etcd", "kube-apiserver"]),
  // Kinds that the server in the process does not have.
  childCases,
);
