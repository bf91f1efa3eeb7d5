import { describe, test } from "node:test";
import { type FakeCluster, type FakeClusterOptions, fakeCluster } from "../../core/testing/index.ts";
import { webapps } from "../../docs/examples/webapp/webapp.ts";
import mirror from "../../plugins/config-mirror/index.ts";
import { MIRROR_SCENARIOS } from "./mirror-scenarios.ts";
import { WEBAPP_SCENARIOS } from "./webapp-scenarios.ts";
import type { Scenario } from "./world.ts";

const TIMEOUT_MS = 60_000;

/** What runs in a scenario. */
interface Subject {
  readonly name: string;
  readonly scenarios: readonly Scenario[];
  readonly options: () => FakeClusterOptions;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: "config-mirror",
    scenarios: MIRROR_SCENARIOS,
    options: () => ({ plugins: [{ use: mirror, options: { maxBytes: 2000 } }] }),
  },
  { name: "webapp", scenarios: WEBAPP_SCENARIOS, options: () => ({ controllers: [webapps()] }) },
];

/** Ends the controllers in the midst of what they do, some turns of the event loop after a step. */
async function killedAfter(cluster: FakeCluster, turns: number): Promise<void> {
  for (let at = 0; at < turns; at++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await cluster.kill();
}

for (const { name, scenarios, options } of SUBJECTS) {
  describe(name, () => {
    for (const { name: promise, objects = [], steps, check } of scenarios) {
      test(promise, { timeout: TIMEOUT_MS }, async () => {
        await using cluster = await fakeCluster({ ...options(), objects });
        for (const step of steps) {
          await step(cluster);
        }
        await check(cluster);
      });
    }
  });

  describe(`${name}, when it was not running`, () => {
    for (const { name: promise, objects = [], steps, check } of scenarios) {
      test(promise, { timeout: TIMEOUT_MS }, async () => {
        await using cluster = await fakeCluster({ ...options(), objects });
        for (const step of steps) {
          await cluster.kill();
          await step(cluster);
          await cluster.start();
        }
        await check(cluster);
      });
    }
  });

  describe(`${name}, killed in the midst of it`, () => {
    for (const { name: promise, objects = [], steps, check } of scenarios) {
      test(promise, { timeout: TIMEOUT_MS }, async () => {
        for (const turns of [1, 3, 6, 12]) {
          await using cluster = await fakeCluster({ ...options(), objects });
          for (const step of steps) {
            const killing = killedAfter(cluster, turns);
            await step(cluster);
            await killing;
            await cluster.start();
          }
          await check(cluster);
        }
      });
    }
  });
}
