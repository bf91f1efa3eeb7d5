import type { BenchOptions } from "./bench.ts";
import type { CoreRun } from "./core-run.ts";
import { loadNote } from "./machine.ts";
import { median, shown, spread } from "./numbers.ts";
import type { Bar, Report, Table } from "./report.ts";

const CLIENT_GO = "client-go";
const KUBE_RS = "kube-rs";
/** Added to the name of a peer that keeps not one field more than Fairlead. */
export const SAME_FIELDS_ONLY = ", same fields only";
const CLIENT_GO_FIELDS = CLIENT_GO + SAME_FIELDS_ONLY;
const KUBE_RS_FIELDS = KUBE_RS + SAME_FIELDS_ONLY;
/** Fairlead as it comes. */
export const OURS = "fairlead";
/** Fairlead on the calling thread. */
export const OURS_INLINE = "fairlead, inline";

/** Peers that the numbers to hold are measured against: what careful programs do. */
const CAREFUL: PeerSet = { clientGo: CLIENT_GO, all: [CLIENT_GO, KUBE_RS] };
/** Peers that keep not one field more than Fairlead: the hardest comparison, shown beside it. */
const SAME_FIELDS: PeerSet = {
  clientGo: CLIENT_GO_FIELDS,
  all: [CLIENT_GO_FIELDS, KUBE_RS_FIELDS],
};

interface PeerSet {
  readonly clientGo: string;
  readonly all: readonly string[];
}

/** The whole report of the core bench. */
export function reportOf(runs: readonly CoreRun[], options: BenchOptions, names: readonly string[]): Report {
  const of = (name: string): CoreRun[] => runs.filter((run) => run.contender === name);
  const objects = [...new Set(runs.map((run) => run.objects))];
  const ours = [OURS, OURS_INLINE].filter((name) => names.includes(name));
  const loads = runs.map((run) => run.loadBefore);
  return {
    name: "core",
    title: "Core: eight kinds of the seed cluster, beside client-go and kube-rs",
    how: [
      `Pods, services, deployments, replicasets, statefulsets, daemonsets, jobs and cronjobs of the ${options.shape} shape on a real ` +
        `kube-apiserver and etcd (${objects.map(shown).join(" or ")} objects), ${options.runs} interleaved runs of each program, one at ` +
        "a time. Time to sync is from the start of the process; CPU is user and system time of all its threads. Memory is read at the " +
        "moment of sync and again after a pause. CPU per event is what churn of pod updates (labels and conditions in turn) costs above " +
        "idle, after 12 seconds of such churn that are not counted: a program that runs for months is not measured while it warms up.",
      "client-go: shared informers over protobuf with indexes by IP, node, owner and label. kube-rs: streaming lists (JSON) into reflector " +
        "stores, no indexes, single-threaded runtime. Both drop what is large and not read: managed fields, annotations, environment, " +
        "volumes, probes, resources and the like; the rows of the same fields only keep nothing but the fields that Fairlead keeps here. " +
        "Fairlead: those fields and the indexes of client-go, `createController` with its ingest thread (the default) and inline.",
    ],
    tables: [
      syncTable(names, of),
      memoryTable(names, of),
      churnTable(names, of, runs),
      ...(ours.length > 0 ? [sameFieldsTable(ours, of)] : []),
    ],
    bars: ours.flatMap((name) => barsOf(name, CAREFUL, of)),
    notes: [
      loadNote(loads),
      ...ours.map((name) => privateNote(name, of)),
      ...(objects.length > 1 ? ["The programs did not agree on the number of objects: do not trust this table."] : []),
      ...(options.quick ? ["Quick run: short phases, not for comparison."] : []),
    ],
    raw: runs,
  };
}

type RunsOf = (name: string) => readonly CoreRun[];

function syncTable(names: readonly string[], of: RunsOf): Table {
  return {
    title: "To sync",
    columns: ["program", "time to sync, ms", "CPU to sync, ms", "idle CPU, ms/s"],
    rows: names.map((name) => [
      name,
      spread(of(name).map((run) => run.syncedMs)),
      spread(of(name).map((run) => run.cpuToSyncMs)),
      spread(of(name).map((run) => run.idleCpuMsPerSecond)),
    ]),
  };
}

function memoryTable(names: readonly string[], of: RunsOf): Table {
  return {
    title: "Memory, MB",
    columns: [
      "program",
      "resident at sync",
      "resident settled",
      "private settled",
      "peak at sync",
      "resident after churn",
    ],
    rows: names.map((name) => [
      name,
      spread(of(name).map((run) => run.atSync.residentMb)),
      spread(of(name).map((run) => run.settled.residentMb)),
      spread(of(name).map((run) => run.settled.privateMb)),
      spread(of(name).map((run) => run.atSync.peakMb)),
      spread(of(name).map((run) => run.afterChurn.residentMb)),
    ]),
  };
}

function churnTable(names: readonly string[], of: RunsOf, runs: readonly CoreRun[]): Table {
  const rates = runs[0]?.churn.map((at) => at.rate) ?? [];
  const made = rates.map((_, at) => shown(median(runs.map((run) => run.churn[at].madeRate))));
  return {
    title: "CPU per event, µs",
    columns: ["program", ...rates.map((rate, at) => `at ${rate}/s (made ${made[at]}/s)`)],
    rows: names.map((name) => [
      name,
      ...rates.map((_, at) => spread(of(name).map((run) => run.churn[at].cpuUsPerEvent))),
    ]),
  };
}

function privateNote(name: string, of: RunsOf): string {
  const middle = (who: string): number => median(of(who).map((run) => run.settled.privateMb));
  const ratio = middle(name) / Math.min(...CAREFUL.all.map(middle));
  return `Private memory of ${name}, settled: ${shown(middle(name))} MB, ${shown(ratio)} x the better peer.`;
}

/** The same ratios against the peers that keep the same fields only; the bars were not made for them. */
function sameFieldsTable(ours: readonly string[], of: RunsOf): Table {
  const bars = ours.map((name) => barsOf(name, SAME_FIELDS, of));
  return {
    title: "Ratios to the peers with the same fields only",
    columns: ["what", ...ours],
    rows: (bars[0] ?? []).map((bar, at) => [
      bar.what.slice(bar.what.indexOf(": ") + 2),
      ...bars.map((one) => `${shown(one[at].value)} x`),
    ]),
  };
}

function barsOf(name: string, peers: PeerSet, of: RunsOf): Bar[] {
  const middle = (who: string, read: (run: CoreRun) => number): number => median(of(who).map(read));
  const toBetterPeer = (read: (run: CoreRun) => number): number =>
    middle(name, read) / Math.min(...peers.all.map((peer) => middle(peer, read)));
  const bar = (what: string, value: number, limit: number): Bar => ({
    what: `${name}: ${what}`,
    value,
    wants: "at most",
    limit,
    unit: "x",
  });
  const rates = of(name)[0]?.churn.map((at) => at.rate) ?? [];
  return [
    bar(
      "resident settled, to the better peer",
      toBetterPeer((run) => run.settled.residentMb),
      0.55,
    ),
    bar(
      "CPU to sync, to the better peer",
      toBetterPeer((run) => run.cpuToSyncMs),
      0.65,
    ),
    bar(
      "time to sync, to the better peer",
      toBetterPeer((run) => run.syncedMs),
      0.75,
    ),
    ...rates.map((rate, at) => {
      const read = (run: CoreRun): number => run.churn[at].cpuUsPerEvent;
      return bar(`CPU per event at ${rate}/s, to client-go`, middle(name, read) / middle(peers.clientGo, read), 0.45);
    }),
  ];
}
