#!/usr/bin/env node
import { codeOf, FairleadError, messageOf } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { type CommandSpec, commandHelp, parseOptions, programHelp } from "./command.ts";
import { commands } from "./commands.ts";

const EXIT_FAILED = 1;
const EXIT_WRONG_USE = 2;
const WRONG_USE = /^(CLI|CONFIG)_/;

function fail(error: unknown, asJson: boolean): number {
  const code = codeOf(error);
  const message = messageOf(error);
  process.stderr.write(
    asJson ? `${JSON.stringify({ type: "error", code, message })}\n` : `fairlead: ${message} (${code})\n`,
  );
  return WRONG_USE.test(code) && code !== "CLI_NOT_SYNCED" ? EXIT_WRONG_USE : EXIT_FAILED;
}

/** Aborts on the first SIGINT or SIGTERM; the second one ends the process at once. */
function endSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        process.exit(EXIT_FAILED);
      }
      controller.abort();
    });
  }
  return controller.signal;
}

async function runCommand(command: CommandSpec, args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  const asJson = args.includes("--output=json") || args[args.indexOf("--output") + 1] === "json";
  try {
    const parsed = parseOptions(command, args);
    const run = await command.load();
    return await run(parsed, { out: process.stdout, err: process.stderr, signal: endSignal() });
  } catch (error) {
    return fail(error, asJson);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(programHelp(commands));
    return name === undefined ? EXIT_WRONG_USE : 0;
  }
  const wanted = name === "--version" ? "version" : name;
  const command = commands.find((candidate) => candidate.name === wanted);
  if (command === undefined) {
    const names = commands.map((known) => known.name);
    const message = `unknown command "${wanted}"${didYouMean(wanted, names) || "; see fairlead --help"}`;
    return fail(new FairleadError("CLI_UNKNOWN_COMMAND", message), false);
  }
  return await runCommand(command, rest);
}

// A reader that goes away (`fairlead run | head`) is an end, not a crash.
process.stdout.on("error", (error) => process.exit(codeOf(error) === "EPIPE" ? 0 : EXIT_FAILED));

process.exitCode = await main(process.argv.slice(2));
