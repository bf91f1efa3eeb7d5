#!/usr/bin/env node
import { styleText } from "node:util";
import { codeOf, FairleadError, messageOf } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import {
  type CommandContext,
  type CommandSpec,
  commandHelp,
  EXIT,
  headingPaint,
  parseOptions,
  programHelp,
} from "./command.ts";
import { commands } from "./commands.ts";

const WRONG_USE = /^(CLI|CONFIG)_|^PLUGIN_OPTIONS$/;
const NOT_WRONG_USE: readonly string[] = [
  "CLI_NO_ANSWER",
  "CLI_NOT_SYNCED",
  "CLI_BROKEN_INSTALL",
  "CLI_OUTPUT_FAILED",
  "CLI_ENDED_BY_PLUGIN",
];

function fail(error: unknown, asJson: boolean): number {
  const code = codeOf(error);
  const message = messageOf(error);
  process.stderr.write(
    asJson
      ? `${JSON.stringify({ type: "error", code, message })}\n`
      : `${styleText("red", "fairlead:", { stream: process.stderr })} ${message} (${code})\n`,
  );
  return WRONG_USE.test(code) && !NOT_WRONG_USE.includes(code) ? EXIT.wrongUse : EXIT.failed;
}

/** Signals as a command sees them; installed only when a command runs. */
function contextOfProcess(): CommandContext {
  const controller = new AbortController();
  for (const [name, code] of [
    ["SIGINT", EXIT.interrupted],
    ["SIGTERM", EXIT.terminated],
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        endWith(code);
      }
      controller.abort();
    });
  }
  return {
    out: process.stdout,
    err: process.stderr,
    commands,
    signal: controller.signal,
    onHangup: (listener) => void process.on("SIGHUP", listener),
  };
}

async function runCommand(command: CommandSpec, args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(commandHelp(command, headingPaint(process.stdout)));
    return 0;
  }
  const asJson = args.includes("--output=json") || args[args.indexOf("--output") + 1] === "json";
  try {
    const parsed = parseOptions(command, args);
    // Before the command's code is loaded: a signal that comes meanwhile is not lost.
    const context = contextOfProcess();
    const run = await command.load();
    return await run(parsed, context);
  } catch (error) {
    return fail(error, asJson);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "help" && rest[0] !== undefined) {
    return await main([rest[0], "--help"]);
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(programHelp(commands, headingPaint(process.stdout)));
    return name === undefined ? EXIT.wrongUse : EXIT.ok;
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

/** A reader that goes away (`fairlead run | head`) is an end, not a crash; output that is lost is not "ended as asked". */
function outputEnded(error: Error): number {
  const code = codeOf(error);
  return code === "EPIPE"
    ? EXIT.ok
    : fail(new FairleadError("CLI_OUTPUT_FAILED", `the output is not complete: ${messageOf(error)}`), false);
}

/** The only way out of the program. */
function endWith(code: number): never {
  process.removeListener("exit", onForeignExit);
  process.exit(code);
}

/** A plugin on the main thread can end the process; that is no clean end. */
function onForeignExit(code: number): void {
  const message =
    `the program was ended from within (code ${code}): a plugin called process.exit(), or threw where nobody could catch it; ` +
    "give the plugin isolation: worker, which contains that";
  process.exitCode = fail(new FairleadError("CLI_ENDED_BY_PLUGIN", message), false);
}

process.once("exit", onForeignExit);
process.stdout.once("error", (error) => endWith(outputEnded(error)));
// Who has lost its messages must not crash for it.
process.stderr.on("error", () => {});

const code = await main(process.argv.slice(2));
// A module that was only looked at may have left a timer or a socket: written out, then ended.
process.stdout.write("", () => {
  const lost = process.stdout.errored;
  const end = lost === null ? code : outputEnded(lost);
  process.stderr.write("", () => endWith(end));
});
