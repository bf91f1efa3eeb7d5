import { existsSync } from "node:fs";
import { FairleadError } from "../core/errors.ts";
import { type ParsedOptions, textOption } from "./command.ts";

/** Where a configuration is looked for when none is named. */
const CONFIG_PLACES = ["fairlead.yaml", "/etc/fairlead/fairlead.yaml"] as const;

/** The configuration that `--config` names, or the first one that is there; undefined when there is none. */
export function findConfig(parsed: ParsedOptions): string | undefined {
  return textOption(parsed, "config") ?? CONFIG_PLACES.find((place) => existsSync(place));
}

/** As `findConfig`, for commands that need one. Throws CONFIG_NOT_FOUND. */
export function configPath(parsed: ParsedOptions): string {
  const path = findConfig(parsed);
  if (path === undefined) {
    throw new FairleadError(
      "CONFIG_NOT_FOUND",
      `no configuration: neither ${CONFIG_PLACES.join(" nor ")} is there; name one with --config`,
    );
  }
  return path;
}
