import type { ControllerOptions } from "../core/controller/create-controller.ts";
import { FairleadError } from "../core/errors.ts";
import type { AnyKind } from "../core/kinds/kind.ts";
import { jsonLogger, LOG_LEVELS, type LogLevel } from "../core/log.ts";
import { didYouMean } from "../core/nearest.ts";
import { type CommandContext, listOption, type ParsedOptions, textOption } from "./command.ts";
import { parseDuration } from "./duration.ts";
import type { FollowOptions } from "./follow.ts";

const DEFAULT_STATUS_EVERY_MS = 10_000;

/** What is followed when `--kinds` is not given. */
export const DEFAULT_KINDS = [
  "pods",
  "services",
  "deployments",
  "replicasets",
  "statefulsets",
  "daemonsets",
  "jobs",
  "cronjobs",
] as const;

/** A whole number of at least `least`, or undefined when the option was not given. Throws CLI_BAD_VALUE. */
export function numberOption(parsed: ParsedOptions, name: string, least = 1): number | undefined {
  const text = textOption(parsed, name);
  if (text === undefined) {
    return undefined;
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new FairleadError("CLI_BAD_VALUE", `--${name} "${text}" is not a whole number of at least ${least}`);
  }
  return value;
}

/** The kinds with these plurals. Throws CONFIG_UNKNOWN_KIND. */
export async function kindsNamed(plurals: readonly string[]): Promise<AnyKind[]> {
  const { BUILT_IN_KINDS } = await import("../core/kinds/built-in.ts");
  const known = new Map(BUILT_IN_KINDS.map((kind) => [kind.name, kind]));
  return [...new Set(plurals)].map((plural) => {
    const kind = known.get(plural);
    if (kind === undefined) {
      throw new FairleadError(
        "CONFIG_UNKNOWN_KIND",
        `kind "${plural}" is not built in${didYouMean(plural, known.keys()) || `; built in are ${[...known.keys()].join(", ")}`}`,
      );
    }
    return kind;
  });
}

/** Options of a controller that follows a real cluster. */
export async function controllerOptions(parsed: ParsedOptions, context: CommandContext): Promise<ControllerOptions> {
  const plurals = listOption(parsed, "kinds");
  const allow = listOption(parsed, "namespaces");
  const deny = listOption(parsed, "deny-namespaces");
  return {
    cluster: { kubeconfig: textOption(parsed, "kubeconfig"), context: textOption(parsed, "context") },
    kinds: await kindsNamed(plurals.length > 0 ? plurals : DEFAULT_KINDS),
    namespaces: { allow: allow.length > 0 ? allow : ["*"], deny },
    ...commonOptions(parsed, context),
  };
}

/** What every command that follows something shares: thread, store size, log. */
export function commonOptions(
  parsed: ParsedOptions,
  context: CommandContext,
): Pick<ControllerOptions, "ingest" | "maxBytes" | "log"> {
  const level = LOG_LEVELS.find((name) => name === textOption(parsed, "log-level")) ?? ("warn" satisfies LogLevel);
  return {
    ingest: parsed.values.inline === true ? "inline" : "thread",
    maxBytes: numberOption(parsed, "max-bytes", 1 << 20),
    log: jsonLogger(level, (line) => context.err.write(line)),
  };
}

/** How to show what is followed. `otherwise`: where --output is not given; by default a screen on a terminal, else lines. */
export function followOptionsOf(
  parsed: ParsedOptions,
  context: CommandContext,
  title: string,
  otherwise: FollowOptions["output"] = context.out.isTTY === true ? "text" : "json",
): FollowOptions {
  const output = textOption(parsed, "output");
  const duration = textOption(parsed, "for");
  const every = textOption(parsed, "status-every");
  return {
    title,
    output: output === "text" || output === "json" ? output : otherwise,
    forMs: duration === undefined ? undefined : parseDuration(duration),
    statusEveryMs: every === undefined ? DEFAULT_STATUS_EVERY_MS : parseDuration(every),
  };
}
