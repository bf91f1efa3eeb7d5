import type { BenchOptions } from "./bench.ts";
import type { LoadResult } from "./dnsperf.ts";
import { loadNote } from "./machine.ts";
import { median, shown, spread } from "./numbers.ts";
import type { MemoryFigures } from "./process-figures.ts";
import type { Bar, Report, Table } from "./report.ts";

/** One server from its start to its end. */
export interface DnsRun {
  readonly subject: string;
  readonly loadBefore: number;
  readonly firstAnswerMs: number;
  readonly settled: MemoryFigures;
  readonly loaded: MemoryFigures;
  readonly loads: Readonly<Record<string, LoadResult>>;
  /** CPU of the server for one answer, microseconds, by load. */
  readonly cpuUs: Readonly<Record<string, number>>;
}

export const OURS = "Fairlead, dns plugin";
export const ZONE_ONLY = "CoreDNS, kubernetes plugin alone";
export const SHIPPED = "CoreDNS, as clusters ship it";
export const WITHOUT = "Fairlead, same kinds, no plugin";
export const BLOCKED = "Fairlead, main blocked 100 ms/s";
const SERVERS = [OURS, ZONE_ONLY, SHIPPED];
const REFERENCE_CORE = 62_000;

type Part = Pick<Report, "how" | "tables" | "bars" | "notes">;

/** Tables and bars of the bench. */
export function dnsReport(runs: readonly DnsRun[], index: Part, options: BenchOptions): Report {
  const of = (subject: string, figure: (run: DnsRun) => number): readonly number[] =>
    runs.filter((run) => run.subject === subject).map(figure);
  return {
    name: "dns",
    title: "DNS",
    how: [
      `\`fairlead run\` with the dns plugin, as the image runs it, and CoreDNS 1.15.0 on the same real kube-apiserver with the ${options.shape} shape, interleaved, ` +
        `${options.runs} runs of each. The server has core 0 (CoreDNS with GOMAXPROCS=1), dnsperf core 1: one thread, 32 sockets, 128 ` +
        "questions outstanding; by TCP 16 connections. Questions: addresses of services; and a mix of 40 % A, 20 % AAAA without an " +
        "answer, 30 % names of the search path that do not exist, 5 % SRV, 5 % PTR. CoreDNS as clusters ship it has cache, loadbalance " +
        "and prometheus beside the kubernetes plugin; ours always counts, rotates and needs no cache.",
      ...index.how,
    ],
    tables: [answersTable(of), latencyTable(of), restTable(of), ...index.tables],
    bars: [...barsOf(of), ...index.bars],
    notes: [
      loadNote(runs.map((run) => run.loadBefore)),
      `The bar of 190,000 answers/s is meant for a core on which CoreDNS reaches ${shown(REFERENCE_CORE)}; here it is scaled by what CoreDNS as shipped reaches.`,
      ...index.notes,
    ],
    raw: { runs },
  };
}

type Of = (subject: string, figure: (run: DnsRun) => number) => readonly number[];

function answersTable(of: Of): Table {
  const rows = SERVERS.map((subject) => [
    subject,
    ...["services", "mix", "tcp"].flatMap((what) => [
      spread(of(subject, (run) => run.loads[what].perSecond)),
      shown(median(of(subject, (run) => run.cpuUs[what]))),
    ]),
    shown(sum(of(subject, (run) => run.loads.services.lost + run.loads.mix.lost + run.loads.tcp.lost))),
  ]);
  const columns = ["server", "services/s", "CPU µs", "mix/s", "CPU µs", "mix by TCP/s", "CPU µs", "lost"];
  return { title: "Answers a second on one core", columns, rows };
}

function latencyTable(of: Of): Table {
  const row = (subject: string, what: string): readonly string[] => [
    subject,
    ...[
      (one: LoadResult) => one.perSecond,
      (one: LoadResult) => one.p50Ms,
      (one: LoadResult) => one.p99Ms,
      (one: LoadResult) => one.p999Ms,
      (one: LoadResult) => one.mostMs,
    ].map((figure) => spread(of(subject, (run) => figure(run.loads[what])))),
    shown(sum(of(subject, (run) => run.loads[what].lost))),
    shown(sum(of(subject, (run) => run.loads[what].sent))),
  ];
  return {
    title: "Latency at a fixed rate, mix, milliseconds",
    columns: ["server", "questions/s", "p50", "p99", "p99.9", "most", "lost", "sent"],
    rows: [...SERVERS.map((subject) => row(subject, "rate")), row(BLOCKED, "blocked")],
  };
}

function restTable(of: Of): Table {
  return {
    title: "Start and memory",
    columns: ["server", "first right answer, ms", "resident, MB", "private, MB", "resident after load, MB"],
    rows: [...SERVERS, WITHOUT].map((subject) => [
      subject,
      ...[
        (run: DnsRun) => run.firstAnswerMs,
        (run: DnsRun) => run.settled.residentMb,
        (run: DnsRun) => run.settled.privateMb,
        (run: DnsRun) => run.loaded.residentMb,
      ].map((figure) => spread(of(subject, figure))),
    ]),
  };
}

function barsOf(of: Of): readonly Bar[] {
  const rate = (subject: string): number => median(of(subject, (run) => run.loads.services.perSecond));
  const resident = (subject: string): number => median(of(subject, (run) => run.settled.residentMb));
  const lost = sum(of(BLOCKED, (run) => run.loads.blocked.lost));
  const sent = sum(of(BLOCKED, (run) => run.loads.blocked.sent));
  const atMost = (what: string, value: number, limit: number, unit: string): Bar => ({
    what,
    value,
    wants: "at most",
    limit,
    unit,
  });
  const core = rate(SHIPPED) / REFERENCE_CORE;
  return [
    {
      what: "answers/s against CoreDNS as shipped",
      value: rate(OURS) / rate(SHIPPED),
      wants: "at least",
      limit: 3,
      unit: "x",
    },
    { what: "answers/s on a core", value: rate(OURS), wants: "at least", limit: 190_000 * core, unit: "/s" },
    atMost("p99 at 20,000/s", median(of(OURS, (run) => run.loads.rate.p99Ms)), 1, "ms"),
    atMost(`lost of ${shown(sent)} while main is blocked 100 ms each second`, lost, 0, ""),
    atMost("resident cost of the plugin", resident(OURS) - resident(WITHOUT), 15, "MB"),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
