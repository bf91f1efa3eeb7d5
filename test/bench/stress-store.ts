import { parseArgs } from "node:util";
import { stress } from "../../core/store/stress.test-support.ts";

const { values } = parseArgs({ options: { runs: { type: "string" }, quick: { type: "boolean" } } });
const forMs = values.quick ? 10_000 : 60_000;
const runs = Number(values.runs ?? 5);
const totals = { snapshots: 0, batches: 0, transactions: 0, violations: 0, killed: 0, diedPinned: 0, pendingAtEnd: 0 };
let controlViolations = 0;
for (let run = 0; run < runs; run++) {
  const result = await stress({ forMs, readers: 2, killEveryMs: run % 2 === 1 ? 200 : 0 });
  totals.snapshots += result.snapshots;
  totals.batches += result.batches;
  totals.transactions += result.transactions;
  totals.violations += result.violations.length;
  totals.killed += result.killed;
  totals.diedPinned += result.diedPinned;
  totals.pendingAtEnd += result.pendingAtEnd;
  console.log(
    `run ${run + 1}: ${result.snapshots} snapshots, ${result.transactions} transactions, ${result.killed} killed, ${result.violations.length} violations ${result.violations.slice(0, 3).join("; ")}`,
  );
}
controlViolations = (await stress({ forMs: 3000, readers: 1, isTorn: true })).violations.length;
console.log(
  JSON.stringify({
    how: [
      "One thread writes transactions that keep sums constant; two threads check the sums through every index in snapshots; in every second run they are ended at random moments. The control reads without a snapshot and must fail.",
    ],
    tables: [
      {
        title: "Stress",
        columns: ["what", "count"],
        rows: Object.entries({ ...totals, controlViolations }).map(([what, count]) => [what, String(count)]),
      },
    ],
    bars: [
      { what: "violations", value: totals.violations, wants: "at most", limit: 0, unit: "" },
      { what: "violations seen by the control", value: controlViolations, wants: "at least", limit: 1, unit: "" },
      { what: "records held at the end", value: totals.pendingAtEnd, wants: "at most", limit: 0, unit: "" },
    ],
  }),
);
