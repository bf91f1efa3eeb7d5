import { parseArgs } from "node:util";
import { FairleadError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";

/** One option of a command. */
export interface OptionSpec {
  /** Absent for a switch; else how the value is shown in the help: "DURATION". */
  readonly value?: string;
  readonly about: string;
  readonly repeat?: boolean;
  /** The only values allowed. */
  readonly oneOf?: readonly string[];
}

/** Values as typed by the user: switches are true, repeated options lists. */
export interface ParsedOptions {
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly arguments: readonly string[];
}

/** Where a command writes, and how it is told to end. */
export interface CommandContext {
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  /** Aborted on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** One command of the program. */
export interface CommandSpec {
  readonly name: string;
  readonly about: string;
  readonly usage?: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly string[];
  /** Loaded only when the command runs. Gives the exit code. */
  load(): Promise<(parsed: ParsedOptions, context: CommandContext) => Promise<number>>;
}

const EXIT_CODES = `exit codes:
  0  ended as asked
  1  failed while running
  2  wrong use: option, argument or configuration`;

/** Help of the whole program. */
export function programHelp(commands: readonly CommandSpec[]): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.about}`);
  return `fairlead: watch caches of a Kubernetes cluster that never drift

usage: fairlead COMMAND [options]

commands:
${lines.join("\n")}

fairlead COMMAND --help tells more of one command.

${EXIT_CODES}
`;
}

/** Help of one command. */
export function commandHelp(command: CommandSpec): string {
  const rows = Object.entries({ ...command.options, help: { about: "this text" } }).map(([name, option]) => {
    const value = "value" in option && option.value !== undefined ? ` ${option.value}` : "";
    return [`--${name}${value}`, option.about];
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return `fairlead ${command.name}: ${command.about}

usage: fairlead ${command.name} ${command.usage ?? "[options]"}

options:
${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n")}

examples:
${command.examples.map((example) => `  $ ${example}`).join("\n")}

${EXIT_CODES}
`;
}

/** Reads the options of a command. Throws CLI_UNKNOWN_OPTION, CLI_BAD_VALUE. */
export function parseOptions(command: CommandSpec, args: readonly string[]): ParsedOptions {
  const known = Object.keys(command.options);
  for (const arg of args) {
    if (arg === "--") {
      break;
    }
    const name = /^--(?:no-)?([^=]+)/.exec(arg)?.[1];
    if (name !== undefined && !known.includes(name)) {
      throw new FairleadError(
        "CLI_UNKNOWN_OPTION",
        `fairlead ${command.name} has no option "--${name}"${didYouMean(name, known) || `; see fairlead ${command.name} --help`}`,
      );
    }
  }
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, option]) => [
      name,
      option.value === undefined
        ? { type: "boolean" as const }
        : { type: "string" as const, multiple: option.repeat === true },
    ]),
  );
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const first = text.split("\n")[0];
    throw new FairleadError("CLI_BAD_VALUE", `${first.charAt(0).toLowerCase()}${first.slice(1)}`, { cause });
  }
  for (const [name, value] of Object.entries(parsed.values)) {
    const allowed = command.options[name].oneOf;
    if (allowed !== undefined && typeof value === "string" && !allowed.includes(value)) {
      throw new FairleadError(
        "CLI_BAD_VALUE",
        `--${name} "${value}" is not one of ${allowed.join(", ")}${didYouMean(value, allowed)}`,
      );
    }
  }
  // parseArgs types its values by a generic that a table built at run time cannot carry.
  return { values: parsed.values as ParsedOptions["values"], arguments: parsed.positionals };
}

/** The text value of an option, or undefined. */
export function textOption(parsed: ParsedOptions, name: string): string | undefined {
  const value = parsed.values[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of a repeatable option; each may also hold several, separated by commas. */
export function listOption(parsed: ParsedOptions, name: string): string[] {
  const value = parsed.values[name];
  const all = typeof value === "string" ? [value] : Array.isArray(value) ? value : [];
  return all.flatMap((item) => item.split(",")).filter((item) => item !== "");
}
