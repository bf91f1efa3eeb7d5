import {
  type ElectionTimes,
  groupProblem,
  identityProblem,
  nameProblem,
  timeProblems,
  withDefaultTimes,
} from "../election/settings.ts";
import { FairleadError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";

/** Says what a value should have been; undefined where it is right. */
type Check = (value: unknown) => string | undefined;
type Checks = Readonly<Record<string, Check>>;

/** The part of a plugin's entry that does not depend on the plugin. */
const ENTRY: Checks = {
  use: () => undefined, // looked at when the plugin is
  options: () => undefined, // the plugin's own
  isolation: oneOf("inline", "worker"),
  required: isBoolean,
  setupTimeoutMs: isTimerMs,
  stopTimeoutMs: isTimerMs,
  maxHeapMb: isNumber,
  dryRun: isBoolean,
  rateLimit: object({ perSecond: isNumber, burst: isNumber }),
  runOn: oneOf("leader", "every"),
  version: isText,
};

const OPTIONS: Checks = {
  cluster: isObject,
  kinds: areKinds,
  plugins: arePlugins,
  controllers: areControllers,
  dryRun: isBoolean,
  leaderElection: isElection,
  shards: isSharding,
  namespaces: object({ allow: areTexts, deny: areTexts }),
  ingest: oneOf("thread", "inline"),
  maxBytes: () => undefined, // the store tells its range
  log: methods("a logger", ["debug", "info", "warn", "error"]),
  startTimeoutMs: isNumber,
  auditEveryMs: isTimerMs,
  retry: object({ forbiddenMs: isTimerMs, notServedMs: isTimerMs }),
  signal: methods("an AbortSignal", ["addEventListener", "removeEventListener"]),
  status: isObject,
  metrics: object({
    registry: methods("a prom-client registry", ["registerMetric", "getSingleMetric", "removeSingleMetric", "metrics"]),
    name: isText,
    more: isArray,
  }),
  health: isObject,
  statisticsEveryMs: isTimerMs,
};

/** What JavaScript, or a cast, may have given to `createController`. Throws CONTROLLER_BAD_OPTION with all that is wrong. */
export function checkOptions(options: unknown): void {
  if (typeof options !== "object" || options === null) {
    throw badOptions([`the options must be an object, not ${nameOf(options)}`]);
  }
  refuse([...problemsOf(options, OPTIONS, "")]);
}

/** The same for a list of plugins. */
export function checkPluginList(plugins: unknown): void {
  const problem = arePlugins(plugins);
  refuse(problem === undefined ? [] : [`plugins must be ${problem}`]);
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) {
    throw badOptions(problems);
  }
}

function badOptions(problems: readonly string[]): FairleadError {
  return new FairleadError("CONTROLLER_BAD_OPTION", `the controller cannot be made: ${problems.join("; ")}`);
}

function* problemsOf(options: object, checks: Checks, within: string): Generator<string> {
  for (const [key, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined) {
      yield `there is no option "${within}${key}"${didYouMean(key, Object.keys(checks))}`;
      continue;
    }
    const problem = value === undefined ? undefined : check(value);
    if (problem !== undefined) {
      yield `${within}${key} must be ${problem}`;
    }
  }
}

function nameOf(value: unknown): string {
  if (value === null || Array.isArray(value)) {
    return value === null ? "null" : "a list";
  }
  return typeof value === "string" ? `"${value.slice(0, 100)}"` : typeof value === "number" ? `${value}` : typeof value;
}

function expected(what: string, value: unknown): string {
  return `${what}, not ${nameOf(value)}`;
}

function isObject(value: unknown): string | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? undefined
    : expected("an object", value);
}

function isArray(value: unknown): string | undefined {
  return Array.isArray(value) ? undefined : expected("a list", value);
}

function isBoolean(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : expected("true or false", value);
}

function isText(value: unknown): string | undefined {
  return typeof value === "string" ? undefined : expected("a string", value);
}

function isNumber(value: unknown): string | undefined {
  return typeof value === "number" && value >= 0 ? undefined : expected("a number from 0", value);
}

/** A timer that is set to more would fire at once, and for ever; half of what it takes leaves room for spreading. */
const LONGEST_TIMER_MS = 1_000_000_000;

function isTimerMs(value: unknown): string | undefined {
  const isRight = typeof value === "number" && value >= 0 && value <= LONGEST_TIMER_MS;
  return isRight ? undefined : expected(`milliseconds from 0 to ${LONGEST_TIMER_MS}`, value);
}

function areTexts(value: unknown): string | undefined {
  const isRight = Array.isArray(value) && value.every((one) => typeof one === "string" && one !== "");
  return isRight ? undefined : expected('a list of strings such as ["shop", "team-*"]', value);
}

function areKinds(value: unknown): string | undefined {
  const isKind = (one: unknown): boolean =>
    typeof one === "object" && one !== null && "plan" in one && typeof one.plan === "function" && "name" in one;
  return Array.isArray(value) && value.every(isKind)
    ? undefined
    : 'a list of kinds, as of "fairlead/kinds": kinds: [pods]';
}

function arePlugins(value: unknown): string | undefined {
  if (!Array.isArray(value)) {
    return expected("a list", value);
  }
  const problems = value.flatMap((one: unknown, at) =>
    typeof one === "object" && one !== null && "use" in one ? [...problemsOf(one, ENTRY, `plugins[${at}].`)] : [],
  );
  return problems.length === 0 ? undefined : `right: ${problems.join("; ")}`;
}

function areControllers(value: unknown): string | undefined {
  const isDefinition = (one: unknown): boolean =>
    typeof one === "object" && one !== null && "sources" in one && "reconcile" in one && "concurrency" in one;
  return Array.isArray(value) && value.every(isDefinition)
    ? undefined
    : 'a list of controllers that end in .reconcile(…), as of "fairlead/reconcile"';
}

function oneOf(...words: readonly string[]): Check {
  return (value) =>
    words.some((word) => word === value) ? undefined : expected(words.map((word) => `"${word}"`).join(" or "), value);
}

function methods(what: string, names: readonly string[]): Check {
  return (value) => {
    const missing = names.filter((name) => typeof memberOf(value, name) !== "function");
    return missing.length === 0 ? undefined : `${what}; it has no ${missing.join(", ")}`;
  };
}

const ELECTION: Checks = {
  enabled: isBoolean,
  lease: (name) => nameProblem("a name", name),
  namespace: (name) => nameProblem("a name", name),
  identity: identityProblem,
  leaseDurationMs: isTimerMs,
  renewDeadlineMs: isTimerMs,
  retryPeriodMs: isTimerMs,
  releaseOnStop: isBoolean,
};

const SHARDING: Checks = {
  group: groupProblem,
  namespace: (name) => nameProblem("a name", name),
  identity: identityProblem,
  by: oneOf("namespace", "object"),
  leaseDurationMs: isTimerMs,
  renewDeadlineMs: isTimerMs,
  retryPeriodMs: isTimerMs,
};

function isSharding(value: unknown): string | undefined {
  return timesProblem(SHARDING, value);
}

function isElection(value: unknown): string | undefined {
  return timesProblem(ELECTION, value);
}

function timesProblem(checks: Checks, value: unknown): string | undefined {
  const problem = object(checks)(value);
  if (problem !== undefined) {
    return problem;
  }
  // Every part was checked right before.
  const problems = timeProblems(withDefaultTimes(value as ElectionTimes));
  return problems.length === 0 ? undefined : `right: ${problems.join("; ")}`;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function object(checks: Checks): Check {
  return (value) => {
    const problem = isObject(value);
    // Known to be an object by the check before.
    const inner = problem === undefined ? [...problemsOf(value as object, checks, "")] : [];
    return inner.length === 0 ? problem : `right: ${inner.join("; ")}`;
  };
}
