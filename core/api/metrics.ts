/** Names of labels and all values that they can have; never names of objects. */
export type ClosedLabels = Readonly<Record<string, readonly string[]>>;

/** One value for each label. */
export type LabelValues<L extends ClosedLabels> = { readonly [Name in keyof L]: L[Name][number] };

type Given<L extends ClosedLabels> = [keyof L] extends [never] ? [] : [labels: LabelValues<L>];

/** Counts up. */
export interface Counter<L extends ClosedLabels = Record<never, never>> {
  inc(...labels: Given<L>): void;
  add(amount: number, ...labels: Given<L>): void;
}

/** Goes up and down. */
export interface Gauge<L extends ClosedLabels = Record<never, never>> {
  set(value: number, ...labels: Given<L>): void;
}

/** Counts values by size. */
export interface Histogram<L extends ClosedLabels = Record<never, never>> {
  observe(value: number, ...labels: Given<L>): void;
  /** The same value so many times, as when they were counted elsewhere. */
  observeMany(value: number, times: number, ...labels: Given<L>): void;
}

/**
 * Metrics of one plugin, named `fairlead_<plugin>_<name>` ("-" becomes "_"). The same name gives the same metric. A label or
 * value that was not declared is dropped and counted, METRIC_* errors are thrown for names that Prometheus does not allow.
 */
export interface PluginMetrics {
  counter<const L extends ClosedLabels = Record<never, never>>(name: string, help: string, labels?: L): Counter<L>;
  gauge<const L extends ClosedLabels = Record<never, never>>(name: string, help: string, labels?: L): Gauge<L>;
  histogram<const L extends ClosedLabels = Record<never, never>>(
    name: string,
    help: string,
    options: { readonly buckets: readonly number[]; readonly labels?: L },
  ): Histogram<L>;
  /**
   * Metrics under names that dashboards of another product know: `named("coredns").counter("dns_requests_total", …)` is
   * `coredns_dns_requests_total`. Prefixes that may be used so: "coredns". Throws METRIC_BAD_NAME for all others.
   */
  named(prefix: string): PluginMetrics;
}
