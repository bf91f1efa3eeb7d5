import { Document, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { effectiveConfig, type ShownValue, WrittenValue } from "./file/effective.ts";
import { loadConfig } from "./file/load.ts";

/** `fairlead print`: the configuration that would run, with defaults filled in and secrets hidden. */
export async function print(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const config = await loadConfig(configPath(parsed), { load: "all" });
  const shown = effectiveConfig(config);
  const text = textOption(parsed, "output") === "json" ? `${JSON.stringify(shown)}\n` : configAsYaml(shown);
  context.out.write(text);
  return 0;
}

/** A shown configuration as YAML. */
export function configAsYaml(shown: ShownValue): string {
  const document = new Document();
  document.contents = yamlNode(shown);
  return document.toString({ lineWidth: 0 });
}

function yamlNode(value: ShownValue): Scalar | YAMLMap | YAMLSeq {
  if (value instanceof WrittenValue) {
    const scalar = new Scalar(value.text);
    scalar.type = value.plain ? Scalar.PLAIN : Scalar.QUOTE_DOUBLE;
    return scalar;
  }
  if (typeof value !== "object" || value === null) {
    return new Scalar(value);
  }
  if (Array.isArray(value)) {
    const list = new YAMLSeq();
    list.items = value.map(yamlNode);
    list.flow = value.length === 0;
    return list;
  }
  const map = new YAMLMap();
  for (const [key, part] of Object.entries(value)) {
    map.set(new Scalar(key), yamlNode(part));
  }
  map.flow = map.items.length === 0;
  return map;
}
