import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { loadConfig } from "./file/load.ts";
import { type RbacObject, rbacObjects } from "./rbac-objects.ts";

/** `fairlead rbac`: prints the service account and the least rights for a configuration, ready for `kubectl apply`. */
export async function rbac(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const path = configPath(parsed);
  const config = await loadConfig(path, { load: "all" });
  const plugins = config.plugins.filter(({ enabled }) => enabled);
  const objects = rbacObjects({
    name: textOption(parsed, "name") ?? "fairlead",
    namespace: textOption(parsed, "namespace") ?? "default",
    plugins: plugins.map(({ declaration, kinds }) => ({ permissions: declaration?.permissions ?? [], kinds })),
    kinds: config.kinds,
    scope: config.settings.cluster.namespaces,
  });
  if (textOption(parsed, "output") === "json") {
    context.out.write(`${JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, undefined, 2)}\n`);
    return 0;
  }
  const names = plugins.map(({ declaration, use }) => declaration?.name ?? use);
  context.out.write(await rbacYaml(objects, names));
  return 0;
}

async function rbacYaml(objects: readonly RbacObject[], plugins: readonly string[]): Promise<string> {
  const { stringify } = await import("yaml");
  const what = plugins.length === 0 ? "the kinds that are followed" : `the plugins ${plugins.join(", ")}`;
  const documents = objects.map((object) => stringify(object, { lineWidth: 0 }));
  return `# What ${what} may do, and no more. Made by fairlead rbac; make it again when the configuration changes.\n${documents.join("---\n")}`;
}
