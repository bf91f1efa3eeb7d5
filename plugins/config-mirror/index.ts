import type { Plugin } from "../../core/api/index.ts";
import { mirrorMetrics } from "./metrics.ts";
import { Mirror } from "./mirror.ts";
import { needs } from "./needs.ts";
import { ConfigMirrorOptions } from "./options.ts";
import { permissions } from "./permissions.ts";
import { type Matcher, parseSelector } from "./selector.ts";
import { SourceIndex } from "./sources.ts";

const WORKERS = 4;

export default {
  name: "config-mirror",
  apiVersion: "fairlead/v1",
  options: ConfigMirrorOptions,
  needs,
  permissions,
  async setup({ options, metrics, hooks, events, kube, store, controllers }) {
    const sources = new SourceIndex(matcherOf(options.sources));
    const figures = mirrorMetrics(metrics);
    const namespaceMatches = options.namespaces === undefined ? undefined : matcherOf(options.namespaces);
    const mirror = new Mirror({ options, namespaceMatches, sources, store, kube, events, figures });
    let isSynced = false;

    const definition = controllers
      .define("config-mirror")
      // Keys of sources, of those too that are there no more: their copies are.
      .keys()
      .watches(controllers.kinds.configmaps, ({ key, metadata: { namespace, name } }) => {
        const labels = store.read((view) => {
          const now = view.configmaps.get(namespace, name);
          return now === undefined ? undefined : { ...now.metadata.labels };
        });
        if (labels === undefined) {
          mirror.forget(key);
        }
        const keys = sources.take({ namespace, name }, labels);
        figures.counted(sources.sources, sources.copies);
        return keys;
      })
      // A namespace that comes, goes or is labelled anew concerns every source.
      .watches(controllers.kinds.namespaces, () => sources.all())
      .concurrency(WORKERS)
      .reconcile((request) => mirror.reconcile(request.key));
    await controllers.run(definition);

    hooks.synced.tap(() => {
      isSynced = true;
    });
    hooks.health("synced", () => isSynced || { ok: false, detail: "the caches are not complete yet" });
    hooks.stats(() => ({ sources: sources.sources, copies: sources.copies }));
  },
} satisfies Plugin<typeof ConfigMirrorOptions, typeof needs>;

/** The options have been checked: a text that is no selector does not come here. */
function matcherOf(selector: string): Matcher {
  const parsed = parseSelector(selector);
  return typeof parsed === "string" ? () => false : parsed;
}
