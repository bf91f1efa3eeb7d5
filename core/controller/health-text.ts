import type { HealthCheck } from "./health.ts";

/** What is answered to a probe. */
export interface ProbeAnswer {
  readonly status: 200 | 404 | 500;
  readonly body: string;
}

/** Which probe, and what was asked of it. */
export interface ProbeQuestion {
  /** "livez", "readyz" or "healthz". */
  readonly probe: string;
  /** A single check: "kind/pods". */
  readonly check?: string;
  readonly verbose: boolean;
  /** Checks that do not count. */
  readonly exclude: readonly string[];
}

/** Answers a probe as the API server of Kubernetes does, so that its tools and habits fit. Pure. */
export function answerProbe(checks: readonly HealthCheck[], question: ProbeQuestion): ProbeAnswer {
  const { probe, check, verbose, exclude } = question;
  if (check !== undefined) {
    return answerCheck(checks, check);
  }
  const counted = checks.filter(({ name }) => !exclude.includes(name));
  const failed = counted.filter(({ ok }) => !ok);
  if (failed.length === 0 && !verbose) {
    return { status: 200, body: "ok" };
  }
  const unknown = exclude.filter((name) => !checks.some((each) => each.name === name));
  const lines = checks.map((each) => (exclude.includes(each.name) ? `[+]${each.name} excluded: ok` : checkLine(each)));
  if (unknown.length > 0) {
    lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown.map(quoted).join(",")}`);
  }
  lines.push(`${probe} check ${failed.length === 0 ? "passed" : "failed"}`);
  return { status: failed.length === 0 ? 200 : 500, body: `${lines.join("\n")}\n` };
}

function answerCheck(checks: readonly HealthCheck[], name: string): ProbeAnswer {
  const check = checks.find((each) => each.name === name);
  if (check === undefined) {
    return { status: 404, body: `there is no check ${quoted(name)}; see ?verbose\n` };
  }
  return check.ok ? { status: 200, body: "ok" } : { status: 500, body: `${checkLine(check)}\n` };
}

function checkLine({ name, ok, detail }: HealthCheck): string {
  const text = detail === undefined ? "" : `: ${oneLine(detail)}`;
  return ok ? `[+]${name} ok${text}` : `[-]${name} failed${text || ": no reason given"}`;
}

/** Details come from plugins and servers: they never make a line of their own. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 300);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
