export {
  type ConfigChanges,
  type ConfiguredController,
  configChanges,
  toControllerOptions,
} from "./file/controller-options.ts";
export { effectiveConfig } from "./file/effective.ts";
export { type LoadedConfig, type LoadOptions, loadConfig, type ReadConfig, readConfig } from "./file/load.ts";
export type { ConfiguredPlugin } from "./file/plugins.ts";
export { type ConfigProblem, problemLine } from "./file/problem.ts";
export type { FairleadFile, Settings } from "./file/schema.ts";
export { type ConfigWatch, type WatchConfigOptions, watchConfig } from "./file/watch.ts";
export { builtInPlugins, findPlugin, type PluginSource } from "./plugin-source.ts";
