import { readFileSync } from "node:fs";
import { FairleadError } from "../core/errors.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";

/** Version of the package, from its own package.json (two folders up when built, one when run from source). */
export function packageVersion(): string {
  for (const place of ["../package.json", "../../package.json"]) {
    try {
      const parsed: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), "utf8"));
      if (typeof parsed === "object" && parsed !== null && "name" in parsed && parsed.name === "fairlead") {
        return "version" in parsed ? String(parsed.version) : "unknown";
      }
    } catch {
      // The other place has it.
    }
  }
  throw new FairleadError(
    "CLI_BROKEN_INSTALL",
    "package.json of fairlead was not found beside its code; install it again",
  );
}

/** `fairlead version`. */
export async function version(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const versions = { fairlead: packageVersion(), node: process.versions.node };
  const asJson = textOption(parsed, "output") === "json";
  context.out.write(
    asJson ? `${JSON.stringify(versions)}\n` : `fairlead ${versions.fairlead}, node ${versions.node}\n`,
  );
  return 0;
}
