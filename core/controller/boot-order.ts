import { FairleadError } from "../errors.ts";

/** What the order of plugins follows from. */
export interface BootNeeds {
  readonly name: string;
  readonly provides: readonly string[];
  /** Plugins or services; names that nobody has are passed over. */
  readonly after: readonly string[];
}

/**
 * The plugins in the order in which they are set up: those that others wait for first, else as they are given. Throws
 * PLUGIN_DUPLICATE, SERVICE_DUPLICATE, PLUGIN_CYCLE.
 */
export function bootOrder<P extends BootNeeds>(plugins: readonly P[]): P[] {
  const before = waitsFor(plugins);
  const ordered: P[] = [];
  const done = new Set<P>();
  const path: P[] = [];
  const visit = (plugin: P): void => {
    if (done.has(plugin)) {
      return;
    }
    const at = path.indexOf(plugin);
    if (at >= 0) {
      const cycle = [...path.slice(at), plugin].map(({ name }) => name);
      throw new FairleadError(
        "PLUGIN_CYCLE",
        `plugins wait for each other: ${cycle.join(" after ")}; take one of these names out of "after"`,
        { facts: { cycle } },
      );
    }
    path.push(plugin);
    for (const other of before.get(plugin) ?? []) {
      visit(other);
    }
    path.pop();
    done.add(plugin);
    ordered.push(plugin);
  };
  for (const plugin of plugins) {
    visit(plugin);
  }
  return ordered;
}

/** The names of all plugins that wait for one of `names`, directly or not, these included. */
export function withDependants(names: ReadonlySet<string>, plugins: readonly BootNeeds[]): Set<string> {
  const before = waitsFor(plugins);
  const found = new Set(names);
  for (let grown = true; grown; ) {
    grown = false;
    for (const plugin of plugins) {
      if (!found.has(plugin.name) && before.get(plugin)?.some((other) => found.has(other.name)) === true) {
        found.add(plugin.name);
        grown = true;
      }
    }
  }
  return found;
}

function waitsFor<P extends BootNeeds>(plugins: readonly P[]): Map<P, P[]> {
  const byName = new Map<string, P>();
  const byService = new Map<string, P>();
  for (const plugin of plugins) {
    if (byName.has(plugin.name)) {
      throw new FairleadError(
        "PLUGIN_DUPLICATE",
        `there are two plugins with the name "${plugin.name}"; take one of them out`,
        { facts: { plugin: plugin.name } },
      );
    }
    byName.set(plugin.name, plugin);
    for (const service of plugin.provides) {
      const other = byService.get(service);
      if (other !== undefined) {
        throw new FairleadError(
          "SERVICE_DUPLICATE",
          `the plugins "${other.name}" and "${plugin.name}" both provide the service "${service}"; take one of them out`,
          { facts: { service, plugins: [other.name, plugin.name] } },
        );
      }
      byService.set(service, plugin);
    }
  }
  return new Map(
    plugins.map((plugin) => [
      plugin,
      // A name may be a plugin and a service at once.
      plugin.after.flatMap((name) => [byName.get(name), byService.get(name)]).filter((other) => other !== undefined),
    ]),
  );
}
