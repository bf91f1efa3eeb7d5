import assert from "node:assert/strict";
import { test } from "node:test";
import type { PluginSite } from "./plugin-site.ts";
import { siteLog } from "./site-log-metrics.ts";

test("a plugin in JavaScript may log a text alone", () => {
  const lines: unknown[] = [];
  // Only `log` of the site is called.
  const site = { log: (...line: unknown[]) => void lines.push(line) } as unknown as PluginSite;
  const log = siteLog(site) as unknown as { info(...given: unknown[]): void };
  log.info("all is well");
  log.info({ pods: 3 }, "seen");
  log.info({ pods: 4 });
  assert.deepEqual(lines, [
    ["info", {}, "all is well"],
    ["info", { pods: 3 }, "seen"],
    ["info", { pods: 4 }, ""],
  ]);
});
