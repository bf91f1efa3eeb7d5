import { FairleadError } from "../errors.ts";
import type { MetricDeclaration } from "./plugin-site.ts";

/** Where metrics of plugins go. */
export interface MetricSink {
  /**
   * Gives the metric's number for `record`; the same declaration gives the same number, also after the plugin was started
   * anew. Throws METRIC_DIFFERS when the name is taken by another one. The declaration has passed `checkMetric`.
   */
  declare(plugin: string, metric: MetricDeclaration): number;
  /** Adds to a counter, sets a gauge, observes in a histogram. Drops and counts labels that were not declared. Never throws. */
  record(metric: number, value: number, labels: Readonly<Record<string, string>>): void;
}

/** Drops everything: for controllers that nobody asks for metrics. */
export const noMetrics: MetricSink = { declare: () => 0, record: () => {} };

const NAME = /^[a-z][a-z0-9_]*$/;
const RESERVED = new Set(["le", "quantile"]);

/** Throws METRIC_BAD_NAME, METRIC_BAD_LABEL, METRIC_BAD_BUCKETS for what Prometheus would not take, or would misread. */
export function checkMetric(plugin: string, metric: MetricDeclaration): void {
  const what = `metric "${metric.name}" of plugin "${plugin}"`;
  const facts = { plugin, metric: metric.name };
  if (!NAME.test(metric.name)) {
    throw new FairleadError("METRIC_BAD_NAME", `${what}: the name must be lower-case letters, digits and "_"`, {
      facts,
    });
  }
  if (metric.type === "counter" && !metric.name.endsWith("_total")) {
    throw new FairleadError("METRIC_BAD_NAME", `${what}: the name of a counter must end with "_total"`, { facts });
  }
  if (metric.help.trim() === "") {
    throw new FairleadError("METRIC_BAD_NAME", `${what}: say in one line what it is`, { facts });
  }
  for (const [label, values] of Object.entries(metric.labels)) {
    if (!NAME.test(label) || RESERVED.has(label)) {
      throw new FairleadError("METRIC_BAD_LABEL", `${what}: "${label}" cannot be the name of a label`, { facts });
    }
    if (!Array.isArray(values) || values.length === 0 || values.some((value) => typeof value !== "string")) {
      throw new FairleadError("METRIC_BAD_LABEL", `${what}: list all values that the label "${label}" can have`, {
        facts,
      });
    }
  }
  const buckets = metric.buckets ?? [];
  if (metric.type === "histogram" && buckets.length === 0) {
    throw new FairleadError("METRIC_BAD_BUCKETS", `${what}: a histogram needs buckets`, { facts });
  }
  if (buckets.some((value, at) => !Number.isFinite(value) || (at > 0 && value <= buckets[at - 1]))) {
    throw new FairleadError("METRIC_BAD_BUCKETS", `${what}: buckets must be numbers that rise`, { facts });
  }
}
