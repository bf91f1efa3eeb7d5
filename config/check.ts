import type { PermissionRule } from "../core/api/plugin.ts";
import { type RulesSource, rightsOf, rulesFor } from "../core/controller/permission-check.ts";
import { type MissingRules, missingRules } from "../core/controller/permission-review.ts";
import { StatusCertificate, StatusToken } from "../core/controller/status-files.ts";
import { leaseRules, shardRules } from "../core/election/lease-rules.ts";
import { codeOf, messageOf } from "../core/errors.ts";
import type { AnyKind } from "../core/kinds/kind.ts";
import { createKubeClient, type KubeClient } from "../core/kube/client.ts";
import { resolveCluster } from "../core/kube/cluster-config.ts";
import { createDiscovery } from "../core/kube/discovery.ts";
import { connect } from "../core/kube/http-transport.ts";
import { silentLogger } from "../core/log.ts";
import { planScope } from "../core/watch/namespace-scope.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { clusterSource } from "./file/controller-options.ts";
import { type ReadConfig, readConfig } from "./file/load.ts";
import { type ConfigProblem, placeText } from "./file/problem.ts";
import { nodeAt } from "./file/tree.ts";

const EXIT_PROBLEMS = 2;

/** `fairlead check`: every mistake of a configuration at once; unless `--offline`, also the rights that it lacks. */
export async function check(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const path = configPath(parsed);
  const read = await readConfig(path, { load: "all" });
  const isOffline = parsed.values.offline === true;
  const ofCluster = isOffline ? [] : await clusterProblems(read);
  const problems = [...read.problems, ...(await statusProblems(read)), ...ofCluster];
  const asJson = textOption(parsed, "output") === "json";
  context.out.write(asJson ? problemsAsJson(problems) : problemsAsText(path, problems, !isOffline));
  return problems.length === 0 ? 0 : EXIT_PROBLEMS;
}

/** One object a line: each problem, then how many there are. */
function problemsAsJson(problems: readonly ConfigProblem[]): string {
  const lines = problems.map(({ place, path, message }) => ({ type: "problem", ...place, path, message }));
  return [...lines, { type: "checked", problems: problems.length }].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** A table: place, path, message. */
function problemsAsText(file: string, problems: readonly ConfigProblem[], withCluster: boolean): string {
  if (problems.length === 0) {
    return `${file} is fine${withCluster ? ", and the cluster grants what it needs" : ""}\n`;
  }
  const rows = problems.map(({ place, path, message }) => [
    place === undefined ? "cluster" : placeText(place),
    path,
    message,
  ]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map(([place, path, message]) => {
    const indented = message.replaceAll("\n", "\n  ");
    return `${place.padEnd(widths[0])}  ${path === "" ? "" : `${path.padEnd(widths[1])}  `}${indented}`;
  });
  return `${lines.join("\n")}\n${problems.length === 1 ? "1 problem" : `${problems.length} problems`}\n`;
}

/** Files of the status server that it could not start with. */
async function statusProblems({ config }: ReadConfig): Promise<ConfigProblem[]> {
  if (config?.settings.status === undefined) {
    return [];
  }
  const { token, tls } = config.settings.status;
  const parts = [
    { key: "token", file: token === undefined ? undefined : new StatusToken(token, silentLogger) },
    { key: "tls", file: tls === undefined ? undefined : new StatusCertificate(tls, silentLogger) },
  ];
  const found: ConfigProblem[] = [];
  for (const { key, file } of parts) {
    try {
      await file?.load();
    } catch (error) {
      const place = nodeAt(config.root, ["status", key])?.at;
      found.push({ place, path: `status.${key}`, message: config.redact(messageOf(error)) });
    }
  }
  return found;
}

/** Rights that the plugins and kinds of a configuration need and the server does not grant. */
async function clusterProblems(read: ReadConfig): Promise<ConfigProblem[]> {
  if (read.cluster === undefined) {
    return []; // nobody can ask before that part is right
  }
  const askers = askersOf(read);
  const problem = (path: string, message: string): ConfigProblem => ({ place: undefined, path, message });
  try {
    const access = await resolveCluster(clusterSource(read.cluster));
    const transport = connect(access);
    try {
      const scope = planScope(read.cluster.namespaces);
      const client = createKubeClient(transport);
      const rules = askers.flatMap(({ source, isPlugin }) =>
        isPlugin ? rulesFor([source], []) : rulesFor([], source.kinds),
      );
      const namespaces = scope.kind === "fixed" ? scope.namespaces : undefined;
      const missing = await missingRules(
        client,
        rules,
        namespaces,
        askers.flatMap(({ kinds }) => kinds),
      );
      const election = await missingLeaseRules(client, read, access.namespace);
      const refused = await refusedSelectors(client, askers, namespaces?.[0]);
      const unserved = await unservedKinds(client, askers);
      return [...missing.flatMap((each) => missingText(each, askers)), ...election, ...refused, ...unserved].map(
        ([who, what]) => problem(who, what),
      );
    } finally {
      await transport.close();
    }
  } catch (error) {
    return [
      problem("", `permissions cannot be checked: ${messageOf(error)} (${codeOf(error)}); --offline leaves them out`),
    ];
  }
}

/** Somebody who needs rights. */
interface Asker {
  readonly name: string;
  readonly isPlugin: boolean;
  readonly source: RulesSource;
  /** What it reads, with the selectors. */
  readonly kinds: readonly AnyKind[];
}

function askersOf({ plugins, kinds }: ReadConfig): Asker[] {
  const asking = plugins.flatMap(({ declaration, kinds: needed }): Asker[] =>
    declaration === undefined
      ? []
      : [
          {
            name: `plugin "${declaration.name}"`,
            isPlugin: true,
            source: { permissions: declaration.permissions, kinds: needed },
            kinds: needed,
          },
        ],
  );
  return kinds.length === 0
    ? asking
    : [...asking, { name: "kinds", isPlugin: false, source: { permissions: [], kinds }, kinds }];
}

/** Selectors that the server does not understand: it is asked for one object by each. */
async function refusedSelectors(
  client: KubeClient,
  askers: readonly Asker[],
  namespace: string | undefined,
): Promise<[who: string, what: string][]> {
  const asked = askers.flatMap(({ name, kinds }) => kinds.map((kind) => ({ name, kind })));
  const found: [who: string, what: string][] = [];
  for (const { name, kind } of asked) {
    const { apiVersion, plural, labelSelector, fieldSelector } = kind;
    if (labelSelector === undefined && fieldSelector === undefined) {
      continue;
    }
    const target =
      kind.namespaced && namespace !== undefined ? { apiVersion, plural, namespace } : { apiVersion, plural };
    try {
      await client.pages(target, { labelSelector, fieldSelector, limit: 1 }).next();
    } catch (error) {
      if (codeOf(error) === "KUBE_INVALID") {
        found.push([name, `a selector of ${kind.name} is refused by the server: ${messageOf(error)}`]);
      } // else it is told already, or has nothing to do with the configuration
    }
  }
  return found;
}

/** Custom kinds that the server does not have: nothing comes of them until it does. */
async function unservedKinds(client: KubeClient, askers: readonly Asker[]): Promise<[who: string, what: string][]> {
  const discovery = createDiscovery(client);
  const found: [who: string, what: string][] = [];
  for (const { name, kinds } of askers) {
    for (const { apiVersion, kind } of kinds.filter(({ builtIn }) => !builtIn)) {
      try {
        await discovery.resolve(apiVersion, kind);
      } catch (error) {
        found.push([name, messageOf(error)]);
      }
    }
  }
  return found;
}

/** Who lacks what, for each resource. */
/** Rights on the Leases of an election and of shards. */
async function missingLeaseRules(
  client: KubeClient,
  { config }: ReadConfig,
  ownNamespace: string | undefined,
): Promise<[who: string, what: string][]> {
  const { leaderElection, shards } = config?.settings ?? {};
  const wanted: { readonly part: string; readonly namespace?: string; readonly rules: PermissionRule[] }[] = [];
  if (leaderElection?.enabled === true) {
    const { namespace, lease: name } = leaderElection;
    wanted.push({ part: "leaderElection", namespace, rules: leaseRules({ name }) });
  }
  if (shards !== undefined) {
    wanted.push({ part: "shards", namespace: shards.namespace, rules: shardRules() });
  }
  const found: [who: string, what: string][] = [];
  for (const { part, namespace = ownNamespace ?? "default", rules } of wanted) {
    for (const { verbs, resources } of (await missingRules(client, rules, [namespace])).flatMap((each) => each.rules)) {
      const what = `${verbs.join(", ")} ${resources.join()} in namespace "${namespace}"`;
      found.push([part, `may not ${what}: fairlead rbac prints the missing rule`]);
    }
  }
  return found;
}

function missingText({ namespace, rules }: MissingRules, askers: readonly Asker[]): [who: string, what: string][] {
  const refused = rightsOf(rules);
  const where = namespace === undefined ? "in the cluster" : `in namespace "${namespace}"`;
  return askers.flatMap(({ name, isPlugin, source }) => {
    const own = rightsOf(isPlugin ? rulesFor([source], []) : rulesFor([], source.kinds));
    const lacking = own.filter((right) =>
      refused.some(
        ({ group, resource, verb, name: object }) =>
          group === right.group && resource === right.resource && verb === right.verb && object === right.name,
      ),
    );
    const byResource = Map.groupBy(
      lacking,
      ({ group, resource, name: object }) =>
        `${group === "" ? resource : `${resource}.${group}`}${object === undefined ? "" : ` "${object}"`}`,
    );
    return [...byResource].map(([resource, rights]): [string, string] => {
      const verbs = rights.map(({ verb }) => verb).join(", ");
      return [name, `may not ${verbs} ${resource} ${where}: fairlead rbac prints the missing rule`];
    });
  });
}
