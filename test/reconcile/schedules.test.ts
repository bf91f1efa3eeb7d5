import { test } from "node:test";
import { MIRROR_PLAN } from "./mirror-plan.ts";
import { runSchedule } from "./schedules.ts";
import { webAppPlan } from "./webapp-plan.ts";

/** Another set: FAIRLEAD_SCHEDULES_FROM=5000. Many more run in `npm run bench -- schedules`. */
const FROM = Number(process.env.FAIRLEAD_SCHEDULES_FROM ?? 1);
const COUNT = Number(process.env.FAIRLEAD_SCHEDULES ?? 150);

const RUNS: readonly { readonly name: string; readonly run: (seed: number) => Promise<unknown> }[] = [
  { name: "config-mirror", run: (seed) => runSchedule(MIRROR_PLAN, seed) },
  { name: "webapp", run: (seed) => runSchedule(webAppPlan(), seed) },
];

for (const { name, run } of RUNS) {
  test(`${name}: whatever happens in whatever order, the end state is the right one`, {
    timeout: 170_000,
  }, async () => {
    for (let seed = FROM; seed < FROM + COUNT; seed++) {
      await run(seed);
    }
  });
}
