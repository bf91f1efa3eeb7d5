import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { PluginContext } from "./context.ts";
import type { Needs } from "./needs.ts";

/** Version of this contract that a plugin was written for. */
export type ContractVersion = "fairlead/v1";

/** Checks and completes the options of a plugin: zod, valibot, arktype or anything else of https://standardschema.dev. */
export type OptionsSchema = StandardSchemaV1<unknown, unknown>;

/** Options as `setup` gets them: checked, defaults filled. */
export type OptionsOf<Schema> = Schema extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Schema> : undefined;

/** One rule of Kubernetes RBAC, as in a ClusterRole. Watching what `needs` names is granted without being listed here. */
export interface PermissionRule {
  /** "" is the core group. */
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/**
 * A plugin. Export it as the default of a module; the module imports only types from Fairlead, everything else comes
 * through the context. Write it as `export default { … } satisfies Plugin<typeof Options, typeof needs>`.
 */
export interface Plugin<Schema extends OptionsSchema | undefined = OptionsSchema | undefined, N extends Needs = Needs> {
  /** Lower-case words joined by "-": the same in YAML, metrics and log lines. */
  readonly name: string;
  readonly apiVersion: ContractVersion;
  /** Left out: the plugin has no options. */
  readonly options?: Schema;
  /** Kinds and fields that it reads; nothing else can be read. Default: none. */
  readonly needs?: N;
  /** What it does at the API server beyond watching its `needs`. Default: nothing. */
  readonly permissions?: readonly PermissionRule[];
  /**
   * Where it acts when a leader is elected. "leader" (default): its hook `leading` and its writes belong to the process that
   * leads; `setup`, `synced` and all reads run in every process, so that another one can take over at once. "every": as if
   * there were no election. What the operator says wins.
   */
  readonly runOn?: "leader" | "every";
  /** Names of the services that it offers to other plugins. */
  readonly provides?: readonly string[];
  /** Plugins and services that must be set up before it, where they are configured at all. */
  readonly after?: readonly string[];
  /**
   * Taps hooks and starts what it needs. Runs once, while caches are being filled, on the main thread or in the plugin's own
   * thread; in a thread of its own again after each crash. What it starts must end when `context.signal` aborts. A throw or a timeout fails the plugin.
   */
  setup(context: PluginContext<Schema, N>): void | Promise<void>;
}

/** Any plugin, whatever its options and needs. */
// biome-ignore lint/suspicious/noExplicitAny: a plugin is invariant in its needs; only `any` accepts every one
export type AnyPlugin = Plugin<any, any>;
