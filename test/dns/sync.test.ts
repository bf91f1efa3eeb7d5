import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ApiServer, createApiServer, service } from "../../core/testing/index.ts";
import { freePorts } from "../cluster/ports.ts";
import { ask, askUntil } from "./client.ts";
import { loadFixture } from "./fixture.ts";
import { decodeMessage } from "./message.ts";
import { type Ours, startOurs } from "./ours.ts";

const LIMIT_MS = 20_000;
const SERVICES = /\/services$/;

let server: ApiServer;
let ours: Ours;

before(async () => {
  server = await createApiServer();
  loadFixture(server);
  const [port] = await freePorts(1);
  const options = { listen: `127.0.0.1:${port}`, ptr: "pods" };
  ours = await startOurs({ port, kubeconfig: server.kubeconfig(), options });
});

after(async () => {
  await ours?.[Symbol.asyncDispose]();
  await server?.stop();
});

const nameOf = (short: string): string => `${short}.shop.svc.cluster.local`;
const apply = (short: string, clusterIP: string): unknown =>
  server.objects.apply(service(`shop/${short}`, { clusterIP }));
const remove = (short: string): unknown =>
  server.objects.delete({ apiVersion: "v1", kind: "Service", namespace: "shop", name: short });

/** "NXDOMAIN", "NODATA", or what was found without its name and TTL, sorted. */
async function found(name: string, type = "A"): Promise<string> {
  return shortOf(await ask(ours, { name, type }));
}

function shortOf(reply: Uint8Array): string {
  const { rcode, an } = decodeMessage(reply);
  const records = an.map((text) => text.split(" ").slice(3).join(" "));
  return rcode !== "NOERROR" ? rcode : records.sort().join() || "NODATA";
}

async function becomes(name: string, wanted: string, type = "A"): Promise<void> {
  await askUntil(ours, { name, type }, (reply) => shortOf(reply) === wanted, LIMIT_MS);
}

test("a name is there with its service, follows it, and goes with it", async () => {
  assert.equal(await found(nameOf("late")), "NXDOMAIN");
  apply("late", "10.0.7.1");
  await becomes(nameOf("late"), "10.0.7.1");
  assert.equal(await found("1.7.0.10.in-addr.arpa", "PTR"), nameOf("late"));
  apply("late", "10.0.7.2");
  await becomes(nameOf("late"), "10.0.7.2");
  assert.equal(await found("1.7.0.10.in-addr.arpa", "PTR"), "NXDOMAIN");
  assert.equal(await found("2.7.0.10.in-addr.arpa", "PTR"), nameOf("late"));
  remove("late");
  await becomes(nameOf("late"), "NXDOMAIN");
  assert.equal(await found("2.7.0.10.in-addr.arpa", "PTR"), "NXDOMAIN");
});

test("a namespace is a name from its beginning to its end", async () => {
  assert.equal(await found("brief.svc.cluster.local"), "NXDOMAIN");
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "brief" } });
  await becomes("brief.svc.cluster.local", "NODATA");
  server.objects.delete({ apiVersion: "v1", kind: "Namespace", name: "brief" });
  await becomes("brief.svc.cluster.local", "NXDOMAIN");
});

test("the address of a pod that is gone still tells its name, and that of one that has it now wins", async () => {
  const pod = (name: string) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "rail" },
    spec: { containers: [{ name: "web", image: "example.org/web:1" }] },
    status: { phase: "Running", podIP: "10.240.9.9", podIPs: [{ ip: "10.240.9.9" }] },
  });
  const reverse = "9.9.240.10.in-addr.arpa";
  server.objects.apply(pod("first"));
  await becomes(reverse, "pod=first namespace=rail", "TXT");
  server.objects.delete({ apiVersion: "v1", kind: "Pod", namespace: "rail", name: "first" });
  apply("mark-pod", "10.0.7.3");
  await becomes(nameOf("mark-pod"), "10.0.7.3");
  assert.equal(await found(reverse, "PTR"), "10-240-9-9.rail.pod.cluster.local");
  server.objects.apply(pod("second"));
  await becomes(reverse, "pod=second namespace=rail", "TXT");
});

test("what was missed while no watch came through is there after it, and what went is gone", {
  timeout: 60_000,
}, async () => {
  const names = Array.from({ length: 20 }, (_, at) => `gap-${at}`);
  names.forEach((name, at) => {
    apply(name, `10.0.8.${at + 1}`);
  });
  await becomes(nameOf("gap-19"), "10.0.8.20");
  const fault = server.faults.add({ match: { path: SERVICES }, fault: { kind: "status", code: 503 } });
  server.dropConnections();
  for (const name of names) {
    remove(name);
  }
  apply("gap-after", "10.0.8.99");
  // It goes on answering from what it knows; the version that it stands at is forgotten meanwhile.
  assert.equal(await found(nameOf("cart")), "10.0.0.1");
  server.compact();
  fault.remove();
  await becomes(nameOf("gap-after"), "10.0.8.99");
  for (const name of names) {
    await becomes(nameOf(name), "NXDOMAIN");
  }
  assert.equal(await found("1.8.0.10.in-addr.arpa", "PTR"), "NXDOMAIN");
});

test("a server that was restored from a backup takes its names with it", { timeout: 60_000 }, async () => {
  const backup = server.snapshot();
  apply("after-backup", "10.0.9.1");
  await becomes(nameOf("after-backup"), "10.0.9.1");
  server.restore(backup);
  await becomes(nameOf("after-backup"), "NXDOMAIN");
  assert.equal(await found(nameOf("cart")), "10.0.0.1");
});

test("a thousand changes are answered soon after the last of them", { timeout: 60_000 }, async (t) => {
  const startedAtMs = performance.now();
  for (let at = 0; at < 1_000; at++) {
    apply(`many-${at % 250}`, `10.0.${10 + (at >> 8)}.${at & 255}`);
  }
  const appliedMs = performance.now() - startedAtMs;
  await becomes(nameOf("many-249"), "10.0.13.231");
  t.diagnostic(
    `applied within ${Math.round(appliedMs)} ms, answered ${Math.round(performance.now() - startedAtMs)} ms after the first`,
  );
  for (let at = 750; at < 1_000; at++) {
    assert.equal(await found(nameOf(`many-${at % 250}`)), `10.0.${10 + (at >> 8)}.${at & 255}`);
  }
});
