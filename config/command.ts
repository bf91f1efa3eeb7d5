import { parseArgs, styleText } from "node:util";
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
  /** What a shell offers for the value besides `oneOf`. */
  readonly complete?: "file";
}

/** Values as typed by the user: switches are true, repeated options lists. */
export interface ParsedOptions {
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly arguments: readonly string[];
}

/** Where a command writes, and how it is told what to do while it runs. */
export interface CommandContext {
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  /** Every command of the program. */
  readonly commands: readonly CommandSpec[];
  /** Aborted on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Calls back on each SIGHUP of the process, which ends it no more. */
  onHangup(listener: () => void): void;
}

/** What a command does; gives the exit code. */
export type RunCommand = (parsed: ParsedOptions, context: CommandContext) => Promise<number>;

/** One command of the program. */
export interface CommandSpec {
  readonly name: string;
  readonly about: string;
  readonly usage?: string;
  /** What the first argument must be one of. Default: the command takes whatever arguments `usage` says. */
  readonly words?: readonly string[];
  /** Arguments that it takes at most. Default 0. */
  readonly maxArguments?: number;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly string[];
  /** Loaded only when the command runs. */
  load(): Promise<RunCommand>;
}

/** Exit codes of the program; the help explains them. */
export const EXIT = { ok: 0, failed: 1, wrongUse: 2, interrupted: 130, terminated: 143 } as const;

const EXIT_CODES = `  0         ended as asked, by --for, SIGTERM or ctrl-c too
  1         failed while running
  2         wrong use: option, argument, configuration or missing permission
  130, 143  ended at once by a second ctrl-c or SIGTERM`;

/** Draws a heading; default: as it is. */
export type Paint = (heading: string) => string;

const plain: Paint = (heading) => heading;

/** Bold headings for a terminal, none elsewhere or with NO_COLOR. */
export function headingPaint(stream: NodeJS.WriteStream): Paint {
  return (heading) => styleText("bold", heading, { stream });
}

/** Help of the whole program. */
export function programHelp(commands: readonly CommandSpec[], paint: Paint = plain): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.about}`);
  return `fairlead: watch caches of a Kubernetes cluster that never drift, and plugins on them

${paint("usage:")} fairlead COMMAND [options]

${paint("commands:")}
${lines.join("\n")}

fairlead COMMAND --help tells more of one command.

${paint("exit codes:")}
${EXIT_CODES}
`;
}

/** Help of one command. */
export function commandHelp(command: CommandSpec, paint: Paint = plain): string {
  const rows = Object.entries({ ...command.options, help: { about: "this text" } }).map(([name, option]) => {
    const value = "value" in option && option.value !== undefined ? ` ${option.value}` : "";
    return [`--${name}${value}`, option.about];
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return `fairlead ${command.name}: ${command.about}

${paint("usage:")} fairlead ${command.name} ${command.usage ?? "[options]"}

${paint("options:")}
${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n")}

${paint("examples:")}
${command.examples.map((example) => `  $ ${example}`).join("\n")}

${paint("exit codes:")}
${EXIT_CODES}
`;
}

/** Reads the options and arguments of a command. Throws CLI_UNKNOWN_OPTION, CLI_BAD_VALUE, CLI_BAD_ARGUMENT. */
export function parseOptions(command: CommandSpec, args: readonly string[]): ParsedOptions {
  refuseUnknownOptions(command, args);
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
    const dashed = /^Option '(--[^' ]+).*argument is ambiguous/.exec(first)?.[1];
    const message =
      dashed === undefined
        ? `${first.charAt(0).toLowerCase()}${first.slice(1)}`
        : `${dashed} needs a value; one that begins with "-" is written ${dashed}=VALUE`;
    throw new FairleadError("CLI_BAD_VALUE", message, { cause });
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
  checkArguments(command, parsed.positionals);
  // parseArgs types its values by a generic that a table built at run time cannot carry.
  return { values: parsed.values as ParsedOptions["values"], arguments: parsed.positionals };
}

function refuseUnknownOptions(command: CommandSpec, args: readonly string[]): void {
  const known = Object.keys(command.options);
  for (const arg of args) {
    if (arg === "--") {
      return;
    }
    const name = /^--(?:no-)?([^=]+)/.exec(arg)?.[1];
    if (name !== undefined && !known.includes(name)) {
      throw new FairleadError(
        "CLI_UNKNOWN_OPTION",
        `fairlead ${command.name} has no option "--${name}"${didYouMean(name, known) || `; see fairlead ${command.name} --help`}`,
      );
    }
  }
}

function checkArguments(command: CommandSpec, given: readonly string[]): void {
  const { words, maxArguments = words === undefined ? 0 : 1 } = command;
  const see = `; see fairlead ${command.name} --help`;
  if (words !== undefined && !words.includes(given[0])) {
    const wanted = words.map((word) => `"${word}"`).join(" or ");
    const hint = given[0] === undefined ? "" : didYouMean(given[0], words);
    throw new FairleadError("CLI_BAD_ARGUMENT", `fairlead ${command.name} needs ${wanted}${hint || see}`);
  }
  if (given.length > maxArguments) {
    throw new FairleadError(
      "CLI_BAD_ARGUMENT",
      `fairlead ${command.name} does not take the argument "${given[maxArguments]}"${see}`,
    );
  }
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
