import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields } from "../log.ts";
import { silentLogger } from "../log.ts";
import { figureSources, kindStatus, pluginFigures } from "./metrics-sources.test-support.ts";
import { readStatistics, type StatisticsReading, StatisticsTimer, statisticsOf } from "./statistics.ts";

const reading = (more: Partial<StatisticsReading> = {}): StatisticsReading => ({
  atMs: 0,
  objects: { pods: 3 },
  events: 100,
  reconnects: 2,
  relists: 0,
  errors: 1,
  drift: 0,
  hooks: { calls: 50, errors: 0 },
  residentBytes: 99_960_000,
  heapBytes: 20_000_000,
  storeBytes: 8_388_608,
  cpuMs: 4000,
  ...more,
});

test("counters are told since the line before, sizes as they are", () => {
  const slowest = { hook: "changes:pods", plugin: "dns", longestMs: 12.3456 };
  const now = reading({
    atMs: 60_000,
    objects: { pods: 5 },
    events: 700,
    reconnects: 3,
    drift: 1,
    hooks: { calls: 250, errors: 4, slowest },
    cpuMs: 5500,
  });
  const plugins = new Map<string, unknown>([
    ["dns", { answers: 7, name: "text", broken: Number.NaN }],
    ["empty", { text: "" }],
    ["garbage", "text"],
    ["null", null],
  ]);
  assert.deepEqual(statisticsOf(reading(), now, plugins), {
    seconds: 60,
    objects: { pods: 5 },
    events: 600,
    reconnects: 1,
    relists: 0,
    errors: 0,
    drift: 1,
    hookCalls: 200,
    hookErrors: 4,
    slowestHook: "dns changes:pods",
    slowestHookMs: 12.35,
    residentMb: 100,
    heapMb: 20,
    storeMb: 8.4,
    cpuPercent: 2.5,
    plugins: { dns: { answers: 7 } },
  });
});

test("a counter that began anew is told as 0, not below", () => {
  const fields = statisticsOf(reading({ events: 500 }), reading({ atMs: 1000, events: 20 }));
  assert.equal(fields.events, 0);
  assert.equal("plugins" in fields, false);
});

test("a reading sums over kinds and finds the slowest hook", () => {
  const hook = { calls: 2, errors: 1, p99Ms: 1 };
  const sources = figureSources(
    { pods: kindStatus({ events: 5, drift: 1 }), services: kindStatus({ events: 7, objects: 9 }) },
    pluginFigures({
      hookFigures: () => [
        { ...hook, hook: "start", plugin: "dns", longestMs: 4 },
        { ...hook, hook: "changes:pods", plugin: "usage", longestMs: 40 },
      ],
    }),
  );
  const { objects, events, drift, hooks, storeBytes } = readStatistics(sources);
  assert.deepEqual([objects, events, drift, storeBytes], [{ pods: 3, services: 9 }, 12, 1, 196_608]);
  assert.deepEqual([hooks.calls, hooks.errors, hooks.slowest?.plugin], [4, 2, "usage"]);
});

test("one line a turn of the timer, with the figures of plugins, and none after the stop", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const lines: [LogFields, string][] = [];
  let told = Promise.withResolvers<void>();
  const log = {
    ...silentLogger,
    info: (fields: LogFields, message: string) => {
      lines.push([fields, message]);
      told.resolve();
    },
  };
  let answer = Promise.resolve(new Map<string, unknown>([["dns", { answers: 1 }]]));
  const sources = figureSources(undefined, pluginFigures({ stats: () => answer }));
  const timer = new StatisticsTimer(sources, log, 60_000);
  t.mock.timers.tick(60_000);
  await told.promise;
  assert.equal(lines.length, 1);
  assert.equal(lines[0][1], "statistics");
  assert.deepEqual(lines[0][0].plugins, { dns: { answers: 1 } });
  const slow = Promise.withResolvers<Map<string, unknown>>();
  answer = slow.promise;
  t.mock.timers.tick(180_000);
  assert.equal(lines.length, 1);
  told = Promise.withResolvers();
  slow.resolve(new Map());
  await told.promise;
  assert.equal(lines.length, 2);
  t.mock.timers.tick(60_000);
  timer.stop();
  t.mock.timers.tick(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(lines.length, 2);
});
