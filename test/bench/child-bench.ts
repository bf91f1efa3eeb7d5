import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";
import type { Bench, BenchOptions } from "./bench.ts";
import { loadAverage } from "./machine.ts";
import { type Bar, isHeld, type Report, type Table } from "./report.ts";

/** A bench that is a program of its own: `node dist/test/bench/<file>.js --runs N [--quick]`. */
export interface ChildBench {
  readonly name: string;
  readonly summary: string;
  readonly title: string;
  readonly file: string;
}

/** What a bench program may say as its last line of JSON; all of its other lines are shown as they come. */
interface ChildResult {
  readonly how?: readonly string[];
  readonly tables?: readonly Table[];
  readonly bars?: readonly Bar[];
  readonly notes?: readonly string[];
}

/** Makes a bench of a program under dist/test/bench. */
export function childBench(child: ChildBench): Bench {
  return { name: child.name, summary: child.summary, run: (options) => runChild(child, options) };
}

async function runChild(child: ChildBench, options: BenchOptions): Promise<Report> {
  const file = fileURLToPath(new URL(`../../dist/test/bench/${child.file}.js`, import.meta.url));
  if (!existsSync(file)) {
    throw new FairleadError("BENCH_NOT_BUILT", `"${file}" is not there; run "npm run build" first`);
  }
  const load = loadAverage();
  const args = [file, "--runs", String(options.runs), ...(options.quick ? ["--quick"] : [])];
  const lines: string[] = [];
  const code = await runLines(args, (line) => {
    lines.push(line);
    if (!line.startsWith("{")) {
      options.progress(line);
    }
  });
  const result = lastJson(lines);
  const text = lines.filter((line) => !line.startsWith("{")).join("\n");
  if (code !== 0 && !isMissedBar(result)) {
    throw new FairleadError(
      "BENCH_FAILED",
      `bench "${child.name}" ended with code ${code}\n${lines.slice(-5).join("\n")}`,
    );
  }
  return {
    name: child.name,
    title: child.title,
    how: result.how ?? (text === "" ? [] : [`\`\`\`text\n${text}\n\`\`\``]),
    tables: result.tables ?? [],
    bars: result.bars ?? [],
    notes: [`Load average before the bench: ${load}.`, ...(result.notes ?? [])],
    raw: result,
  };
}

/** A bench program may end with an error code because it missed a bar: that is a result, not a failure to measure. */
function isMissedBar(result: ChildResult): boolean {
  return result.bars?.some((bar) => !isHeld(bar)) ?? false;
}

function lastJson(lines: readonly string[]): ChildResult {
  const line = lines.findLast((text) => text.startsWith("{"));
  // Our own bench programs write this line; anything else in it is only shown as raw figures.
  return line === undefined ? {} : (JSON.parse(line) as ChildResult);
}

function runLines(args: readonly string[], onLine: (line: string) => void): Promise<number> {
  const child = spawn(process.execPath, [...args], { stdio: ["ignore", "pipe", "inherit"] });
  createInterface({ input: child.stdout }).on("line", onLine);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
