import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { MIRROR_PLAN } from "../reconcile/mirror-plan.ts";
import { runSchedule, type ScheduleRun } from "../reconcile/schedules.ts";
import { webAppPlan } from "../reconcile/webapp-plan.ts";

const SCHEDULES = 10_000;
const QUICK_SCHEDULES = 60;
const TELL_EVERY = 250;

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    quick: { type: "boolean" },
    schedules: { type: "string" },
    from: { type: "string", default: "1" },
  },
});
const total = Number(values.schedules ?? (values.quick === true ? QUICK_SCHEDULES : SCHEDULES));
const from = Number(values.from);
const failures: string[] = [];

/** Runs one schedule after the other; what fails is told with its seed, and does not end the bench. */
async function run(name: string, one: (seed: number) => Promise<ScheduleRun>): Promise<readonly string[]> {
  const sum = { actions: 0, kills: 0, faults: 0, writes: 0 };
  const count = Math.ceil(total / 2);
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

const rows = [
  await run("config-mirror", (seed) => runSchedule(MIRROR_PLAN, seed)),
  await run("webapp", (seed) => runSchedule(webAppPlan(), seed)),
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
