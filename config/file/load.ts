import { homedir } from "node:os";
import { resolve } from "node:path";
import type { AnyKind } from "../../core/kinds/kind.ts";
import type { Variables } from "./environment.ts";
import { type ReadFiles, readFiles, shownName } from "./include.ts";
import type { SchemaIssue } from "./issue-text.ts";
import { problemsOf } from "./issues.ts";
import { settingsShape } from "./json-schema.ts";
import { followedKinds, tellKindsThatDiffer } from "./kinds.ts";
import { absolutePaths } from "./paths.ts";
import { type ConfiguredPlugin, findPlugins, foldersBy, withSettings } from "./plugins.ts";
import { type ConfigProblem, invalidConfig, placeText, sortProblems } from "./problem.ts";
import { redactText } from "./redaction.ts";
import { FairleadFile, type Settings } from "./schema.ts";
import { nodeAt, plainOf, type TableNode } from "./tree.ts";

const DEFAULT_TIMEOUT_MS = 10_000;
/** Of paths and messages so much is told; names in a file can be as long as the file. */
const LONGEST_PATH = 200;
const LONGEST_MESSAGE = 2000;

/** How to read a configuration. */
export interface LoadOptions {
  /** Default: `process.env`. */
  readonly variables?: Variables;
  /** Relative paths start here, and names in messages are relative to it. Default: the working folder. */
  readonly workingFolder?: string;
  /** "inline" (default): load plugins of the main thread; "all": also those of other threads, to know more of them. */
  readonly load?: "inline" | "all";
  /** How long a plugin may take to load, and to check its options, milliseconds. Default 10000. */
  readonly timeoutMs?: number;
}

/** A configuration without mistakes. Holds secrets: print `effectiveConfig(config)`, log through `redact`. */
export interface LoadedConfig {
  /** Absolute path of the file that was asked for. */
  readonly path: string;
  /** Absolute paths of all files that are part of it. */
  readonly files: readonly string[];
  /** Text of each file when it was read. */
  readonly texts: ReadonlyMap<string, string>;
  /** Defaults filled in, paths absolute, times in milliseconds, sizes in bytes. */
  readonly settings: Settings;
  readonly plugins: readonly ConfiguredPlugin[];
  /** What `kinds` stands for. */
  readonly kinds: readonly AnyKind[];
  /** The values with their places. */
  readonly root: TableNode;
  /** Values that must not be shown. */
  readonly secrets: ReadonlySet<string>;
  /** Hides every secret of this configuration in a text. */
  redact(text: string): string;
}

/** What came of reading a configuration: all problems at once, or none and the configuration. */
export interface ReadConfig {
  readonly config: LoadedConfig | undefined;
  readonly problems: readonly ConfigProblem[];
  readonly files: readonly string[];
  readonly texts: ReadonlyMap<string, string>;
  /** Plugins that could be found, also when there are problems elsewhere. */
  readonly plugins: readonly ConfiguredPlugin[];
  /** Kinds beside those of plugins, likewise. */
  readonly kinds: readonly AnyKind[];
  /** How to reach the cluster, likewise: undefined when that part is wrong. */
  readonly cluster: Settings["cluster"] | undefined;
}

/** Reads and checks a configuration with all that it names. Never rejects for what is in the files. */
export async function readConfig(path: string, options: LoadOptions = {}): Promise<ReadConfig> {
  const workingFolder = options.workingFolder ?? process.cwd();
  const read = readFiles(path, { variables: options.variables ?? process.env, workingFolder });
  const { root, files, texts } = read;
  if (root === undefined) {
    const nothing = { config: undefined, plugins: [], kinds: [], cluster: undefined };
    return { ...nothing, problems: tidy(read, read.problems), files, texts };
  }
  const problems: ConfigProblem[] = [...read.problems];
  // What could not be read is told; that it is now missing is not another mistake.
  const broken = new Set(read.problems.map((problem) => placeText(problem.place)));
  const tell = (problem: ConfigProblem): void => {
    if (!broken.has(placeText(problem.place))) {
      problems.push(problem);
    }
  };
  const settings = checkSettings(root, tell);
  // Where something could not be read, it may be what there is to do.
  if (settings !== undefined && read.problems.length === 0 && isIdle(settings)) {
    tell({ place: root.at, path: "", message: "nothing to do: add plugins, or kinds to follow" });
  }
  const found = await findPlugins({
    root,
    folderOf: foldersBy(files, read.shown),
    load: options.load ?? "inline",
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    onProblem: tell,
  });
  const kinds = followedKinds(root, (problem) => {
    // What is wrong inside of a kind has been told at its own place.
    if (!problems.some(({ path: where }) => where.startsWith(`${problem.path}.`))) {
      tell(problem);
    }
  });
  const kindsPlace = nodeAt(root, ["kinds"])?.at ?? root.at;
  const askers = found.map((plugin) => ({ ...plugin, path: ["plugins", plugin.index, "use"] }));
  tellKindsThatDiffer([{ kinds, place: kindsPlace, path: ["kinds"] }, ...askers], tell);
  const secrets = new Set(read.secrets);
  const placed = absolutePaths(root, {
    folderOf: foldersBy(files, read.shown),
    home: homedir(),
    secrets,
    onProblem: tell,
  });
  if (problems.length > 0 || settings === undefined) {
    const isClusterWrong = problems.some(({ path: where }) => where === "" || where.startsWith("cluster"));
    const cluster = isClusterWrong ? undefined : clusterOf(root);
    return {
      config: undefined,
      problems: tidy(read, problems),
      files,
      texts,
      plugins: found,
      kinds,
      cluster: cluster === undefined ? undefined : placed({ cluster }).cluster,
    };
  }
  const complete = placed(settings);
  const config: LoadedConfig = {
    path: resolve(workingFolder, path),
    files,
    texts,
    settings: complete,
    plugins: found.map((plugin) => withSettings(plugin, complete)),
    kinds,
    root,
    secrets,
    redact: (text) => redactText(text, secrets),
  };
  return { config, problems: [], files, texts, plugins: config.plugins, kinds, cluster: complete.cluster };
}

/** Reads a configuration, or rejects with CONFIG_INVALID, which tells all that is wrong. */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const { config, problems } = await readConfig(path, options);
  if (config === undefined) {
    throw invalidConfig(
      shownName(resolve(options.workingFolder ?? process.cwd(), path), options.workingFolder ?? process.cwd()),
      problems,
    );
  }
  return config;
}

function checkSettings(root: TableNode, tell: (problem: ConfigProblem) => void): Settings | undefined {
  const checked = FairleadFile.safeParse(plainOf(root));
  if (!checked.success) {
    // zod's own issues have all that a SchemaIssue may have; its type has a case for each code
    const issues = checked.error.issues as readonly SchemaIssue[];
    for (const problem of problemsOf(issues, { root, base: [], schema: settingsShape() })) {
      tell(problem);
    }
    return undefined;
  }
  return checked.data;
}

function isIdle({ plugins, kinds }: Settings): boolean {
  return plugins.length === 0 && (Array.isArray(kinds) ? kinds : Object.keys(kinds)).length === 0;
}

function tidy(read: ReadFiles, problems: readonly ConfigProblem[]): ConfigProblem[] {
  const hidden = problems.map((problem) => ({
    ...problem,
    path: cut(problem.path, LONGEST_PATH),
    message: cut(redactText(problem.message, read.secrets), LONGEST_MESSAGE),
  }));
  return sortProblems(hidden, read.shown);
}

/** The part on the cluster by itself, for when other parts are wrong. */
function clusterOf(root: TableNode): Settings["cluster"] | undefined {
  const node = nodeAt(root, ["cluster"]);
  return FairleadFile.shape.cluster.safeParse(node === undefined ? undefined : plainOf(node)).data;
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
