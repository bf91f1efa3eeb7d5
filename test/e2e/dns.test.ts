import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Cluster, startCluster, whyNoCluster, whyNoRealNode } from "../cluster/cluster.ts";
import { whatIsMissing } from "../cluster/system-packages.ts";
import { imageName } from "../package/image-build.ts";
import { NAMESPACE, readManifests } from "../package/manifests.ts";
import { applyManifests } from "./apply.ts";
import { ensureImage } from "./built-image.ts";

const lacking = process.env.CI === "true" ? undefined : whatIsMissing(["buildah"]);
const missing = lacking ?? whyNoRealNode() ?? (await whyNoCluster());
const CLIENT = readFileSync(
  fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? "./dns-client.cjs" : "../../../test/e2e/dns-client.cjs", import.meta.url),
  ),
  "utf8",
);
const DEADLINE_MS = 60_000;
const LOOK_MS = 100;
const APPS = "/apis/apps/v1/namespaces";
const PODS = "/api/v1/namespaces/default/pods";
const SERVICES = "/api/v1/namespaces/default/services";
const ROLLS = 2;
const RESTRICTED = {
  runAsNonRoot: true,
  runAsUser: 65532,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};

/** What the client in the pod says at its end. */
interface ClientReport {
  readonly counts: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  readonly failed: number;
}

describe("names for pods on a real node", { skip: missing ?? false }, () => {
  let cluster: Cluster;

  before(async () => {
    const image = await ensureImage();
    cluster = await startCluster({
      components: ["etcd", "apiserver", "controller-manager", "scheduler"],
      node: "real",
    });
    await cluster.realNode?.loadImage(image.archive);
  });

  after(() => cluster?.stop());

  async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) {
        return answer;
      }
      if (Date.now() > deadline) {
        const { body } = await cluster.send("GET", "/api/v1/events?limit=500");
        const said = body.items.map(({ reason, message }: Readonly<Record<string, string>>) => `${reason}: ${message}`);
        throw new Error(`not within ${DEADLINE_MS} ms: ${what}; last events:\n${said.slice(-8).join("\n")}`);
      }
      await delay(LOOK_MS);
    }
  }

  /** The newest template runs in every replica, and nothing else does. */
  const rolledOut = (): Promise<true> =>
    until("the deployment is rolled out", async () => {
      const { body } = await cluster.send("GET", `${APPS}/${NAMESPACE}/deployments/fairlead-dns`);
      const { status, spec, metadata } = body;
      const isNew = status.observedGeneration === metadata.generation && status.updatedReplicas === spec.replicas;
      return (isNew && status.availableReplicas === spec.replicas && status.replicas === spec.replicas) || undefined;
    });

  const logOf = async (pod: string): Promise<string> => String((await cluster.send("GET", `${PODS}/${pod}/log`)).body);

  test("search paths, ndots, UDP and TCP, while the deployment rolls", { timeout: 170_000 }, async (t) => {
    const files = ["config/manager/namespace.yaml", "config/rbac/dns.yaml", "config/manager/dns.yaml"];
    assert.deepEqual(await applyManifests(cluster.client, files.flatMap(readManifests)), []);
    await cluster.send("POST", SERVICES, {
      metadata: { name: "echo" },
      spec: { ports: [{ name: "web", port: 80 }], selector: { app: "echo" } },
    });
    await rolledOut();
    const service = await cluster.send("GET", `/api/v1/namespaces/${NAMESPACE}/services/fairlead-dns`);
    const echo = await cluster.send("GET", `${SERVICES}/echo`);
    const server: string = service.body.spec.clusterIP;
    await cluster.send("POST", PODS, {
      metadata: { name: "client" },
      spec: {
        restartPolicy: "Never",
        dnsPolicy: "None",
        dnsConfig: {
          nameservers: [server],
          searches: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
          options: [
            { name: "ndots", value: "5" },
            { name: "timeout", value: "2" },
          ],
        },
        containers: [
          {
            name: "client",
            image: imageName(),
            command: ["/usr/bin/node", "--eval", CLIENT],
            env: [
              { name: "SERVER", value: server },
              { name: "ECHO", value: echo.body.spec.clusterIP },
              { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
            ],
            securityContext: RESTRICTED,
          },
        ],
      },
    });
    await until(
      "the client asks",
      async () => ((await podPhase()) === "Running" && (await logOf("client"))) || undefined,
    );
    for (let roll = 0; roll < ROLLS; roll++) {
      await cluster.send("PATCH", `${APPS}/${NAMESPACE}/deployments/fairlead-dns`, {
        spec: { template: { metadata: { annotations: { roll: String(roll) } } } },
      });
      await rolledOut();
    }
    await until("the pods that were replaced are gone", async () => {
      const { items } = (await cluster.send("GET", `/api/v1/namespaces/${NAMESPACE}/pods`)).body;
      return (
        items.every(
          (pod: { metadata: { deletionTimestamp?: string } }) => pod.metadata.deletionTimestamp === undefined,
        ) || undefined
      );
    });
    // The client ends when it finds this name: the last proof that what is new is known.
    await cluster.send("POST", SERVICES, { metadata: { name: "over" }, spec: { ports: [{ port: 80 }] } });
    await until("the client has seen the end", async () => (await podPhase()) === "Succeeded" || undefined);
    const report: ClientReport = JSON.parse((await logOf("client")).trim().split("\n").at(-1) ?? "");
    t.diagnostic(JSON.stringify(report.counts));
    assert.deepEqual([report.failures, report.failed], [[], 0]);
    for (const what of ["short", "dots", "whole", "missing", "pod", "udp", "srv", "reverse", "tcp"]) {
      assert.ok((report.counts[what] ?? 0) >= 50, `${what}: ${report.counts[what]}`);
    }
  });

  async function podPhase(): Promise<string> {
    return (await cluster.send("GET", `${PODS}/client`)).body.status.phase;
  }
});
