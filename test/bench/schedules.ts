import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { startCluster } from "../cluster/cluster.ts";
import { MIRROR_PLAN, NAMESPACES } from "../reconcile/mirror-plan.ts";
import { runSchedule, type ScheduleRun } from "../reconcile/schedules.ts";
import { webAppPlan } from "../reconcile/webapp-plan.ts";

const SCHEDULES = 10_000;
const QUICK_SCHEDULES = 60;
/** On the real control plane, where each takes seconds. */
const REAL_SCHEDULES = 200;
const QUICK_REAL_SCHEDULES = 4;
const TELL_EVERY = 250;

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    quick: { type: "boolean" },
    schedules: { type: "string" },
    from: { type: "string", default: "1" },
  },
});
const isQuick = values.quick === true;
const total = Number(values.schedules ?? (isQuick ? QUICK_SCHEDULES : SCHEDULES));
const realTotal = isQuick ? QUICK_REAL_SCHEDULES : REAL_SCHEDULES;
const from = Number(values.from);
const failures: string[] = [];

/** Runs one schedule after the other; what fails is told with its seed, and does not end the bench. */
async function run(
  name: string,
  count: number,
  one: (seed: number) => Promise<ScheduleRun>,
): Promise<readonly string[]> {
  const sum = { actions: 0, kills: 0, faults: 0, writes: 0 };
  const startedAtMs = performance.now();
  for (let at = 0; at < count; at++) {
    try {
      const { actions, kills, faults, writes } = await one(from + at);
      sum.actions += actions;
      sum.kills += kills;
      sum.faults += faults;
      sum.writes += writes;
    } catch (error) {
      failures.push(`${name}: ${messageOf(error)}`);
      console.log(`${name}: ${messageOf(error)}`);
    }
    if ((at + 1) % TELL_EVERY === 0) {
      console.log(`${name}: ${at + 1} of ${count} schedules, ${failures.length} failed`);
    }
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  return [name, count, sum.actions, sum.kills, sum.faults, sum.writes, seconds.toFixed(0)].map(String);
}

/** The same on a real control plane: kills, but no faults. */
async function real(): Promise<(readonly string[])[]> {
  await using cluster = await startCluster({
    components: ["etcd", "apiserver", "controller-manager"],
    progress: (line) => console.log(line),
  });
  // What is there before a schedule stays after it: emptying a namespace takes seconds.
  for (const name of NAMESPACES) {
    await cluster.send("POST", "/api/v1/namespaces", { metadata: { name } });
  }
  const sweep = async (): Promise<void> => {
    for (const name of NAMESPACES) {
      await cluster.send(
        "DELETE",
        `/api/v1/namespaces/${name}/configmaps?fieldSelector=metadata.name%21%3Dkube-root-ca.crt`,
      );
      await cluster.send("PATCH", `/api/v1/namespaces/${name}`, { metadata: { labels: { "mirror-into": null } } });
    }
  };
  const source = { kubeconfig: cluster.kubeconfigPath };
  const plan = () => webAppPlan({ arePodsReady: false });
  return [
    await run("config-mirror, real", realTotal / 2, async (seed) => {
      await sweep();
      return await runSchedule(MIRROR_PLAN, seed, source);
    }),
    await run("webapp, real", realTotal / 2, (seed) => runSchedule(plan(), seed, source)),
  ];
}

const rows = [
  await run("config-mirror", Math.ceil(total / 2), (seed) => runSchedule(MIRROR_PLAN, seed)),
  await run("webapp", Math.ceil(total / 2), (seed) => runSchedule(webAppPlan(), seed)),
  ...(await real()),
];
const how =
  "Random schedules against the API server in the process: people change the cluster, requests fail, watches lag and end, the controller is killed and started again at random points. In the end everything heals; then there must be just what people want, no duplicate, no orphan, and a restart must write nothing.";
console.log(
  JSON.stringify({
    how: [how],
    tables: [
      {
        title: "Schedules",
        columns: ["controller", "schedules", "actions", "kills", "faults", "writes", "seconds"],
        rows,
      },
    ],
    bars: [{ what: "schedules with a wrong end state", value: failures.length, wants: "at most", limit: 0, unit: "" }],
    notes: failures.slice(0, 10),
  }),
);
process.exitCode = failures.length > 0 ? 1 : 0;
