import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Cluster, startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { whatIsMissing } from "../cluster/system-packages.ts";
import { ensureImage } from "./built-image.ts";
import { type UnpackedImage, unpackImage } from "./container.ts";
import { type InCluster, inCluster } from "./in-cluster.ts";

const lacking = process.env.CI === "true" ? undefined : whatIsMissing(["buildah", "runc", "umoci"]);
const missing = lacking ?? (await whyNoCluster(["etcd", "kube-apiserver"]));
const LIMIT_MB = (128 * 2 ** 20) / 1e6;
/** Well inside of the 30 s that Kubernetes gives. */
const GRACE_MS = 5_000;
const KINDS = {
  pods: "/api/v1/pods",
  services: "/api/v1/services",
  deployments: "/apis/apps/v1/deployments",
  replicasets: "/apis/apps/v1/replicasets",
  statefulsets: "/apis/apps/v1/statefulsets",
  daemonsets: "/apis/apps/v1/daemonsets",
  jobs: "/apis/batch/v1/jobs",
  cronjobs: "/apis/batch/v1/cronjobs",
};

describe("a container at the size of the seed, in 128 MiB", { skip: missing ?? false }, () => {
  let cluster: Cluster;
  let account: InCluster;
  let image: UnpackedImage;

  before(async () => {
    const { archive, name } = await ensureImage();
    image = unpackImage(archive, name);
    cluster = await startCluster({ components: ["etcd", "apiserver"], seeded: "seed" });
    account = await inCluster(cluster, "fairlead");
  });

  after(async () => {
    account?.remove();
    image?.remove();
    await cluster?.stop();
  });

  const run = () => image.run({ ...account, args: ["run", "--output", "json"] });
  const isSynced = (line: string): boolean => JSON.parse(line).type === "synced";

  test("holds every object, within its limit, and SIGTERM ends it clean", async () => {
    await using container = run();
    const { objects, unavailable } = JSON.parse(await container.line(isSynced));
    const figures = container.figures();
    const onServer: Record<string, number> = {};
    for (const [kind, path] of Object.entries(KINDS)) {
      const page = await cluster.send("GET", `${path}?limit=1`);
      onServer[kind] = page.body.items.length + (page.body.metadata.remainingItemCount ?? 0);
    }
    // Pods that are over are not followed, and the server does not count what a selector leaves.
    const over = await cluster.send("GET", "/api/v1/pods?fieldSelector=status.phase%3DSucceeded");
    onServer.pods -= over.body.items.length;
    assert.deepEqual([objects, unavailable], [onServer, []]);
    assert.ok(figures.peakMb < LIMIT_MB && figures.oomKills === 0, JSON.stringify(figures));
    const askedAtMs = performance.now();
    container.kill("SIGTERM");
    const { code, stdout, stderr } = await container.ended;
    assert.deepEqual([code, stderr, JSON.parse(stdout.at(-1) ?? "").type], [0, "", "end"]);
    assert.ok(performance.now() - askedAtMs < GRACE_MS);
  });

  test("follows what changes, and after SIGKILL the next one knows it", async () => {
    const name = `after-${process.pid}`;
    {
      await using container = run();
      await container.line(isSynced);
      await cluster.send("POST", "/api/v1/namespaces/default/services", {
        metadata: { name },
        spec: { ports: [{ port: 80 }] },
      });
      container.kill("SIGKILL");
      const { code } = await container.ended;
      assert.notEqual(code, 0);
    }
    await using store = image.run({
      ...account,
      args: ["store", "dump", "services", "--namespace", "default", "--limit", "1000"],
    });
    const { code, stdout } = await store.ended;
    assert.equal(code, 0);
    assert.ok(stdout.some((line) => line.includes(name)));
  });

  test("a limit that is too small ends it, and only it", async () => {
    await using container = image.run({
      ...account,
      args: ["run", "--output", "json"],
      memoryBytes: 24 * 2 ** 20,
    });
    const { code } = await container.ended;
    assert.notEqual(code, 0);
  });
});
