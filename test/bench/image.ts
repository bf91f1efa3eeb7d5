import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CgroupFigures } from "../cluster/cgroup.ts";
import { churn, startCluster } from "../cluster/cluster.ts";
import { ensureImage } from "../e2e/built-image.ts";
import { type UnpackedImage, unpackImage } from "../e2e/container.ts";
import { type InCluster, inCluster } from "../e2e/in-cluster.ts";
import type { BenchOptions } from "./bench.ts";
import { loadAverage, loadNote } from "./machine.ts";
import { median, shown, spread } from "./numbers.ts";
import type { Bar, Report, Table } from "./report.ts";

/** One container from its start to its end. */
interface ImageRun {
  readonly subject: string;
  readonly loadBefore: number;
  readonly objects: number;
  /** From the start of runc until all kinds are complete. */
  readonly syncedMs: number;
  readonly atSync: CgroupFigures;
  readonly settled: CgroupFigures;
  readonly afterChurn: CgroupFigures;
  /** CPU per second while nothing happened, ms. */
  readonly idleCpuMs: number;
  /** CPU per second at 50 events a second, ms. */
  readonly busyCpuMs: number;
  /** From SIGTERM until runc has ended. */
  readonly stopMs: number;
}

/** What is run, and in how much memory. */
interface Subject {
  readonly name: string;
  readonly args: readonly string[];
  readonly limitMib: number;
}

const PLAIN = ["run", "--output", "json"];
/** The configuration of the manifests, where the container sees it: not where it would be found without being named. */
const CONFIG = "/etc/fairlead-sample/fairlead.yaml";
/** The limit of the manifests, and half of it: how much room there is. */
const SUBJECTS: readonly Subject[] = [
  { name: "eight kinds, 128 MiB", args: PLAIN, limitMib: 128 },
  { name: "eight kinds, 64 MiB", args: PLAIN, limitMib: 64 },
  { name: "inventory, 128 MiB", args: [...PLAIN, "--config", CONFIG], limitMib: 128 },
];
const RATE = 50;
const MOST_COMPRESSED_MB = 70;
const GRACE_MS = 30_000;

/** The image under runc at the size of a shape: time, memory and CPU as the cgroup of the container counts them. */
export async function benchImage(options: BenchOptions): Promise<Report> {
  const built = await ensureImage();
  const image = unpackImage(built.archive, built.name);
  const runs: ImageRun[] = [];
  try {
    options.progress("starting the seeded control plane");
    await using cluster = await startCluster({
      seeded: options.shape,
      components: ["etcd", "apiserver"],
      progress: options.progress,
    });
    const account = await inCluster(cluster, "bench");
    const times = options.quick ? { settleMs: 2_000, churnMs: 4_000 } : { settleMs: 10_000, churnMs: 20_000 };
    const drive = async (): Promise<void> => void (await churn(cluster, { ratePerSecond: RATE, forMs: times.churnMs }));
    await measure(image, account, SUBJECTS[0], 0, async () => {}); // Fills the caches of the API server and of the system.
    for (let round = 0; round < options.runs; round++) {
      for (const subject of SUBJECTS) {
        const run = await measure(image, account, subject, times.settleMs, drive);
        runs.push(run);
        options.progress(
          `run ${round + 1}/${options.runs} ${subject.name}: ${run.objects} objects in ${shown(run.syncedMs)} ms, ` +
            `working set ${shown(run.settled.workingSetMb)} MB, peak ${shown(run.afterChurn.peakMb)} MB, load ${run.loadBefore}`,
        );
      }
    }
    account.remove();
  } finally {
    image.remove();
  }
  return reportOf(runs, built.compressedBytes / 1e6, options);
}

async function measure(
  image: UnpackedImage,
  account: InCluster,
  subject: Subject,
  settleMs: number,
  drive: () => Promise<void>,
): Promise<ImageRun> {
  const sample = fileURLToPath(new URL("../../config/samples/fairlead.yaml", import.meta.url));
  const loadBefore = loadAverage();
  const startedAtMs = performance.now();
  await using container = image.run({
    env: account.env,
    mounts: subject.args.includes(CONFIG) ? [...account.mounts, { from: sample, to: CONFIG }] : account.mounts,
    args: subject.args,
    memoryBytes: subject.limitMib * 2 ** 20,
  });
  const synced = JSON.parse(await container.line((line) => JSON.parse(line).type === "synced"));
  const syncedMs = performance.now() - startedAtMs;
  const atSync = container.figures();
  await delay(settleMs); // Nothing to wait for: idle time is what is measured.
  const settled = container.figures();
  const churnAtMs = performance.now();
  await drive();
  const churnMs = performance.now() - churnAtMs;
  const afterChurn = container.figures();
  const askedAtMs = performance.now();
  container.kill("SIGTERM");
  await container.ended;
  const counts: readonly number[] = Object.values(synced.objects);
  return {
    subject: subject.name,
    loadBefore,
    objects: counts.reduce((sum, count) => sum + count, 0),
    syncedMs,
    atSync,
    settled,
    afterChurn,
    idleCpuMs: ((settled.cpuMs - atSync.cpuMs) / settleMs) * 1_000,
    busyCpuMs: ((afterChurn.cpuMs - settled.cpuMs) / churnMs) * 1_000,
    stopMs: performance.now() - askedAtMs,
  };
}

function reportOf(runs: readonly ImageRun[], compressedMb: number, options: BenchOptions): Report {
  const of = (name: string): readonly ImageRun[] => runs.filter((run) => run.subject === name);
  const objects = (name: string): string => shown(median(of(name).map((run) => run.objects)));
  return {
    name: "image",
    title: "Image: a container as its cgroup counts it",
    how: [
      `\`fairlead run\` of the image under runc, as uid 65532 with a read-only root and no capabilities, on a real kube-apiserver ` +
        `with the ${options.shape} shape: the eight workload kinds (${objects(SUBJECTS[0].name)} objects), and the configuration of the ` +
        `manifests with the inventory plugin and the status server (${objects(SUBJECTS[2].name)} objects); ${options.runs} interleaved runs of each. Working set is what \`kubectl top\` shows: everything but pages of files that were ` +
        `not read lately. The time is from the start of runc until every kind is complete. The image is ${shown(compressedMb)} MB compressed.`,
    ],
    tables: [timeTable(of), memoryTable(of)],
    bars: barsOf(runs, compressedMb),
    notes: [loadNote(runs.map((run) => run.loadBefore))],
    raw: { compressedMb, runs },
  };
}

function timeTable(of: (name: string) => readonly ImageRun[]): Table {
  return {
    title: "Time and CPU",
    columns: [
      "what, limit",
      "complete after, ms",
      "CPU until then, ms",
      "idle, ms/s",
      `at ${RATE} events/s, ms/s`,
      "SIGTERM to end, ms",
    ],
    rows: SUBJECTS.map(({ name }) => [
      name,
      ...[
        (run: ImageRun) => run.syncedMs,
        (run: ImageRun) => run.atSync.cpuMs,
        (run: ImageRun) => run.idleCpuMs,
        (run: ImageRun) => run.busyCpuMs,
        (run: ImageRun) => run.stopMs,
      ].map((figure) => spread(of(name).map(figure))),
    ]),
  };
}

function memoryTable(of: (name: string) => readonly ImageRun[]): Table {
  return {
    title: "Memory, MB",
    columns: [
      "what, limit",
      "working set at sync",
      "settled",
      "after churn",
      "private after churn",
      "peak with file pages",
    ],
    rows: SUBJECTS.map(({ name }) => [
      name,
      ...[
        (run: ImageRun) => run.atSync.workingSetMb,
        (run: ImageRun) => run.settled.workingSetMb,
        (run: ImageRun) => run.afterChurn.workingSetMb,
        (run: ImageRun) => run.afterChurn.anonymousMb,
        (run: ImageRun) => run.afterChurn.peakMb,
      ].map((figure) => spread(of(name).map(figure))),
    ]),
  };
}

function barsOf(runs: readonly ImageRun[], compressedMb: number): readonly Bar[] {
  const most = (figure: (run: ImageRun) => number): number => Math.max(...runs.map(figure));
  const atMost = (what: string, value: number, limit: number, unit: string): Bar => ({
    what,
    value,
    wants: "at most",
    limit,
    unit,
  });
  return [
    atMost("size of the image, compressed", compressedMb, MOST_COMPRESSED_MB, "MB"),
    atMost(
      "most memory in 128 MiB, file pages included",
      most((run) => run.afterChurn.peakMb),
      (128 * 2 ** 20) / 1e6,
      "MB",
    ),
    atMost(
      "ended for want of memory",
      most((run) => run.afterChurn.oomKills),
      0,
      "",
    ),
    atMost(
      "SIGTERM to end",
      most((run) => run.stopMs),
      GRACE_MS,
      "ms",
    ),
  ];
}
