import type { MetricDeclaration } from "./plugin-site.ts";

/** Where metrics of plugins go: `PluginMetricValues`, or what a test gives. */
export interface MetricSink {
  /**
   * Checks the declaration and gives the metric's number for `record`; the same declaration gives the same number, also after
   * the plugin was started anew. Throws METRIC_*.
   */
  declare(plugin: string, metric: MetricDeclaration): number;
  /**
   * Adds to a counter, sets a gauge, observes in a histogram, so many times (default 1). Drops and counts labels that were not
   * declared. Never throws.
   */
  record(metric: number, value: number, labels: Readonly<Record<string, string>>, times?: number): void;
  /** A life of the plugin is over: the next one may declare its metrics with other labels. */
  endLife(plugin: string): void;
  /** The plugin was taken away by a reload. */
  forget(plugin: string): void;
}
