import assert from "node:assert/strict";
import { test } from "node:test";
import { type ApiServer, createApiServer } from "./api-server.ts";
import { manualClock } from "./clock.ts";
import { simulate } from "./living-cluster.ts";

const SHAPE = { seed: 7, nodes: 4, deployments: 6, services: 5, pods: 30, ratePerSecond: 50 };

async function live(seconds: number): Promise<{ server: ApiServer; changes: number }> {
  const clock = manualClock();
  const server = await createApiServer({ clock });
  const cluster = await simulate(server, SHAPE);
  clock.advance(seconds * 1000);
  cluster.stop();
  return { server, changes: cluster.changes };
}

test("has the wanted shape before it lives", async () => {
  const { server } = await live(0);
  const count = (apiVersion: string, kind: string) => server.objects.list(apiVersion, kind).length;
  assert.deepEqual(
    [
      count("v1", "Pod"),
      count("v1", "Node"),
      count("v1", "Service"),
      count("apps/v1", "Deployment"),
      count("discovery.k8s.io/v1", "EndpointSlice"),
    ],
    [30, 4, 5, 6, 5],
  );
  await server.stop();
});

test("changes at the wanted rate, the same way for the same seed", async () => {
  const first = await live(60);
  const second = await live(60);
  assert.ok(first.changes > 2700 && first.changes <= 3050, `${first.changes} changes`);
  assert.deepEqual(second.server.objects.list("v1", "Pod"), first.server.objects.list("v1", "Pod"));
  await Promise.all([first.server.stop(), second.server.stop()]);
});

test("every endpoint is the address of a running pod once it rests", async () => {
  const { server } = await live(60);
  const ips = new Set(server.objects.list("v1", "Pod").map((pod) => (pod.status as { podIP?: string }).podIP));
  const slices = server.objects.list("discovery.k8s.io/v1", "EndpointSlice");
  const addresses = slices.flatMap((slice) =>
    (slice.endpoints as { addresses: string[] }[]).flatMap((endpoint) => endpoint.addresses),
  );
  const strange = addresses.filter((address) => !ips.has(address));
  // The last deletion may not have reached its slice yet.
  assert.ok(addresses.length > 0 && strange.length <= 1, `${strange}`);
  await server.stop();
});
