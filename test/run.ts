import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";

/** One test that takes longer hangs. */
const TEST_TIMEOUT_MS = 180_000;

const HELP = `usage: npm test [-- options] [-- file ...]

Builds, then runs the unit tests and after them the whole-product tests: faults against the in-process API server, and the
real control plane (built once from Go modules; later runs use the cache).

  --unit       only the unit tests beside the code
  --no-build   do not build first
  --help       this text

A skipped test fails the run when CI=true.`;

interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

/** Runs test files, each in a process of its own, and prints them in the readable form. */
async function runFiles(files: readonly string[], concurrency: number, tally: Tally): Promise<void> {
  const stream = run({ files: [...files], concurrency, isolation: "process", timeout: TEST_TIMEOUT_MS });
  stream.on("test:pass", (test) => {
    if (test.details.type === "suite") {
      return;
    }
    if (test.skip !== undefined || test.todo !== undefined) {
      tally.skipped.push(test.name);
    } else {
      tally.passed++;
    }
  });
  stream.on("test:fail", (test) => {
    if (test.details.type !== "suite") {
      tally.failed++;
    }
  });
  const done = new Promise<void>((resolve, reject) => {
    stream.on("end", resolve);
    stream.on("error", reject);
  });
  stream.compose(new spec()).pipe(process.stdout, { end: false });
  await done;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { unit: { type: "boolean" }, "no-build": { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  if (values["no-build"] !== true) {
    const build = spawnSync("tsc", ["-b"], { stdio: "inherit" });
    if (build.status !== 0) {
      return build.status ?? 1;
    }
  }
  const tally: Tally = { passed: 0, failed: 0, skipped: [] };
  const unit = globSync("{core,config,sandbox,plugins,docs/examples}/**/*.test.ts").sort();
  const product = globSync(
    "test/{config,faults,conformance,package,dns,reconcile,election,cluster,e2e}/**/*.test.ts",
  ).sort();
  if (positionals.length > 0) {
    await runFiles(positionals, 1, tally);
  } else {
    await runFiles(unit, availableParallelism(), tally);
    if (values.unit !== true) {
      await runFiles(product, 1, tally);
    }
  }
  for (const name of tally.skipped) {
    console.log(`skipped: ${name}`);
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped`);
  const skipsFail = process.env.CI === "true" && tally.skipped.length > 0;
  return tally.failed > 0 || tally.passed === 0 || skipsFail ? 1 : 0;
}

process.exitCode = await main();
