import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Controller, createController } from "../../core/index.ts";
import { WebApp } from "../../docs/examples/webapp/resource.ts";
import { webapps } from "../../docs/examples/webapp/webapp.ts";
import { type Cluster, type RealNode, startCluster, whyNoCluster, whyNoRealNode } from "../cluster/cluster.ts";
import { whatIsMissing } from "../cluster/system-packages.ts";
import { buildFolder } from "../package/image-build.ts";

const lacking = process.env.CI === "true" ? undefined : whatIsMissing(["buildah"]);
const missing = lacking ?? whyNoRealNode() ?? (await whyNoCluster());
const DEADLINE_MS = 60_000;
const LOOK_MS = 100;
/** How long requests are made while the image changes, and how often. */
const ROLL_MS = 25_000;
const ASK_EVERY_MS = 40;
const APP = "/apis/apps.example.org/v1/namespaces/default/webapps";
const imageOf = (page: string): string => `localhost/page:${page}`;

/** Images that serve "one" and "two". */
async function pageImages(node: RealNode): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-page-"));
  try {
    const source = new URL("./page/", import.meta.url);
    execFileSync("go", ["build", "-trimpath", "-o", join(folder, "page"), "."], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0" },
      stdio: "pipe",
    });
    for (const page of ["one", "two"]) {
      const context = join(folder, page);
      mkdirSync(context);
      copyFileSync(join(folder, "page"), join(context, "page"));
      const file = `FROM scratch\nCOPY page /page\nENV PAGE=${page}\nUSER 65532:65532\nENTRYPOINT ["/page"]\n`;
      writeFileSync(join(context, "Dockerfile"), file);
      buildFolder(context, join(folder, `${page}.tar`), imageOf(page));
      await node.loadImage(join(folder, `${page}.tar`));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("the WebApp example on a real node", { skip: missing ?? false, timeout: 170_000 }, () => {
  const directory = new Map<string, string>();
  let cluster: Cluster;
  let node: RealNode;
  let operator: Pick<Controller, "stop">;

  before(async () => {
    cluster = await startCluster({
      components: ["etcd", "apiserver", "controller-manager", "scheduler"],
      node: "real",
    });
    assert.ok(cluster.realNode !== undefined);
    node = cluster.realNode;
    await pageImages(node);
    await cluster.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", WebApp.crd());
    const entries = {
      enter: async (key: string, url: string) => void directory.set(key, url),
      remove: async (key: string) => void directory.delete(key),
    };
    operator = await createController({
      cluster: { kubeconfig: cluster.kubeconfigPath },
      controllers: [webapps(entries)],
      retry: { notServedMs: 500 },
    }).start();
  });

  after(async () => {
    await operator?.stop();
    await cluster?.stop();
  });

  async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) {
        return answer;
      }
      assert.ok(Date.now() < deadline, `not within ${DEADLINE_MS} ms: ${what}`);
      await delay(LOOK_MS);
    }
  }

  const deployment = () => cluster.request("GET", "/apis/apps/v1/namespaces/default/deployments/cart");

  const available = (image: string): Promise<true> =>
    until(`the WebApp is available with ${image}`, async () => {
      const { status, body } = await cluster.request("GET", `${APP}/cart`);
      const conditions: readonly { type: string; status: string; observedGeneration: number }[] =
        (status === 200 && body.status?.conditions) || [];
      const isNow = conditions.every((one) => one.observedGeneration === body.metadata?.generation);
      const isTrue = ["Available", "RolledOut"].every((type) =>
        conditions.some((one) => one.type === type && one.status === "True"),
      );
      return (
        (isNow && isTrue && body.spec.image === image && body.status.readyReplicas === body.spec.replicas) || undefined
      );
    });

  const addressOf = async (): Promise<string> =>
    (await cluster.send("GET", "/api/v1/namespaces/default/services/cart")).body.spec.clusterIP;

  /** Asks again and again, each time on a connection of its own; tells how often each answer came. */
  async function ask(forMs: number): Promise<Readonly<Record<string, number>>> {
    const script = `
      const counts = {};
      const endAt = Date.now() + ${forMs};
      while (Date.now() < endAt) {
        const answer = await fetch("http://${await addressOf()}/", { headers: { connection: "close" }, signal: AbortSignal.timeout(5000) })
          .then((response) => response.text(), (error) => "failed: " + (error.cause?.code ?? error.message));
        counts[answer] = (counts[answer] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, ${ASK_EVERY_MS}));
      }
      console.log(JSON.stringify(counts));`;
    return JSON.parse(await node.run(process.execPath, ["--input-type=module", "--eval", script]));
  }

  test("its pods serve the page through its Service", async () => {
    await cluster.send("POST", APP, {
      apiVersion: "apps.example.org/v1",
      kind: "WebApp",
      metadata: { name: "cart" },
      spec: { image: imageOf("one"), replicas: 2 },
    });
    await available(imageOf("one"));
    const answers = await until("the Service answers", async () => {
      const counts = await ask(500);
      return counts.one > 0 && Object.keys(counts).length === 1 ? counts : undefined;
    });
    assert.deepEqual(Object.keys(answers), ["one"]);
    assert.deepEqual([...directory], [["default/cart", "http://cart.default.svc"]]);
  });

  test("it is scaled by its scale subresource, and a selector tells its pods", async () => {
    await cluster.send("PATCH", `${APP}/cart/scale`, { spec: { replicas: 3 } });
    await available(imageOf("one"));
    const { body } = await cluster.send("GET", `${APP}/cart/scale`);
    assert.deepEqual([body.spec.replicas, body.status.replicas], [3, 3]);
    const pods = `/api/v1/namespaces/default/pods?labelSelector=${encodeURIComponent(body.status.selector)}`;
    assert.equal((await cluster.send("GET", pods)).body.items.length, 3);
    await cluster.send("PATCH", `${APP}/cart/scale`, { spec: { replicas: 2 } });
    await available(imageOf("one"));
  });

  test("a Deployment that somebody deletes comes back", async () => {
    const before = (await deployment()).body.metadata.uid;
    await cluster.send("DELETE", "/apis/apps/v1/namespaces/default/deployments/cart");
    await until("another Deployment", async () => {
      const { status, body } = await deployment();
      return (status === 200 && body.metadata.uid !== before) || undefined;
    });
    await available(imageOf("one"));
    await until("the Service answers", async () => (await ask(300)).one > 0 || undefined);
  });

  test("another image takes over without a failed request", async () => {
    const asking = ask(ROLL_MS);
    await delay(1_000); // Requests must be under way when it begins.
    await cluster.send("PATCH", `${APP}/cart`, { spec: { image: imageOf("two") } });
    const counts = await asking;
    assert.deepEqual(Object.keys(counts).sort(), ["one", "two"], JSON.stringify(counts));
    await available(imageOf("two"));
  });

  test("when it goes, nothing of it is left, here or elsewhere", async () => {
    await cluster.send("DELETE", `${APP}/cart`);
    for (const path of [
      `${APP}/cart`,
      "/apis/apps/v1/namespaces/default/deployments/cart",
      "/api/v1/namespaces/default/services/cart",
    ]) {
      await until(`${path} is gone`, async () => (await cluster.request("GET", path)).status === 404 || undefined);
    }
    await until("its pods are gone", async () => {
      const { body } = await cluster.send("GET", "/api/v1/namespaces/default/pods");
      return body.items.length === 0 || undefined;
    });
    assert.deepEqual([...directory], []);
  });
});
