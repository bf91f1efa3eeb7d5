import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import type { Bench, BenchOptions } from "./bench.ts";
import { BENCHES } from "./benches.ts";
import { describeMachine, loadAverage, machineLine } from "./machine.ts";
import { writePage } from "./page.ts";
import { isHeld, markdownReport, type Report } from "./report.ts";

const PAGE = "docs/reference/performance.md";
const DEFAULT_RUNS = 5;
const QUICK_RUNS = 2;

const HELP = `usage: npm run bench -- <name ...> [options]

Measures the built JavaScript, beside its peers where there are any, and prints tables.

${BENCHES.map((bench) => `  ${bench.name.padEnd(12)} ${bench.summary}`).join("\n")}

  --runs N        interleaved runs of each program; the middle one counts (default ${DEFAULT_RUNS}, ${QUICK_RUNS} with --quick)
  --quick         short phases: shows that a bench works, not for figures to publish
  --shape NAME    small, seed or large: the cluster of "core" (default seed)
  --only NAME     of "core" only this program (may be given several times): client-go, kube-rs, thread, inline;
                  of "dns" only servers whose name has this in it
  --fuzz          of "dns": 10 million broken packets instead of figures
  --write         put the results into ${PAGE} (faults: docs/reference/faults.md)
  --output json   print one JSON object with all that was measured, and progress to stderr
  --help          this text

The exit code is 1 when a bench failed, 2 when it was asked for wrongly, 3 when all ran and a number was missed.`;

interface Request {
  readonly benches: readonly Bench[];
  readonly options: BenchOptions;
  readonly write: boolean;
  readonly json: boolean;
}

const SHAPES = ["small", "seed", "large"] as const;
const EXIT_USAGE = 2;
const EXIT_MISSED = 3;

async function main(): Promise<number> {
  const request = readRequest(process.argv.slice(2));
  if (request === "help") {
    console.log(HELP);
    return 0;
  }
  if (typeof request === "string") {
    console.error(request);
    return EXIT_USAGE;
  }
  const machine = await describeMachine();
  request.options.progress(`${machineLine(machine)}; load average ${loadAverage()}`);
  const reports: Report[] = [];
  const failures: string[] = [];
  for (const bench of request.benches) {
    request.options.progress(`${bench.name}: ${bench.summary}`);
    try {
      const report = await bench.run(request.options);
      reports.push(report);
      if (!request.json) {
        console.log(`\n## ${report.title}\n\n${markdownReport(report)}\n`);
      }
    } catch (error) {
      failures.push(`${bench.name}: ${messageOf(error)}`);
      request.options.progress(`${bench.name} failed: ${messageOf(error)}`);
    }
  }
  if (request.json) {
    console.log(JSON.stringify({ machine, reports, failures }));
  }
  if (request.write) {
    for (const page of new Set(reports.map((report) => report.page ?? PAGE))) {
      await writePage(
        page,
        reports.filter((report) => (report.page ?? PAGE) === page),
        machine,
      );
      request.options.progress(`wrote ${page}`);
    }
  }
  for (const failure of failures) {
    console.error(`failed: ${failure}`);
  }
  if (failures.length > 0) {
    return 1;
  }
  return reports.every((report) => report.bars.every(isHeld)) ? 0 : EXIT_MISSED;
}

/** What was asked for, "help", or the text that explains why it cannot be done. */
function readRequest(argv: readonly string[]): Request | string {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      runs: { type: "string" },
      quick: { type: "boolean" },
      shape: { type: "string", default: "seed" },
      only: { type: "string", multiple: true, default: [] },
      fuzz: { type: "boolean", default: false },
      write: { type: "boolean" },
      output: { type: "string", default: "text" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    return "help";
  }
  if (positionals.length === 0) {
    return HELP;
  }
  const benches: Bench[] = [];
  for (const name of positionals) {
    const bench = BENCHES.find((one) => one.name === name);
    if (bench === undefined) {
      return `no bench "${name}"; there are ${BENCHES.map((one) => one.name).join(", ")}`;
    }
    benches.push(bench);
  }
  const quick = values.quick === true;
  const runs = Number(values.runs ?? (quick ? QUICK_RUNS : DEFAULT_RUNS));
  const shape = SHAPES.find((one) => one === values.shape);
  if (!Number.isSafeInteger(runs) || runs < 1) {
    return `--runs "${values.runs}" is not a whole number of at least 1`;
  }
  if (shape === undefined) {
    return `--shape "${values.shape}" is not one of ${SHAPES.join(", ")}`;
  }
  if (values.output !== "text" && values.output !== "json") {
    return `--output "${values.output}" is not one of text, json`;
  }
  const progress = (line: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
  return {
    benches,
    options: { runs, quick, shape, only: values.only, fuzz: values.fuzz, progress },
    write: values.write === true,
    json: values.output === "json",
  };
}

process.exitCode = await main();
