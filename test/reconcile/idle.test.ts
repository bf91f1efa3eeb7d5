import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeCluster } from "../../core/testing/index.ts";
import { webapps } from "../../docs/examples/webapp/webapp.ts";
import mirror from "../../plugins/config-mirror/index.ts";
import { webApp } from "./webapp-scenarios.ts";
import { configMap, namespace } from "./world.ts";

const APPS = 150;

test("an hour in which nothing changes costs no write and no list", { timeout: 120_000 }, async () => {
  const objects = [
    namespace("shop"),
    namespace("team-a"),
    configMap("shop/ca", { a: "1" }, { labels: { mirror: "true" } }),
  ];
  const apps = Array.from({ length: APPS }, (_, at) => webApp(`app-${at}`));
  await using cluster = await fakeCluster({
    controllers: [webapps()],
    plugins: [mirror],
    objects: [...objects, ...apps],
    clock: Date.UTC(2026, 0, 1),
    timeoutMs: 60_000,
  });
  // New copies are looked at once more.
  await cluster.advance("1m");
  const from = cluster.server.requests.count();
  const cpu = process.cpuUsage();
  await cluster.advance("1h");
  const { user, system } = process.cpuUsage(cpu);
  const asked = cluster.server.requests.all().slice(from);
  assert.deepEqual(
    asked.map(({ verb, path }) => `${verb} ${path}`),
    [],
  );
  assert.ok((user + system) / 1e6 < 5, `${(user + system) / 1e6} s of CPU`);
});
