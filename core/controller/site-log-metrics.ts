import type { ClosedLabels, LabelValues, PluginMetrics } from "../api/metrics.ts";
import type { LogFields, Logger, LogLevel } from "../log.ts";
import type { PluginSite } from "./plugin-site.ts";

/** A logger that writes through a site. */
export function siteLog(site: PluginSite): Logger {
  // A plugin in JavaScript may give only a text, as pino and console take it.
  const at = (level: Exclude<LogLevel, "silent">) => (fields: LogFields | string, message?: string) =>
    typeof fields === "string" ? site.log(level, {}, fields) : site.log(level, fields, message ?? "");
  return Object.freeze({
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  } satisfies Logger);
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** The metrics of a plugin over its site. `prefix`: in place of the plugin's own. */
export function siteMetrics(site: PluginSite, prefix?: string): PluginMetrics {
  return Object.freeze({
    counter(name: string, help: string, labels: ClosedLabels = {}) {
      const metric = site.declareMetric({ type: "counter", prefix, name, help, labels });
      return {
        inc: (given: LabelValues<ClosedLabels> = NO_LABELS) => site.record(metric, 1, given),
        add: (amount: number, given: LabelValues<ClosedLabels> = NO_LABELS) => site.record(metric, amount, given),
      };
    },
    gauge(name: string, help: string, labels: ClosedLabels = {}) {
      const metric = site.declareMetric({ type: "gauge", prefix, name, help, labels });
      return {
        set: (value: number, given: LabelValues<ClosedLabels> = NO_LABELS) => site.record(metric, value, given),
      };
    },
    histogram(name: string, help: string, options: { buckets: readonly number[]; labels?: ClosedLabels }) {
      const { buckets, labels = {} } = options;
      const metric = site.declareMetric({ type: "histogram", prefix, name, help, labels, buckets });
      return {
        observe: (value: number, given: LabelValues<ClosedLabels> = NO_LABELS) => site.record(metric, value, given),
        observeMany: (value: number, times: number, given: LabelValues<ClosedLabels> = NO_LABELS) =>
          site.record(metric, value, given, times),
      };
    },
    named: (other: string) => siteMetrics(site, other),
  });
}
