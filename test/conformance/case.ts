/** One request of a case. Texts may hold `{ns}` (a namespace of the case's own) and `{2.metadata.uid}` (from answer 2). */
export interface Step {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Only the status counts: the body is known to differ in what this server does not claim. */
  readonly statusOnly?: true;
}

/** One case: what both servers answer to the same requests. */
export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** An answer as it is compared. */
export interface CaseAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Sends one request. */
export type Send = (step: Step) => Promise<{ readonly status: number; readonly text: string }>;

/** Runs a case in a namespace that exists; gives its answers, normalised. */
export async function runCase(one: Case, namespace: string, send: Send): Promise<CaseAnswer[]> {
  const raw: unknown[] = [];
  const answers: CaseAnswer[] = [];
  for (const step of one.steps) {
    const filled = fill(step, namespace, raw);
    const { status, text } = await send(filled);
    const body = parse(text);
    raw.push(body);
    answers.push({ status, body: step.statusOnly ? undefined : normalise(body) });
  }
  return answers;
}

function fill(step: Step, namespace: string, raw: readonly unknown[]): Step {
  const replaced = JSON.stringify(step).replace(/\{(ns|\d+(?:\.[A-Za-z0-9]+)+)\}/g, (_all, name: string) => {
    if (name === "ns") {
      return namespace;
    }
    const [index, ...path] = name.split(".");
    let here: unknown = raw[Number(index)];
    for (const key of path) {
      here = typeof here === "object" && here !== null ? (here as Record<string, unknown>)[key] : undefined;
    }
    return String(here);
  });
  // The same shape with other texts.
  return JSON.parse(replaced) as Step;
}

/** A body of several lines is a watch. */
function parse(text: string): unknown {
  const lines = text.split("\n").filter((line) => line !== "");
  try {
    // Some errors are answered in several lines too.
    return text.startsWith("{\n")
      ? JSON.parse(text)
      : lines.length > 1
        ? lines.map((line) => JSON.parse(line))
        : JSON.parse(text);
  } catch {
    return text;
  }
}

const HIDDEN: Readonly<Record<string, string>> = {
  uid: "<uid>",
  resourceVersion: "<version>",
  creationTimestamp: "<time>",
  deletionTimestamp: "<time>",
  lastTransitionTime: "<time>",
  time: "<time>",
  continue: "<token>",
  clusterIP: "<ip>",
};

/** Takes out what differs from run to run. */
export function normalise(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) {
    return key === "clusterIPs" ? ["<ip>"] : value.map((item) => normalise(item));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, item]) => [name, normalise(item, name)]),
    );
  }
  if (typeof value !== "string") {
    return value;
  }
  if (Object.hasOwn(HIDDEN, key) && value !== "" && value !== "0") {
    return HIDDEN[key];
  }
  return value
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uid>")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replace(/(resource version: |current: )\d+( \(\d+\))?/g, "$1<version>")
    .replace(/(ResourceVersion in (?:precondition|record) \()\d+/gi, "$1<version>")
    .replace(/(ResourceVersion in (?:precondition|object meta): )\d+/gi, "$1<version>");
}
