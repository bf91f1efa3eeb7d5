import assert from "node:assert/strict";
import { test } from "node:test";
import { type OpenMetricsContentType, Registry } from "prom-client";
import { METRIC_GROUPS, PROCESS_METRICS } from "./metric-names.ts";
import { type ControllerMetrics, openMetrics } from "./metrics.ts";
import { PluginMetricValues } from "./metrics-plugins.ts";
import {
  electionSource,
  figureSources,
  ingestSource,
  kindStatus,
  pluginFigures,
  pluginInfo,
  reconcileSource,
  shardSource,
} from "./metrics-sources.test-support.ts";

/** A line of the text format with this beginning. */
const lineOf = (text: string, start: string): string | undefined =>
  text.split("\n").find((line) => line.startsWith(start) && !line.startsWith("#"));

async function shown(metrics: ControllerMetrics): Promise<string> {
  const text = await metrics.registry.metrics();
  metrics.close();
  return text;
}

test("kinds, store, threads, plugins, hooks, loop and process are shown", async () => {
  const sources = figureSources(
    {
      pods: kindStatus({ drift: 2 }),
      secrets: kindStatus({ synced: false, currentAtMs: 0, phase: 6 }),
      widgets: kindStatus({ currentAtMs: 0, phase: 5 }),
    },
    pluginFigures({
      infos: () => [pluginInfo({ state: "restarting", restarts: 2 })],
      failures: () => new Map([["dns", 4]]),
      kubeFigures: () => new Map([["dns", { reads: 5, writes: 3, dryRuns: 1, refused: 9, failed: 2 }]]),
      droppedSamples: () => new Map([["dns", 6]]),
      hookFigures: () => [{ hook: "changes:pods", plugin: "dns", calls: 8, errors: 1, p99Ms: 2.5, longestMs: 40 }],
      threads: () => [
        {
          name: "dns/server",
          state: "gone",
          restarts: 3,
          figures: () => Promise.reject(new Error("it is gone")),
        },
      ],
    }),
  );
  const text = await shown(await openMetrics(sources));
  for (const line of [
    'fairlead_kind_objects{kind="pods"} 3',
    'fairlead_kind_drift_total{kind="pods"} 2',
    'fairlead_kind_staleness_seconds{kind="secrets"} +Inf',
    'fairlead_kind_phase{kind="secrets",phase="forbidden"} 1',
    'fairlead_kind_phase{kind="secrets",phase="watching"} 0',
    "fairlead_store_bytes 196608",
    'fairlead_store_segments{use="free"} 4',
    'fairlead_store_kind_record_bytes{kind="pods"} 1200',
    "fairlead_connection_received_bytes_total 9000",
    'fairlead_thread_cpu_seconds_total{thread="ingest"} 1.5',
    'fairlead_thread_state{thread="ingest",state="running"} 1',
    'fairlead_thread_state{thread="dns/server",state="gone"} 1',
    'fairlead_thread_restarts_total{thread="dns/server"} 3',
    'fairlead_plugin_state{plugin="dns",state="restarting"} 1',
    'fairlead_plugin_restarts_total{plugin="dns"} 2',
    'fairlead_plugin_failures_total{plugin="dns"} 4',
    'fairlead_plugin_dropped_samples_total{plugin="dns"} 6',
    'fairlead_plugin_api_refused_total{plugin="dns"} 9',
    'fairlead_hook_errors_total{hook="changes:pods",plugin="dns"} 1',
    'fairlead_hook_longest_seconds{hook="changes:pods",plugin="dns"} 0.04',
    `nodejs_version_info{version="${process.version}"} 1`,
  ]) {
    assert.equal(lineOf(text, line.slice(0, line.lastIndexOf(" ") + 1)), line);
  }
  for (const name of ["fairlead_main_loop_delay_longest_seconds", "process_resident_memory_bytes"]) {
    assert.match(text, new RegExp(`^${name} [0-9.e+-]+$`, "m"));
  }
  assert.equal(lineOf(text, 'fairlead_thread_heap_used_bytes{thread="dns/server"}'), undefined);
  assert.equal(lineOf(text, 'fairlead_kind_staleness_seconds{kind="widgets"}'), undefined);
});

test("every metric has the form that Prometheus wants, one name and one type", async () => {
  const all = [...METRIC_GROUPS, PROCESS_METRICS].flatMap((group) => group.metrics);
  const names = all.map((metric) => metric.name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type } of all) {
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.ok(
      name.startsWith("fairlead_") ||
        /^(process|nodejs|leader_election|controller_runtime|workqueue|rest_client)_/.test(name),
      name,
    );
  }
  const text = await shown(await openMetrics(figureSources()));
  assert.deepEqual([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name).sort(), names.sort());
  for (const line of text.split("\n").filter((each) => each !== "" && !each.startsWith("#"))) {
    assert.match(line, /^[a-z0-9_]+(\{([a-z]+="[^"]*",?)+\})? [-+0-9.eInf]+$/);
  }
});

test("every label that is shown is declared in the table", async () => {
  const plugins = pluginFigures({
    infos: () => [pluginInfo()],
    kubeFigures: () => new Map([["dns", { reads: 5, writes: 3, dryRuns: 1, refused: 9, failed: 2 }]]),
    hookFigures: () => [{ hook: "start", plugin: "dns", calls: 1, errors: 0, p99Ms: 1, longestMs: 1 }],
  });
  const sources = figureSources(undefined, { ...plugins, ...electionSource(), ...shardSource(), ...reconcileSource() });
  const text = await shown(await openMetrics(sources));
  for (const { name: told, type, labels } of [...METRIC_GROUPS, PROCESS_METRICS].flatMap((group) => group.metrics)) {
    const name = type === "histogram" ? `${told}_sum` : told;
    const line = text.split("\n").find((each) => each.startsWith(name) && /[{ ]/.test(each.charAt(name.length)));
    const found = [...(line ?? "").matchAll(/([a-z]+)="/g)].map(([, label]) => label);
    assert.ok(line !== undefined, `${name} is never shown`);
    assert.deepEqual(found, labels, name);
  }
});

test("metrics of plugins are shown whether they are declared before or after, and gone when the plugin is", async () => {
  const plugins = new PluginMetricValues();
  const before = plugins.declare("dns", { type: "counter", name: "a_total", help: "A.", labels: { code: ["ok"] } });
  const metrics = await openMetrics(figureSources());
  metrics.show(plugins);
  const after = plugins.declare("dns", { type: "histogram", name: "b", help: "B.", labels: {}, buckets: [1, 5] });
  plugins.record(before, 2, { code: "ok" });
  plugins.record(after, 3, {});
  const text = await metrics.registry.metrics();
  assert.match(text, /^fairlead_dns_a_total\{code="ok"\} 2$/m);
  assert.match(text, /^# TYPE fairlead_dns_b histogram$/m);
  assert.match(text, /^fairlead_dns_b_bucket\{le="5"\} 1$/m);
  assert.match(text, /^fairlead_dns_b_bucket\{le="\+Inf"\} 1$/m);
  plugins.forget("dns");
  assert.doesNotMatch(await shown(metrics), /^fairlead_dns_[ab]\S* /m);
});

test("a scrape reads the figures once, for all metrics of one moment", async () => {
  let reads = 0;
  const sources = figureSources();
  const { stats } = sources.store;
  const counting = {
    ...sources,
    store: {
      ...sources.store,
      stats: () => {
        reads++;
        return stats();
      },
    },
  };
  const metrics = await openMetrics(counting);
  assert.equal(reads, 0);
  await metrics.registry.metrics();
  assert.equal(reads, 1);
  await Promise.all([metrics.registry.metrics(), metrics.registry.metrics()]);
  assert.equal(reads, 2);
  metrics.close();
});

test("two controllers share a registry under two names, and the one that ends takes only its own with it", async () => {
  const registry = new Registry();
  registry.setDefaultLabels({ zone: "a" });
  const east = await openMetrics(figureSources({ pods: kindStatus({ objects: 1 }) }), { registry, name: "east" });
  const west = await openMetrics(figureSources({ pods: kindStatus({ objects: 2 }) }), { registry, name: "west" });
  const text = await registry.metrics();
  assert.match(text, /^fairlead_kind_objects\{controller="east",kind="pods",zone="a"\} 1$/m);
  assert.match(text, /^fairlead_kind_objects\{controller="west",kind="pods",zone="a"\} 2$/m);
  assert.doesNotMatch(text, /process_cpu/);
  east.close();
  const rest = await registry.metrics();
  assert.doesNotMatch(rest, /east/);
  assert.match(rest, /west/);
  west.close();
  assert.deepEqual(registry.getMetricsAsArray(), []);
});

test("a registry that is taken is refused, and left as it was", async () => {
  const registry = new Registry();
  const first = await openMetrics(figureSources(), { registry });
  const count = registry.getMetricsAsArray().length;
  await assert.rejects(openMetrics(figureSources(), { registry }), {
    code: "METRIC_REGISTRY_TAKEN",
    message: /own name/,
  });
  assert.equal(registry.getMetricsAsArray().length, count);
  assert.match(await registry.metrics(), /^fairlead_kind_objects\{kind="pods"\} 3$/m);
  first.close();
  const { Gauge } = await import("prom-client");
  const foreign = new Gauge({ name: "fairlead_kind_synced", help: "Of somebody else.", registers: [registry] });
  foreign.set(1);
  await assert.rejects(openMetrics(figureSources(), { registry }), {
    code: "METRIC_REGISTRY_TAKEN",
  });
  assert.equal(registry.getMetricsAsArray().length, 1);
});

test("OpenMetrics is understood too", async () => {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const metrics = await openMetrics(figureSources(), { registry });
  for (let i = 0; i < 2; i++) {
    const text = await registry.metrics();
    assert.match(text, /^# TYPE fairlead_kind_events counter$/m);
    assert.match(text, /^fairlead_kind_events_total\{kind="pods"\} 5$/m);
    assert.match(text, /# EOF\n$/);
  }
  metrics.close();
  assert.deepEqual(registry.getMetricsAsArray(), []);
});

test("a thread that does not answer holds a scrape up for a second at most", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const failure = { message: "it ended", final: false };
  const silent = ingestSource({ restarts: 1, failure, figures: () => new Promise(() => {}) });
  const sources = figureSources(undefined, silent);
  const metrics = await openMetrics(sources);
  const scrape = metrics.registry.metrics();
  t.mock.timers.tick(1000);
  const text = await scrape;
  assert.match(text, /^fairlead_thread_state\{thread="ingest",state="restarting"\} 1$/m);
  assert.doesNotMatch(text, /^fairlead_connections /m);
  metrics.close();
});
