import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClosedLabels, PluginMetrics } from "../../core/api/index.ts";
import { COUNTER_BYTES, Counters, SIZE_BUCKETS, SOURCE, sizeCells, ZONE } from "./counters.ts";
import { question } from "./desk.test-support.ts";
import { metricRoll } from "./metrics.ts";
import { queryLog } from "./query-log.ts";

/** Metrics as a plain table: "name{labels}" -> value; histograms as [value, times] pairs. */
function recorded() {
  const values = new Map<string, number>();
  const observed: [string, number, number][] = [];
  const key = (name: string, given: readonly unknown[]): string =>
    `${name}${given.length > 0 ? JSON.stringify(given[0]) : ""}`;
  const metrics = (prefix: string): PluginMetrics => ({
    counter: (name: string, _help: string, _labels?: ClosedLabels) => ({
      inc: () => assert.fail("counters are added to"),
      add: (by: number, ...at: readonly unknown[]) => {
        assert.ok(by > 0);
        values.set(key(prefix + name, at), (values.get(key(prefix + name, at)) ?? 0) + by);
      },
    }),
    gauge: (name: string) => ({
      set: (value: number, ..._at: readonly unknown[]) => {
        values.set(prefix + name, value);
      },
    }),
    histogram: (name: string) => ({
      observe: () => {
        assert.fail("values were counted elsewhere");
      },
      observeMany: (value: number, times: number, ..._at: readonly unknown[]) => {
        observed.push([prefix + name, value, times]);
      },
    }),
    named: (other: string) => metrics(`${other}_`),
  });
  return { metrics: metrics("own_"), values, observed };
}

test("what threads count becomes metrics once, whichever thread it was, also after a thread began anew", () => {
  const memory = new SharedArrayBuffer(2 * COUNTER_BYTES);
  const threads = [new Counters(memory, 0), new Counters(memory, COUNTER_BYTES)];
  const { metrics, values, observed } = recorded();
  const roll = metricRoll(metrics, threads, { zone: "cluster.local", server: "dns://127.0.0.1:53" });
  threads[0].request(1, ZONE.own, false, false, 40);
  threads[1].request(1, ZONE.own, false, false, 60);
  threads[1].request(999, ZONE.other, true, true, 60);
  threads[0].response(3, ZONE.own, SOURCE.zone, false, 120);
  threads[0].response(16, ZONE.other, SOURCE.forward, true, 70_000 - 10_000);
  threads[0].dnssecOk(ZONE.own);
  threads[0].duration(ZONE.own, 0.000_004, 64);
  threads[1].duration(ZONE.own, 0.3, 1);
  threads[0].count("panics", 2);
  threads[1].set("tcpOpen", 3);
  threads[0].setExtra(0, 12);
  roll.roll();
  roll.roll();
  const server = { server: "dns://127.0.0.1:53", view: "" };
  const own = { ...server, zone: "cluster.local." };
  const expected: readonly (readonly [string, number])[] = [
    [`coredns_dns_requests_total${JSON.stringify({ ...own, proto: "udp", family: "1", type: "A" })}`, 2],
    [
      `coredns_dns_requests_total${JSON.stringify({ ...server, zone: ".", proto: "tcp", family: "2", type: "other" })}`,
      1,
    ],
    [`coredns_dns_responses_total${JSON.stringify({ ...own, rcode: "NXDOMAIN", plugin: "kubernetes" })}`, 1],
    [`coredns_dns_responses_total${JSON.stringify({ ...server, zone: ".", rcode: "other", plugin: "forward" })}`, 1],
    [`coredns_dns_do_requests_total${JSON.stringify(own)}`, 1],
    ["coredns_panics_total", 2],
    ["own_panics_total", 2],
    ["own_tcp_open", 3],
    ["own_index_names", 12],
  ];
  for (const [name, value] of expected) {
    assert.equal(values.get(name), value, name);
  }
  assert.deepEqual(
    observed.filter(([name]) => name.endsWith("duration_seconds")),
    [
      ["coredns_dns_request_duration_seconds", 0.000_004, 64],
      ["coredns_dns_request_duration_seconds", 0.3, 1],
    ],
  );
  assert.deepEqual(
    observed.filter(([name]) => name.includes("request_size")).map(([, value, times]) => [value, times]),
    [
      [50, 2],
      [60, 1],
    ],
  );
  assert.equal(roll.queries, 3);
  assert.equal(roll.sum("panics"), 2);
});

test("the query log takes its part of the queries, and never more lines a second than it may", () => {
  const lines: unknown[] = [];
  let nowMs = 0;
  let counted = 0;
  const silent = (): void => {};
  const make = (sample: number) =>
    queryLog({
      sample,
      perSecond: 5,
      log: { debug: silent, warn: silent, error: silent, info: (fields) => void lines.push(fields) },
      now: () => nowMs,
      random: () => 0.5,
      logged: () => counted++,
    });
  const query = question("Cart.example.test", "TXT");
  const reply = Buffer.from(query);
  reply[3] = 3;
  const from = { address: "192.0.2.1", tcp: true, maxBytes: 512 };
  assert.equal(make(0), undefined);
  make(0.4)?.(query, reply, from, 0.001);
  assert.equal(lines.length, 0);
  const log = make(0.6);
  for (let i = 0; i < 20; i++) {
    log?.(query, reply, from, 0.0012345);
  }
  nowMs = 1000;
  log?.(query, reply, from, 0.001);
  assert.deepEqual([lines.length, counted], [6, 6]);
  assert.deepEqual(lines[0], {
    client: "192.0.2.1",
    proto: "tcp",
    name: "Cart.example.test.",
    type: "TXT",
    rcode: "NXDOMAIN",
    bytes: reply.length,
    ms: 1.235,
  });
});

test("a size falls into the first bucket that it does not exceed, small or large", () => {
  const counters = new Counters(new SharedArrayBuffer(COUNTER_BYTES));
  const { at } = sizeCells("responses", "udp");
  const bucketOf = (bytes: number): number => {
    counters.cells.fill(0);
    counters.response(0, ZONE.own, SOURCE.zone, false, bytes);
    return (counters.cells.findIndex((value, cell) => cell >= at && value > 0) - at) / 2;
  };
  const ends = SIZE_BUCKETS.slice(1);
  assert.deepEqual(
    ends.map((end) => [bucketOf(end), bucketOf(end + 1)]),
    ends.map((_end, of) => [of + 1, of + 2]),
  );
  assert.equal(bucketOf(65_535), SIZE_BUCKETS.length);
});
