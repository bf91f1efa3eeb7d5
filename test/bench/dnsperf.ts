import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { FairleadError } from "../../core/errors.ts";
import { quantile } from "./numbers.ts";

/** What dnsperf is to do. */
export interface Load {
  readonly port: number;
  /** File of questions, a line each: name and type. */
  readonly questions: string;
  readonly seconds: number;
  readonly tcp?: boolean;
  /** Questions a second. Default: as many as are answered, 128 at a time. */
  readonly rate?: number;
}

/** What came of it. */
export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  readonly perSecond: number;
  readonly noError: number;
  readonly nxdomain: number;
  /** Milliseconds; NaN without a rate, when latency only tells how much was outstanding. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly mostMs: number;
}

const CLIENTS = 32;
/** Of one address a server takes few connections. */
const TCP_CLIENTS = 16;
const OUTSTANDING = 128;
/** The core that the load comes from; the server has core 0. */
const CORE = "1";
const GRACE_MS = 30_000;

/** Runs dnsperf on a core of its own. Throws BENCH_DNSPERF when it is missing or fails. */
export async function load(what: Load): Promise<LoadResult> {
  const { port, questions, seconds, tcp = false, rate } = what;
  const args = ["-s", "127.0.0.1", "-p", String(port), "-d", questions, "-l", String(seconds), "-T", "1"];
  args.push("-m", tcp ? "tcp" : "udp", "-c", String(tcp ? TCP_CLIENTS : CLIENTS));
  args.push(...(rate === undefined ? ["-q", String(OUTSTANDING)] : ["-q", "2000", "-Q", String(rate), "-v"]));
  const child = spawn("taskset", ["-c", CORE, "dnsperf", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 1000 + GRACE_MS);
  const latencies: number[] = [];
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const latency = /^> \S+ \S+ \S+ ([\d.]+)$/.exec(line)?.[1];
    if (latency === undefined) {
      said.push(line);
    } else {
      latencies.push(Number(latency) * 1000);
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.push(text));
  const code = await Promise.race([
    once(child, "close").then(([status, signal]) => status ?? signal),
    once(child, "error").then(([error]) => error),
  ]).finally(() => clearTimeout(timer));
  const text = said.join("\n");
  if (code !== 0) {
    throw new FairleadError("BENCH_DNSPERF", `dnsperf failed (${code}); apt-get install dnsperf\n${text.slice(-500)}`);
  }
  return { ...resultOf(text), ...latenciesOf(latencies) };
}

function resultOf(text: string): Omit<LoadResult, "p50Ms" | "p99Ms" | "p999Ms" | "mostMs"> {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  return {
    sent: number(/Queries sent:\s+(\d+)/),
    answered: number(/Queries completed:\s+(\d+)/),
    lost: number(/Queries lost:\s+(\d+)/),
    perSecond: number(/Queries per second:\s+([\d.]+)/),
    noError: number(/NOERROR (\d+)/),
    nxdomain: number(/NXDOMAIN (\d+)/),
  };
}

function latenciesOf(all: readonly number[]): Pick<LoadResult, "p50Ms" | "p99Ms" | "p999Ms" | "mostMs"> {
  return {
    p50Ms: quantile(all, 0.5),
    p99Ms: quantile(all, 0.99),
    p999Ms: quantile(all, 0.999),
    mostMs: quantile(all, 1),
  };
}
