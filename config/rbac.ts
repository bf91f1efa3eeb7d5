import type { LeaseName } from "../core/election/lease-record.ts";
import { FairleadError } from "../core/errors.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { loadConfig } from "./file/load.ts";
import type { Settings } from "./file/schema.ts";
import { type RbacObject, rbacObjects } from "./rbac-objects.ts";

/** `fairlead rbac`: prints the service account and the least rights for a configuration, ready for `kubectl apply`. */
export async function rbac(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const name = nameOption(parsed, "name") ?? "fairlead";
  const namespace = nameOption(parsed, "namespace") ?? "default";
  const path = configPath(parsed);
  const config = await loadConfig(path, { load: "all" });
  const plugins = config.plugins.filter(({ enabled }) => enabled);
  const objects = rbacObjects({
    name,
    namespace,
    plugins: plugins.map(({ declaration, kinds }) => ({ permissions: declaration?.permissions ?? [], kinds })),
    kinds: config.kinds,
    scope: config.settings.cluster.namespaces,
    lease: leaseOf(config.settings, namespace),
    shardNamespace: config.settings.shards === undefined ? undefined : (config.settings.shards.namespace ?? namespace),
  });
  if (textOption(parsed, "output") === "json") {
    context.out.write(`${JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, undefined, 2)}\n`);
    return 0;
  }
  const names = plugins.map(({ declaration, use }) => declaration?.name ?? use);
  context.out.write(await rbacYaml(objects, names));
  return 0;
}

/** The Lease of an election; where its namespace is not said, it is that of the service account. */
function leaseOf({ leaderElection }: Settings, namespace: string): LeaseName | undefined {
  return leaderElection?.enabled === true
    ? { namespace: leaderElection.namespace ?? namespace, name: leaderElection.lease }
    : undefined;
}

/** A name that Kubernetes takes for a namespace and for a service account, or undefined. Throws CLI_BAD_VALUE. */
function nameOption(parsed: ParsedOptions, option: string): string | undefined {
  const text = textOption(parsed, option);
  if (text !== undefined && !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) {
    throw new FairleadError(
      "CLI_BAD_VALUE",
      `--${option} "${text}" cannot be a name in Kubernetes; use at most 63 lower-case letters, digits and "-"`,
    );
  }
  return text;
}

async function rbacYaml(objects: readonly RbacObject[], plugins: readonly string[]): Promise<string> {
  const { stringify } = await import("yaml");
  const what = plugins.length === 0 ? "the kinds that are followed" : `the plugins ${plugins.join(", ")}`;
  const documents = objects.map((object) => stringify(object, { lineWidth: 0 }));
  return `# What ${what} may do, and no more. Made by fairlead rbac; make it again when the configuration changes.\n${documents.join("---\n")}`;
}
