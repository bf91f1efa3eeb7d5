import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { FairleadError, messageOf } from "../core/errors.ts";
import type { KubeObject } from "../core/kube/client.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";

/** `fairlead crd`: prints the CustomResourceDefinitions of the resources that modules export, ready for `kubectl apply`. */
export async function crd(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  if (parsed.arguments.length === 0) {
    throw new FairleadError("CLI_BAD_ARGUMENT", "fairlead crd needs the file of a module; see fairlead crd --help");
  }
  const found = new Map<string, KubeObject>();
  for (const file of parsed.arguments) {
    for (const definition of await definitionsIn(file)) {
      const name = String(definition.metadata?.name);
      const other = found.get(name);
      if (other !== undefined && !isDeepStrictEqual(other, definition)) {
        throw new FairleadError(
          "RESOURCE_BAD_DEFINITION",
          `two different resources are named "${name}", the last one in "${file}"; give one another plural or group, or define both versions in one`,
        );
      }
      found.set(name, definition);
    }
  }
  const definitions = [...found.values()];
  if (textOption(parsed, "output") === "json") {
    const [only] = definitions;
    const shown = definitions.length === 1 ? only : { apiVersion: "v1", kind: "List", items: definitions };
    context.out.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    return 0;
  }
  const { stringify } = await import("yaml");
  // Without anchors: kubectl reads them, people do not.
  const documents = definitions.map((one) => stringify(one, { lineWidth: 0, aliasDuplicateObjects: false }));
  context.out.write(`# Made by fairlead crd; make it again when the schema changes.\n${documents.join("---\n")}`);
  return 0;
}

/** The definitions of a module: of resources that it exports, and of those for which its controllers are. */
async function definitionsIn(file: string): Promise<KubeObject[]> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new FairleadError(
      "CLI_BAD_ARGUMENT",
      `there is no file "${file}"; fairlead crd takes the module that exports the resource`,
    );
  }
  let module: Readonly<Record<string, unknown>>;
  try {
    // A module is an object of its exports.
    module = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new FairleadError("CLI_LOAD_FAILED", `"${file}" cannot be imported: ${messageOf(cause)}`, { cause });
  }
  const resources = Object.values(module).flatMap((value) => [value, forOf(value)].filter(isResource));
  if (resources.length === 0) {
    const names = Object.keys(module);
    const exported = names.length === 0 ? "nothing" : names.join(", ");
    throw new FairleadError(
      "CLI_NO_RESOURCE",
      `"${file}" exports ${exported}, and no resource; export what defineResource gives`,
    );
  }
  return resources.map((resource) => resource.crd());
}

function forOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "for" in value ? value.for : undefined;
}

/** What `defineResource` gives; of any copy of the package. */
function isResource(value: unknown): value is { crd(): KubeObject } {
  return (
    typeof value === "object" &&
    value !== null &&
    "crd" in value &&
    typeof value.crd === "function" &&
    "plural" in value
  );
}
