import { FairleadError } from "../errors.ts";
import { METRIC_GROUPS, type MetricDefinition, PROCESS_METRICS } from "./metric-names.ts";
import { LoopDelay } from "./metrics-loop.ts";
import type { MetricSample, PluginMetric, PluginMetricValues } from "./metrics-plugins.ts";
import { type FigureSources, type MetricSnapshot, takeSnapshot } from "./metrics-sources.ts";

/** What is used of a registry; that of any prom-client 14 or 15 fits. */
export interface MetricsRegistry {
  registerMetric(metric: { get(): Promise<unknown> }): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
  metrics(): Promise<string>;
  readonly contentType: string;
}

/** How to show metrics. */
export interface MetricsOptions {
  /** A registry of yours, such as prom-client's `register`. Default: one of the controller's own, with process metrics. */
  readonly registry?: MetricsRegistry;
  /**
   * Label `controller` of all metrics; needed where several controllers share one registry. Metrics that have a label
   * `controller` already, those under the names of controller-runtime, have it as `fairlead`. Default: no label.
   */
  readonly name?: string;
  /** Metrics of the embedder's own beside those of the controller. Default: none. */
  readonly more?: readonly MetricDefinition[];
}

/** The metrics of one controller in a registry. Nothing is counted or read before somebody asks the registry. */
export interface ControllerMetrics {
  readonly registry: MetricsRegistry;
  /** Shows metrics of plugins too, those that there are and later ones. Throws METRIC_REGISTRY_TAKEN. */
  show(plugins: PluginMetricValues): void;
  /** Takes everything out of the registry again. */
  close(): void;
}

/**
 * Puts the metrics of a controller into a registry. Loads prom-client only where no registry is given. Throws
 * METRIC_REGISTRY_TAKEN when another controller of the same name, or somebody else, has the same metrics in it.
 */
export async function openMetrics(sources: FigureSources, options: MetricsOptions = {}): Promise<ControllerMetrics> {
  const registry = options.registry ?? (await ownRegistry());
  const loop = new LoopDelay();
  const snapshots = new Snapshots(() => takeSnapshot(sources, loop));
  const shown = new ShownMetrics(registry, options.name ?? "");
  const groups = options.registry === undefined ? [...METRIC_GROUPS, PROCESS_METRICS] : METRIC_GROUPS;
  let stopWatching = (): void => {};
  function close(): void {
    stopWatching();
    shown.removeAll();
    loop.stop();
  }
  try {
    for (const definition of [...groups.flatMap((group) => group.metrics), ...(options.more ?? [])]) {
      shown.add(definition, async () => definition.read(await snapshots.current()));
    }
  } catch (error) {
    close();
    throw error;
  }
  function show(plugins: PluginMetricValues): void {
    stopWatching();
    stopWatching = plugins.watch((metric) => showPluginMetric(shown, plugins, metric));
  }
  return { registry, show, close };
}

async function ownRegistry(): Promise<MetricsRegistry> {
  const { Registry } = await import("prom-client");
  return new Registry();
}

/** A metric that a reload forgot shows nothing until it is declared anew; asked by name, therefore never an old one. */
function showPluginMetric(
  shown: ShownMetrics,
  plugins: PluginMetricValues,
  { fullName, type, help }: PluginMetric,
): void {
  shown.add({ name: fullName, type, help }, () => Promise.resolve(plugins.find(fullName)?.samples() ?? []));
}

/** One snapshot for all metrics of a scrape: they are asked in the same turn, and wait for the same promise. */
class Snapshots {
  readonly #take: () => Promise<MetricSnapshot>;
  #underWay: Promise<MetricSnapshot> | undefined;

  constructor(take: () => Promise<MetricSnapshot>) {
    this.#take = take;
  }

  current(): Promise<MetricSnapshot> {
    this.#underWay ??= this.#take().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }
}

type Told = Pick<MetricDefinition, "name" | "help"> & { readonly type: PluginMetric["type"] };
type ReadSamples = () => Promise<MetricSample[]>;

/** Known to every copy of this package in the process, so that controllers of two copies can share a registry. */
const SOURCES = Symbol.for("fairlead.metric.sources");

/** The part of one controller in the metrics of a registry. */
class ShownMetrics {
  readonly #registry: MetricsRegistry;
  readonly #controller: string;
  /** With the names under which they were registered. */
  readonly #mine = new Map<ShownMetric, string>();

  constructor(registry: MetricsRegistry, controller: string) {
    this.#registry = registry;
    this.#controller = controller;
  }

  /** Throws METRIC_REGISTRY_TAKEN. */
  add(told: Told, read: ReadSamples): void {
    const there = this.#registry.getSingleMetric(told.name);
    if (there !== undefined && !isShownMetric(there)) {
      throw taken(told.name, "somebody else's metric of that name; give the controller a registry of its own");
    }
    const metric = there ?? new ShownMetric(told);
    if (metric[SOURCES].has(this.#controller) && !this.#mine.has(metric)) {
      throw taken(told.name, "another controller's metrics; give each controller that shares a registry its own name");
    }
    metric[SOURCES].set(this.#controller, read);
    this.#mine.set(metric, told.name);
    if (there === undefined) {
      this.#registry.registerMetric(metric);
    }
  }

  removeAll(): void {
    for (const [metric, name] of this.#mine) {
      metric[SOURCES].delete(this.#controller);
      if (metric[SOURCES].size === 0) {
        this.#registry.removeSingleMetric(name);
      }
    }
    this.#mine.clear();
  }
}

function taken(name: string, why: string): FairleadError {
  return new FairleadError("METRIC_REGISTRY_TAKEN", `the registry has "${name}" already: ${why}`, {
    facts: { metric: name },
  });
}

function isShownMetric(metric: unknown): metric is ShownMetric {
  return typeof metric === "object" && metric !== null && SOURCES in metric;
}

/** Metrics of controllers that reconcile have a label "controller" of their own: there the name is in "fairlead". */
function ownLabels(name: string, labels: MetricSample["labels"]): MetricSample["labels"] {
  return "controller" in labels ? { fairlead: name, ...labels } : { controller: name, ...labels };
}

/** A metric as prom-client's registry wants it: read when it is asked, from one controller or several. */
class ShownMetric {
  /** Not readonly: a registry that speaks OpenMetrics cuts "_total" off. */
  name: string;
  readonly help: string;
  readonly type: Told["type"];
  readonly aggregator = "sum";
  readonly [SOURCES] = new Map<string, ReadSamples>();

  constructor({ name, help, type }: Told) {
    this.name = name;
    this.help = help;
    this.type = type;
  }

  async get(): Promise<unknown> {
    const { name, help, type, aggregator } = this;
    const parts = await Promise.all(
      [...this[SOURCES]].map(async ([controller, read]) => {
        const samples = await read();
        return controller === ""
          ? samples
          : samples.map((sample) => ({ ...sample, labels: ownLabels(controller, sample.labels) }));
      }),
    );
    return { name, help, type, aggregator, values: parts.flat() };
  }

  /** There is nothing to set back: values belong to the controller. */
  reset(): void {}
}
