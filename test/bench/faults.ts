import type { BenchOptions } from "./bench.ts";
import type { Bar, Report } from "./report.ts";

/** What other Node runtimes do in the same cases, measured on a scripted server. "" = not measured. */
const PEERS: readonly (readonly [id: string, fault: string, client14: string, client20: string, fluent: string])[] = [
  ["A", "watch answered with 500", "stops for good", "stops for good", "relists each 1.5 s"],
  ["B", "watch answered with 429 and Retry-After", "stops for good", "stops for good", ""],
  ["C", "list answered with 503", "stops for good", "stops for good", "goes on as if synced"],
  ["D", "connection reset in mid-stream", "stops for good", "stops for good", "relists each 0.23 s; objects flap"],
  ["E", "handler throws on an event", "unhandled rejection", "unhandled rejection", ""],
  ["E2", "handler throws on the first list", "start() rejects, dead", "start() rejects, dead", ""],
  ["F", "stop() while a list is in flight", "opens a watch after stop", "opens a watch after stop", ""],
  ["G", "frame cut, then close", "resumes", "resumes after 1 s", ""],
  ["H", "ERROR event 500 in the stream", "swallowed", "swallowed", ""],
  ["I", "ERROR event 410, object gone", "relists, deletes", "relists, deletes", "relists, deletes"],
  ["J", "every watch is closed at once", "13,600-20,600 requests in 8 s", "5 watches in 8 s", "6,889 requests in 8 s"],
  ["K", "every watch ends after one event", "3,200-3,700 in 3 s", "1,434 in 3 s", ""],
  ["L", "watch falls silent", "hangs", "reconnects at 30 s", "hangs"],
  ["M", "black hole", "start() hangs", "retries each 30 s", ""],
  ["O", "slow handler, added then deleted", "in order", "in order", "deleted seen before added"],
];

/** The fault scoreboard against the in-process API server, beside what was measured of other Node runtimes. */
export async function benchFaults(options: BenchOptions): Promise<Report> {
  const { runScoreboard } = await import("../faults/scoreboard.ts");
  const rows = await runScoreboard({
    onRow: (row) =>
      options.progress(`${row.id} ${row.protocol} ${row.title}: ${row.passed ? "recovered" : `not: ${row.reason}`}`),
  });
  const failed = rows.filter((row) => !row.passed).length;
  const bar: Bar = {
    what: "cases not recovered from, or over their requests",
    value: failed,
    wants: "at most",
    limit: 0,
    unit: "",
  };
  return {
    name: "faults",
    title: "Fault scoreboard",
    page: "docs/reference/faults.md",
    how: [
      "Each case runs against an API server of its own that misbehaves by script, over HTTP/1.1 and HTTP/2. It passes when the store " +
        "equals the server afterwards, one more change came through, and no more requests and loads of everything were made than the case allows.",
    ],
    tables: [
      {
        title: "Fairlead",
        columns: ["case", "fault", "protocol", "recovered, correct", "requests", "loads", "ms"],
        rows: rows.map((row) => [
          row.id,
          row.title,
          row.protocol,
          row.passed ? "yes" : `no: ${row.reason}`,
          String(row.requests),
          String(row.loads),
          String(row.ms),
        ]),
      },
      {
        title: "Other Node runtimes in cases A to O",
        columns: ["case", "fault", "client-node 1.4.0", "client-node 2.0.1", "kubernetes-fluent-client 3.11.6"],
        rows: PEERS.map((row) => row.map((cell) => (cell === "" ? "not measured" : cell))),
      },
    ],
    bars: [bar],
    notes: [],
    raw: rows,
  };
}
