import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { readCgroup } from "../cluster/cgroup.ts";
import { type Cluster, type RealNode, startCluster, whyNoCluster, whyNoRealNode } from "../cluster/cluster.ts";
import { whatIsMissing } from "../cluster/system-packages.ts";
import { imageName } from "../package/image-build.ts";
import { NAMESPACE, readManifests } from "../package/manifests.ts";
import { applyManifests } from "./apply.ts";
import { ensureImage } from "./built-image.ts";

const lacking = process.env.CI === "true" ? undefined : whatIsMissing(["buildah"]);
const missing = lacking ?? whyNoRealNode() ?? (await whyNoCluster());
const DEADLINE_MS = 60_000;
const LOOK_MS = 100;
const APPS = "/apis/apps/v1/namespaces";
const RESTRICTED = {
  runAsNonRoot: true,
  runAsUser: 65532,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
/** A tiny program of the web: it answers with its own name and logs whom it was asked by. */
const ECHO = `require("node:http").createServer((request, response) => {
  console.log("asked for " + request.url);
  response.end("echo of " + process.env.HOSTNAME);
}).listen(8080, () => console.log("listening"));`;

describe("pods on a real node", { skip: missing ?? false }, () => {
  let cluster: Cluster;
  let node: RealNode;

  before(async () => {
    const image = await ensureImage();
    cluster = await startCluster({
      components: ["etcd", "apiserver", "controller-manager", "scheduler"],
      node: "real",
    });
    assert.ok(cluster.realNode !== undefined);
    node = cluster.realNode;
    await node.loadImage(image.archive);
  });

  after(() => cluster?.stop());

  /** Asks until the answer is liked; gives it. */
  async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) {
        return answer;
      }
      if (Date.now() > deadline) {
        const { body } = await cluster.send("GET", "/api/v1/events?limit=500");
        const said = body.items
          .slice(-8)
          .map(({ reason, message }: Readonly<Record<string, string>>) => `${reason}: ${message}`);
        throw new Error(`not within ${DEADLINE_MS} ms: ${what}; last events:\n${said.join("\n")}`);
      }
      await delay(LOOK_MS);
    }
  }

  const available = (namespace: string, name: string): Promise<true> =>
    until(`deployment "${name}" is available`, async () => {
      const { body } = await cluster.send("GET", `${APPS}/${namespace}/deployments/${name}`);
      return body.status.availableReplicas === body.spec.replicas || undefined;
    });

  async function podOf(namespace: string, label: string) {
    const { body } = await cluster.send(
      "GET",
      `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(label)}`,
    );
    assert.equal(body.items.length, 1);
    return body.items[0];
  }

  /** Fetches a URL where Services answer; undefined while nothing does. */
  async function fetched(url: string): Promise<string | undefined> {
    const script = `fetch(${JSON.stringify(url)}).then((answer) => answer.text()).then((text) => process.stdout.write(text))`;
    return node.run(process.execPath, ["--eval", script]).catch(() => undefined);
  }

  const addressOf = async (namespace: string, name: string): Promise<string> =>
    (await cluster.send("GET", `/api/v1/namespaces/${namespace}/services/${name}`)).body.spec.clusterIP;

  test("a deployment answers through its service, its log is read, and an ephemeral container starts in it", async () => {
    const labels = { app: "echo" };
    const container = {
      name: "web",
      image: imageName(),
      command: ["/usr/bin/node", "--eval", ECHO],
      securityContext: RESTRICTED,
    };
    await cluster.send("POST", `${APPS}/default/deployments`, {
      metadata: { name: "echo" },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    });
    await cluster.send("POST", "/api/v1/namespaces/default/services", {
      metadata: { name: "echo" },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await available("default", "echo");
    const { metadata } = await podOf("default", "app=echo");
    const url = `http://${await addressOf("default", "echo")}/hello`;
    assert.equal(await until("the service answers", () => fetched(url)), `echo of ${metadata.name}`);

    const pod = `/api/v1/namespaces/default/pods/${metadata.name}`;
    const { body: log } = await cluster.send("GET", `${pod}/log`);
    assert.match(log, /^listening\nasked for \/hello\n/);

    const guest = {
      name: "guest",
      image: imageName(),
      command: ["/usr/bin/node", "--eval", 'console.log("here"); setInterval(() => {}, 1000)'],
    };
    const patch = {
      spec: { ephemeralContainers: [{ ...guest, targetContainerName: "web", securityContext: RESTRICTED }] },
    };
    const strategic = { "content-type": "application/strategic-merge-patch+json" };
    await cluster.send("PATCH", `${pod}/ephemeralcontainers`, JSON.stringify(patch), strategic);
    await until("the ephemeral container runs", async () => {
      const { body } = await cluster.send("GET", pod);
      return body.status.ephemeralContainerStatuses?.[0]?.state.running;
    });
    const said = await until("the ephemeral container speaks", async () => {
      const { body } = await cluster.send("GET", `${pod}/log?container=guest`);
      return body === "" ? undefined : body;
    });
    assert.equal(said, "here\n");
  });

  test("Fairlead runs by its own manifests, becomes ready, follows the cluster, and ends in time", async (t) => {
    const files = ["config/manager/namespace.yaml", "config/rbac/fairlead.yaml", "config/manager/fairlead.yaml"];
    assert.deepEqual(await applyManifests(cluster.client, files.flatMap(readManifests)), []);
    await available(NAMESPACE, "fairlead");
    const base = `http://${await addressOf(NAMESPACE, "fairlead")}:8080`;
    assert.match(
      await until("the status server answers", () => fetched(`${base}/readyz?verbose`)),
      /readyz check passed/,
    );

    const services = async (): Promise<number> => {
      const text = (await fetched(`${base}/metrics`)) ?? "";
      return Number(/^fairlead_kind_objects\{[^}]*kind="services"[^}]*\} (\d+)$/m.exec(text)?.[1]);
    };
    const before = await services();
    assert.ok(before > 0);
    await cluster.send("POST", "/api/v1/namespaces/default/services", {
      metadata: { name: "one-more" },
      spec: { ports: [{ port: 80 }] },
    });
    await until("the new service is followed", async () => (await services()) === before + 1 || undefined);

    const pod = await podOf(NAMESPACE, "app.kubernetes.io/name=fairlead");
    const [status] = pod.status.containerStatuses;
    assert.equal(status.restartCount, 0);
    const figures = readCgroup(node.cgroupOf(status.containerID));
    t.diagnostic(`memory of the pod: ${JSON.stringify(figures)}`);
    assert.ok(figures.peakMb < 128 * 1.048576 && figures.oomKills === 0, JSON.stringify(figures));
    // Nothing that it may not do, and nothing that it fails at.
    const { body: log } = await cluster.send("GET", `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}/log`);
    const lines: readonly { level?: number; msg?: string }[] = log
      .trim()
      .split("\n")
      .map((line: string) => JSON.parse(line));
    assert.deepEqual(
      lines.filter(({ level }) => typeof level === "number" && level >= 40),
      [],
    );

    const askedAtMs = performance.now();
    await cluster.send("PATCH", `${APPS}/${NAMESPACE}/deployments/fairlead`, { spec: { replicas: 0 } });
    await until("the pod has ended", async () => {
      const { status: answer } = await cluster.request(
        "GET",
        `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}`,
      );
      return answer === 404 || undefined;
    });
    const tookMs = performance.now() - askedAtMs;
    t.diagnostic(`ended within ${Math.round(tookMs)} ms`);
    assert.ok(tookMs < 15_000, `${tookMs} ms`);
  });
});
