import { relative, resolve } from "node:path";
import { FairleadError } from "../core/errors.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { newPlugin } from "./plugin-new.ts";

/** `fairlead plugin new NAME [FOLDER]`: makes a plugin that works, with its tests. */
export async function plugin(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const [, name, given] = parsed.arguments;
  if (name === undefined) {
    throw new FairleadError("CLI_BAD_ARGUMENT", "fairlead plugin new needs a name; see fairlead plugin --help");
  }
  const folder = resolve(given ?? name.slice(name.lastIndexOf("/") + 1));
  const made = await newPlugin(name, folder);
  const shown = relative(process.cwd(), folder);
  const use = shown.startsWith("..") ? folder : `./${shown}`;
  context.out.write(
    textOption(parsed, "output") === "json"
      ? `${JSON.stringify({ type: "made", folder, ...made })}\n`
      : `made ${made.packageName} in ${use}: ${made.files.join(", ")}\n\n` +
          `  $ cd ${use} && npm install && npm test\n\n` +
          `and in fairlead.yaml:\n\n  plugins:\n    - use: ${use}/index.ts\n`,
  );
  return 0;
}
