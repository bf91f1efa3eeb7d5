import { fileURLToPath } from "node:url";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { BenchOptions } from "./bench.ts";
import { type Contender, startContender } from "./contender.ts";
import { loadAverage } from "./machine.ts";
import { median, shown } from "./numbers.ts";
import { buildPeer } from "./peer-build.ts";
import type { Bar, Report, Table } from "./report.ts";

const OBJECTS = 10_000;
const QUICK_OBJECTS = 300;
/** No reconcile begins for so long: all is done. */
const QUIET = "1s";
const CONNECTIONS = 32;
const SETTLE_MS = 1_000;
const OURS = "Fairlead";
const PEER = "controller-runtime";
const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const JOBS = ["no-op", "first", "restart"] as const;
type Job = (typeof JOBS)[number];

/** One run of one program at one job. */
interface JobRun {
  readonly contender: string;
  readonly job: Job;
  /** From spawn to the end of the last reconcile, milliseconds. */
  readonly tookMs: number;
  /** Of all threads, up to then and while it waited for more. */
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly peakMb: number;
  readonly reconciles: number;
  /** Writes that the API server's audit log has from it. */
  readonly writes: number;
}

/** Reconciles beside controller-runtime on the same real API server: no-op, first convergence of WebApps, restart over them. */
export async function benchReconcile(options: BenchOptions): Promise<Report> {
  const objects = options.quick ? QUICK_OBJECTS : OBJECTS;
  const contenders = await contendersOf(options);
  options.progress("starting the control plane");
  await using cluster = await startCluster({ components: ["etcd", "apiserver"], progress: options.progress });
  await cluster.send("POST", CRD, definition());
  await fill(cluster, {
    namespace: "noop",
    count: objects,
    resource: "/api/v1",
    plural: "configmaps",
    make: configMap,
  });
  const runs: JobRun[] = [];
  for (let round = 0; round < options.runs; round++) {
    for (let at = 0; at < contenders.length; at++) {
      const contender = contenders[(at + round) % contenders.length];
      runs.push(await measure(cluster, contender, { job: "no-op", namespace: "noop", objects }));
      const namespace = `apps-${round}-${at}`;
      await fill(cluster, {
        namespace,
        count: objects,
        resource: "/apis/bench.example.org/v1",
        plural: "webapps",
        make: webApp,
      });
      runs.push(await measure(cluster, contender, { job: "first", namespace, objects }));
      runs.push(await measure(cluster, contender, { job: "restart", namespace, objects }));
      for (const run of runs.slice(-JOBS.length)) {
        options.progress(
          `run ${round + 1}/${options.runs} ${run.contender} ${run.job}: ${shown(run.tookMs)} ms, CPU ${shown(run.cpuMs)} ms, resident ${shown(run.residentMb)} MB, ${run.reconciles} reconciles, ${run.writes} writes, load ${loadAverage()}`,
        );
      }
    }
  }
  return report(runs, objects, options);
}

async function contendersOf(options: BenchOptions): Promise<Contender[]> {
  // The built JavaScript: what users run.
  const ours = fileURLToPath(new URL("../../dist/test/bench/reconcile-ours.js", import.meta.url));
  const all: Contender[] = [{ name: OURS, command: process.execPath, args: [ours, "thread"] }];
  if (options.only.length === 0 || options.only.includes(PEER)) {
    all.push({ name: PEER, command: await buildPeer(PEER, options.progress), args: [] });
  }
  return all;
}

async function measure(
  cluster: Cluster,
  contender: Contender,
  { job, namespace, objects }: { readonly job: Job; readonly namespace: string; readonly objects: number },
): Promise<JobRun> {
  const userBefore = await writesIn(cluster, namespace);
  const env = {
    BENCH_JOB: job === "no-op" ? "noop" : "webapp",
    BENCH_NAMESPACE: namespace,
    BENCH_OBJECTS: String(objects),
    BENCH_QUIET: QUIET,
  };
  const running = await startContender({ ...contender, env }, cluster.kubeconfigPath);
  try {
    const memory = running.memory();
    return {
      contender: contender.name,
      job,
      tookMs: running.synced.synced_ms ?? Number.NaN,
      cpuMs: running.synced.cpu_ms + running.childrenCpuMs,
      residentMb: memory.residentMb,
      peakMb: memory.peakMb,
      reconciles: running.synced.events,
      writes: (await writesIn(cluster, namespace)) - userBefore,
    };
  } finally {
    await running.stop();
  }
}

/** Writes to a namespace in the audit log; the log is written a moment after the answer. */
async function writesIn(cluster: Cluster, namespace: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const entries = await cluster.auditLog();
  return entries.filter(
    ({ verb, objectRef, userAgent }) =>
      objectRef?.namespace === namespace &&
      ["create", "update", "patch", "delete"].includes(verb) &&
      userAgent !== "fairlead-test",
  ).length;
}

interface Filling {
  readonly namespace: string;
  readonly count: number;
  readonly resource: string;
  readonly plural: string;
  readonly make: (name: string, at: number) => object;
}

async function fill(cluster: Cluster, { namespace, count, resource, plural, make }: Filling): Promise<void> {
  await cluster.send("POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace },
  });
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const at = next++;
      await cluster.send("POST", `${resource}/namespaces/${namespace}/${plural}`, make(`one-${at}`, at));
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
}

function configMap(name: string, at: number): object {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, labels: { app: "bench" } },
    data: { at: String(at), text: "x".repeat(400) },
  };
}

function webApp(name: string, at: number): object {
  return {
    apiVersion: "bench.example.org/v1",
    kind: "WebApp",
    metadata: { name },
    spec: { image: `example.org/app:${at % 10}`, replicas: 2, port: 8080 },
  };
}

/** Written by hand: both programs are to find the same. */
function definition(): object {
  const integer = { type: "integer", format: "int32" };
  const spec = {
    type: "object",
    required: ["image", "replicas", "port"],
    properties: { image: { type: "string" }, replicas: integer, port: integer },
  };
  const status = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "webapps.bench.example.org" },
    spec: {
      group: "bench.example.org",
      scope: "Namespaced",
      names: { kind: "WebApp", plural: "webapps", singular: "webapp" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: "object", properties: { spec, status } } },
        },
      ],
    },
  };
}

function report(runs: readonly JobRun[], objects: number, options: BenchOptions): Report {
  const middle = (contender: string, job: Job, figure: (run: JobRun) => number): number => {
    const values = runs.filter((run) => run.contender === contender && run.job === job).map(figure);
    return values.length === 0 ? Number.NaN : median(values);
  };
  const table = (job: Job, title: string): Table => ({
    title,
    columns: ["program", "time, ms", "CPU, ms", "resident, MB", "peak, MB", "reconciles per object", "writes"],
    rows: [OURS, PEER].map((contender) => [
      contender,
      ...[
        middle(contender, job, (run) => run.tookMs),
        middle(contender, job, (run) => run.cpuMs),
        middle(contender, job, (run) => run.residentMb),
        middle(contender, job, (run) => run.peakMb),
        middle(contender, job, (run) => run.reconciles) / objects,
        middle(contender, job, (run) => run.writes),
      ].map(shown),
    ]),
  });
  const ratio = (what: string, job: Job, limit: number, figure: (run: JobRun) => number): Bar => ({
    what: `${what}, as a share of ${PEER}`,
    value: middle(OURS, job, figure) / middle(PEER, job, figure),
    wants: "at most",
    limit,
    unit: "x",
  });
  const atMost = (what: string, value: number, limit: number, unit: string): Bar => ({
    what,
    value,
    wants: "at most",
    limit,
    unit,
  });
  return {
    name: "reconcile",
    title: "Reconciles beside controller-runtime",
    how: [
      `${objects} objects on a real API server and etcd; ${options.runs} runs of each program, one after the other, the middle one counts. Both have ten workers and keep what they watch without managed fields. The time is from the start of the process to the end of the last reconcile, after which none began for ${QUIET}; CPU is that of all threads, the wait included.`,
      "No-op: every ConfigMap is reconciled once, and nothing is done. First: every WebApp gets a Deployment and a Service by server-side apply, and its status. Restart: the program is started anew over what it has made.",
    ],
    tables: [table("no-op", "No-op"), table("first", "First convergence"), table("restart", "Restart")],
    bars: [
      ratio("no-op: time", "no-op", 0.7, (run) => run.tookMs),
      ratio("no-op: CPU", "no-op", 0.7, (run) => run.cpuMs),
      ratio("no-op: resident memory", "no-op", 0.7, (run) => run.residentMb),
      ratio("first convergence: CPU", "first", 0.6, (run) => run.cpuMs),
      ratio("first convergence: resident memory", "first", 0.6, (run) => run.residentMb),
      atMost(
        "first convergence: reconciles per object",
        middle(OURS, "first", (run) => run.reconciles) / objects,
        1.2,
        "",
      ),
      atMost(
        "restart: writes",
        middle(OURS, "restart", (run) => run.writes),
        0,
        "",
      ),
    ],
    notes: [`Load average at the end: ${loadAverage()}.`],
    raw: runs,
  };
}
