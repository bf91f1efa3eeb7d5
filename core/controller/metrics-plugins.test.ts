import assert from "node:assert/strict";
import { test } from "node:test";
import { PluginMetricValues } from "./metrics-plugins.ts";
import type { MetricDeclaration } from "./plugin-site.ts";

const counter = (more: Partial<MetricDeclaration> = {}): MetricDeclaration => ({
  type: "counter",
  name: "queries_total",
  help: "Queries answered.",
  labels: {},
  ...more,
});

const shown = (values: PluginMetricValues, name: string): unknown =>
  values
    .find(name)
    ?.samples()
    .map(({ labels, value, metricName }) => [metricName ?? "", { ...labels }, value]);

test("a counter without labels begins at 0 and counts up", () => {
  const values = new PluginMetricValues();
  const number = values.declare("network-usage", counter());
  assert.deepEqual(shown(values, "fairlead_network_usage_queries_total"), [["", {}, 0]]);
  values.record(number, 2, {});
  values.record(number, 0.5, {});
  assert.deepEqual(shown(values, "fairlead_network_usage_queries_total"), [["", {}, 2.5]]);
});

test("series of declared labels are kept apart, and only those that were used are shown", () => {
  const values = new PluginMetricValues();
  const labels = { code: ["ok", "refused", "failed"], side: ["in", "out"] };
  const number = values.declare("dns", counter({ labels }));
  values.record(number, 1, { code: "failed", side: "in" });
  values.record(number, 3, { side: "out", code: "ok" });
  assert.deepEqual(shown(values, "fairlead_dns_queries_total"), [
    ["", { side: "out", code: "ok" }, 3],
    ["", { side: "in", code: "failed" }, 1],
  ]);
});

test("a value that was not declared is dropped, a label that was not declared is left out; both are counted", () => {
  const values = new PluginMetricValues();
  const number = values.declare("dns", counter({ labels: { code: ["ok"] } }));
  values.record(number, 1, { code: "surprise" });
  values.record(number, 1, {});
  values.record(number, 1, { code: "ok", pod: "cart-1" });
  assert.deepEqual(shown(values, "fairlead_dns_queries_total"), [["", { code: "ok" }, 1]]);
  assert.deepEqual([...values.dropped()], [["dns", 3]]);
});

test("recording never throws, whatever comes", () => {
  const values = new PluginMetricValues();
  const number = values.declare("dns", counter({ labels: { code: ["ok"] } }));
  const garbage: unknown[] = [null, undefined, "text", 7, { code: null }, { code: { toString: null } }, []];
  for (const labels of garbage) {
    // A plugin in JavaScript, or a message of a thread, may hand over anything.
    values.record(number, 1, labels as Record<string, string>);
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, "1" as unknown as number]) {
    values.record(number, value, { code: "ok" });
  }
  values.record(99, 1, {});
  values.record(-1, 1, {});
  assert.deepEqual(shown(values, "fairlead_dns_queries_total"), []);
  assert.equal(values.dropped().get("dns"), garbage.length + 4);
});

test("a histogram shows what Prometheus expects: buckets that include the smaller ones, sum and count", () => {
  const values = new PluginMetricValues();
  const number = values.declare("dns", counter({ type: "histogram", name: "seconds", buckets: [0.1, 1] }));
  for (const value of [0.05, 0.1, 0.5, 3]) {
    values.record(number, value, {});
  }
  assert.deepEqual(shown(values, "fairlead_dns_seconds"), [
    ["fairlead_dns_seconds_bucket", { le: 0.1 }, 2],
    ["fairlead_dns_seconds_bucket", { le: 1 }, 3],
    ["fairlead_dns_seconds_bucket", { le: "+Inf" }, 4],
    ["fairlead_dns_seconds_sum", {}, 3.65],
    ["fairlead_dns_seconds_count", {}, 4],
  ]);
});

test("a gauge shows its last value, and nothing before the first", () => {
  const values = new PluginMetricValues();
  const number = values.declare("dns", counter({ type: "gauge", name: "zones" }));
  assert.deepEqual(shown(values, "fairlead_dns_zones"), []);
  values.record(number, 5, {});
  values.record(number, -2, {});
  assert.deepEqual(shown(values, "fairlead_dns_zones"), [["", {}, -2]]);
});

test("the same declaration is the same metric, also after its plugin was started again", () => {
  const values = new PluginMetricValues();
  const first = values.declare("dns", counter({ labels: { code: ["ok"] } }));
  assert.equal(values.declare("dns", counter({ labels: { code: ["ok"] } })), first);
  assert.throws(() => values.declare("dns", counter({ labels: { code: ["ok", "no"] } })), { code: "METRIC_CONFLICT" });
  values.forget("dns");
  const second = values.declare("dns", counter({ labels: { code: ["ok", "no"] } }));
  values.record(first, 1, { code: "ok" });
  values.record(second, 1, { code: "no" });
  assert.deepEqual(shown(values, "fairlead_dns_queries_total"), [["", { code: "no" }, 1]]);
});

const refused: readonly (readonly [string, Partial<MetricDeclaration>, string])[] = [
  ["a name with a dash", { name: "a-b" }, "METRIC_BAD_NAME"],
  ["no name", { name: "" }, "METRIC_BAD_NAME"],
  ["no help", { help: "" }, "METRIC_BAD_NAME"],
  ["an unknown type", { type: "summary" as "gauge" }, "METRIC_BAD_NAME"],
  ["a label that Prometheus keeps for itself", { labels: { __name__: ["x"] } }, "METRIC_BAD_LABELS"],
  ["the label of histograms", { labels: { le: ["x"] } }, "METRIC_BAD_LABELS"],
  ["a label without values", { labels: { code: [] } }, "METRIC_BAD_LABELS"],
  ["a value given twice", { labels: { code: ["a", "a"] } }, "METRIC_BAD_LABELS"],
  ["values that are no list", { labels: { code: "abc" as unknown as string[] } }, "METRIC_BAD_LABELS"],
  ["a histogram without buckets", { type: "histogram" }, "METRIC_BAD_BUCKETS"],
  ["buckets that fall", { type: "histogram", buckets: [2, 1] }, "METRIC_BAD_BUCKETS"],
  [
    "more series than a scrape can bear",
    { labels: Object.fromEntries(["a", "b", "c"].map((l) => [l, Array.from({ length: 40 }, (_, i) => `${i}`)])) },
    "METRIC_TOO_MANY",
  ],
];
for (const [what, more, code] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => new PluginMetricValues().declare("dns", counter(more)), { code });
  });
}

test("two plugins cannot meet in one name, nor a plugin and Fairlead", () => {
  const values = new PluginMetricValues();
  values.declare("a-b", counter({ name: "c" }));
  assert.throws(() => values.declare("a", counter({ name: "b_c" })), { code: "METRIC_CONFLICT" });
  assert.throws(() => values.declare("store", counter({ name: "bytes" })), { code: "METRIC_CONFLICT" });
  values.declare("plugin-audit", counter({ name: "state" }));
  values.declare("dns", counter({ type: "histogram", name: "seconds", buckets: [1] }));
  assert.throws(() => values.declare("dns", counter({ name: "seconds_count" })), { code: "METRIC_CONFLICT" });
});

test("a plugin that declares without end is stopped", () => {
  const values = new PluginMetricValues();
  assert.throws(
    () => {
      for (let i = 0; ; i++) {
        values.declare("dns", counter({ name: `m_${i}` }));
      }
    },
    { code: "METRIC_TOO_MANY" },
  );
});

test("whoever watches is told of metrics that are there and of later ones, until it stops", () => {
  const values = new PluginMetricValues();
  const told: string[] = [];
  values.declare("dns", counter({ name: "a" }));
  const stop = values.watch((metric) => told.push(metric.fullName));
  values.declare("dns", counter({ name: "b" }));
  stop();
  values.declare("dns", counter({ name: "c" }));
  assert.deepEqual(told, ["fairlead_dns_a", "fairlead_dns_b"]);
});

test("a metric may have the name that dashboards of another product know, and no other foreign one", () => {
  const values = new PluginMetricValues();
  const number = values.declare("dns", counter({ prefix: "coredns", name: "dns_requests_total" }));
  values.record(number, 5, {});
  assert.deepEqual(shown(values, "coredns_dns_requests_total"), [["", {}, 5]]);
  assert.throws(() => values.declare("dns", counter({ prefix: "process" })), {
    code: "METRIC_BAD_NAME",
    message:
      'metric "queries_total" of plugin "dns": the prefix "process" is not one of those that others made known: coredns',
  });
  values.forget("dns");
  assert.equal(values.find("coredns_dns_requests_total"), undefined);
});

test("a histogram takes values that were counted elsewhere", () => {
  const values = new PluginMetricValues();
  const number = values.declare("dns", { ...counter({ name: "seconds" }), type: "histogram", buckets: [1, 2] });
  values.record(number, 1.5, {}, 64);
  values.record(number, 0.5, {});
  values.record(number, 1, {}, 0.5);
  assert.deepEqual(shown(values, "fairlead_dns_seconds"), [
    ["fairlead_dns_seconds_bucket", { le: 1 }, 1],
    ["fairlead_dns_seconds_bucket", { le: 2 }, 65],
    ["fairlead_dns_seconds_bucket", { le: "+Inf" }, 65],
    ["fairlead_dns_seconds_sum", {}, 96.5],
    ["fairlead_dns_seconds_count", {}, 65],
  ]);
  assert.deepEqual([...values.dropped()], [["dns", 1]]);
});

test("a new life of a plugin may declare other labels, another plugin may not", () => {
  const values = new PluginMetricValues();
  const first = values.declare("dns", counter({ labels: { server: ["one"] } }));
  values.record(first, 1, { server: "one" });
  assert.throws(() => values.declare("dns", counter({ labels: { server: ["two"] } })), { code: "METRIC_CONFLICT" });
  values.endLife("dns");
  assert.deepEqual(shown(values, "fairlead_dns_queries_total"), [["", { server: "one" }, 1]]);
  const second = values.declare("dns", counter({ labels: { server: ["two"] } }));
  values.record(first, 1, { server: "one" });
  values.record(second, 1, { server: "two" });
  assert.deepEqual(shown(values, "fairlead_dns_queries_total"), [["", { server: "two" }, 1]]);
  values.endLife("dns");
  assert.throws(() => values.declare("dns", { ...counter(), type: "gauge" }), { code: "METRIC_CONFLICT" });
});
