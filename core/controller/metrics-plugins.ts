import { FairleadError } from "../errors.ts";
import { OWN_METRIC_NAMES } from "./metric-names.ts";
import type { MetricSink } from "./metric-sink.ts";
import type { MetricDeclaration } from "./plugin-site.ts";

/** Series that one metric may have, and metrics that one plugin may have: a plugin never floods the scrape. */
const MOST_CELLS = 20_000;
const MOST_METRICS = 200;

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Names of other products that a plugin may use, since it does the same work and their dashboards are everywhere. */
const KNOWN_PREFIXES: readonly string[] = ["coredns"];
/** Labels that others add: by the histogram, by us, by Prometheus. */
const RESERVED_LABELS: readonly string[] = ["le", "quantile", "controller", "job", "instance"];

/** One series of a metric as it is shown. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it differs from the metric's name: parts of a histogram. */
  readonly metricName?: string;
}

/** A metric of a plugin as the scrape sees it. */
export interface PluginMetric {
  /** With prefix: "fairlead_dns_queries_total". */
  readonly fullName: string;
  readonly type: MetricDeclaration["type"];
  readonly help: string;
  samples(): MetricSample[];
}

/**
 * Keeps the metrics of all plugins as plain numbers, until somebody looks. Main thread. Declaring is checked; recording costs
 * a look-up for each label and never throws.
 */
export class PluginMetricValues implements MetricSink {
  readonly #metrics: (StoredMetric | undefined)[] = [];
  /** Numbers by every name that a metric shows, those of a histogram's parts included. */
  readonly #numbers = new Map<string, number>();
  /** Declared by a life of a plugin that is over. */
  readonly #past = new Set<number>();
  readonly #dropped = new Map<string, number>();
  readonly #listeners = new Set<(metric: PluginMetric) => void>();

  /**
   * Gives the number for `record`; the same declaration gives the same number. Throws METRIC_BAD_NAME, METRIC_BAD_LABELS,
   * METRIC_BAD_BUCKETS, METRIC_CONFLICT, METRIC_TOO_MANY.
   */
  declare(plugin: string, declaration: MetricDeclaration): number {
    const metric = new StoredMetric(plugin, declaration);
    const known = this.#numbers.get(metric.fullName);
    const before = known === undefined ? undefined : this.#metrics[known];
    if (known !== undefined && before?.isSame(metric) === true) {
      this.#past.delete(known);
      return known;
    }
    if (known !== undefined && before?.plugin === plugin && before.type === metric.type && this.#past.has(known)) {
      this.#remove(known, before);
    }
    const clash = metric.shownNames().find((name) => this.#numbers.has(name) || OWN_METRIC_NAMES.has(name));
    if (clash !== undefined) {
      throw new FairleadError(
        "METRIC_CONFLICT",
        `plugin "${plugin}" declares the metric "${declaration.name}", but "${clash}" exists already with another type, help, labels or owner; give it another name`,
        { facts: { plugin, metric: clash } },
      );
    }
    if (this.#metrics.filter((other) => other?.plugin === plugin).length >= MOST_METRICS) {
      throw new FairleadError(
        "METRIC_TOO_MANY",
        `plugin "${plugin}" declares more than ${MOST_METRICS} metrics; use labels instead of names`,
        { facts: { plugin } },
      );
    }
    // First, since they may refuse it.
    for (const listener of this.#listeners) {
      listener(metric);
    }
    const number = this.#metrics.push(metric) - 1;
    for (const name of metric.shownNames()) {
      this.#numbers.set(name, number);
    }
    return number;
  }

  /** Adds to a counter, sets a gauge, observes in a histogram `times` times. Never throws: what does not fit is dropped and counted. */
  record(number: number, value: number, labels: Readonly<Record<string, string>>, times = 1): void {
    const metric = this.#metrics[number];
    if (metric === undefined) {
      return;
    }
    const dropped = metric.record(value, labels, times);
    if (dropped > 0) {
      this.#dropped.set(metric.plugin, (this.#dropped.get(metric.plugin) ?? 0) + dropped);
    }
  }

  /** A life of the plugin is over: its values stay, and the next one may declare other labels. */
  endLife(plugin: string): void {
    for (const [number, metric] of this.#metrics.entries()) {
      if (metric?.plugin === plugin) {
        this.#past.add(number);
      }
    }
  }

  /** Forgets the metrics of a plugin that was taken away. */
  forget(plugin: string): void {
    for (const [number, metric] of this.#metrics.entries()) {
      if (metric?.plugin === plugin) {
        this.#remove(number, metric);
      }
    }
    this.#dropped.delete(plugin);
  }

  #remove(number: number, metric: StoredMetric): void {
    this.#metrics[number] = undefined;
    this.#past.delete(number);
    for (const name of metric.shownNames()) {
      this.#numbers.delete(name);
    }
  }

  /** Values and labels that were dropped, by plugin. */
  dropped(): ReadonlyMap<string, number> {
    return this.#dropped;
  }

  /** The metric of that full name, where there is one. */
  find(fullName: string): PluginMetric | undefined {
    const number = this.#numbers.get(fullName);
    return number === undefined ? undefined : this.#metrics[number];
  }

  /** Calls back for each metric that there is, and for each later one. Gives a function that ends it. */
  watch(listener: (metric: PluginMetric) => void): () => void {
    this.#listeners.add(listener);
    for (const metric of this.#metrics) {
      if (metric !== undefined) {
        listener(metric);
      }
    }
    return () => this.#listeners.delete(listener);
  }
}

/** A metric and its values: one cell for each combination of label values, for a histogram one for each bucket, sum and count. */
class StoredMetric implements PluginMetric {
  readonly plugin: string;
  readonly fullName: string;
  readonly type: MetricDeclaration["type"];
  readonly help: string;
  readonly #declared: string;
  readonly #labels: readonly string[];
  readonly #values: readonly (readonly string[])[];
  readonly #places: readonly ReadonlyMap<string, number>[];
  readonly #buckets: readonly number[];
  readonly #width: number;
  readonly #cells: Float64Array;
  readonly #touched: Uint8Array;

  constructor(plugin: string, declaration: MetricDeclaration) {
    const { type, prefix, name, help, labels, buckets } = checked(plugin, declaration);
    this.plugin = plugin;
    this.fullName = `${prefix ?? `fairlead_${plugin.replaceAll("-", "_")}`}_${name}`;
    this.type = type;
    this.help = help;
    this.#declared = JSON.stringify([plugin, type, prefix, name, help, labels, buckets]);
    this.#labels = Object.keys(labels);
    this.#values = Object.values(labels);
    this.#places = this.#values.map((values) => new Map(values.map((value, place) => [value, place])));
    this.#buckets = buckets ?? [];
    this.#width = type === "histogram" ? this.#buckets.length + 2 : 1;
    const series = this.#values.reduce((product, values) => product * values.length, 1);
    if (series * this.#width > MOST_CELLS) {
      throw new FairleadError(
        "METRIC_TOO_MANY",
        `metric "${name}" of plugin "${plugin}" would have ${series} series; declare fewer values for its labels`,
        { facts: { plugin, metric: name, series } },
      );
    }
    this.#cells = new Float64Array(series * this.#width);
    this.#touched = new Uint8Array(series);
    if (series === 1 && this.#labels.length === 0 && type !== "gauge") {
      this.#touched[0] = 1;
    }
  }

  isSame(other: StoredMetric): boolean {
    return this.#declared === other.#declared;
  }

  shownNames(): readonly string[] {
    const parts = this.type === "histogram" ? ["_bucket", "_sum", "_count"] : [];
    return [this.fullName, ...parts.map((part) => `${this.fullName}${part}`)];
  }

  /** Gives how much was dropped: labels that are not declared, or the value itself. */
  record(value: number, labels: Readonly<Record<string, string>>, times: number): number {
    let series = 0;
    for (let i = 0; i < this.#labels.length; i++) {
      const place = this.#places[i].get(labels?.[this.#labels[i]]);
      if (place === undefined) {
        return 1;
      }
      series = series * this.#values[i].length + place;
    }
    if (!Number.isFinite(value) || (this.type === "counter" && value < 0) || !(times > 0 && Number.isInteger(times))) {
      return 1;
    }
    this.#touched[series] = 1;
    const at = series * this.#width;
    if (this.type === "counter") {
      this.#cells[at] += value;
    } else if (this.type === "gauge") {
      this.#cells[at] = value;
    } else {
      this.#observe(at, value, times);
    }
    return this.#undeclared(labels);
  }

  samples(): MetricSample[] {
    const samples: MetricSample[] = [];
    for (let series = 0; series < this.#touched.length; series++) {
      if (this.#touched[series] === 1) {
        const labels = this.#labelsOf(series);
        const at = series * this.#width;
        if (this.type === "histogram") {
          this.#addHistogram(samples, labels, at);
        } else {
          samples.push({ labels, value: this.#cells[at] });
        }
      }
    }
    return samples;
  }

  #undeclared(labels: Readonly<Record<string, string>>): number {
    let extra = 0;
    for (const name in labels) {
      if (!this.#labels.includes(name)) {
        extra++;
      }
    }
    return extra;
  }

  #observe(at: number, value: number, times: number): void {
    let bucket = 0;
    while (bucket < this.#buckets.length && value > this.#buckets[bucket]) {
      bucket++;
    }
    // One cell a bucket, the last for what is above all of them; the sum comes after.
    this.#cells[at + bucket] += times;
    this.#cells[at + this.#buckets.length + 1] += value * times;
  }

  #addHistogram(samples: MetricSample[], labels: Readonly<Record<string, string>>, at: number): void {
    let count = 0;
    for (const [i, le] of this.#buckets.entries()) {
      count += this.#cells[at + i];
      samples.push({ labels: { ...labels, le }, value: count, metricName: `${this.fullName}_bucket` });
    }
    count += this.#cells[at + this.#buckets.length];
    samples.push({ labels: { ...labels, le: "+Inf" }, value: count, metricName: `${this.fullName}_bucket` });
    const sum = this.#cells[at + this.#buckets.length + 1];
    samples.push({ labels, value: sum, metricName: `${this.fullName}_sum` });
    samples.push({ labels, value: count, metricName: `${this.fullName}_count` });
  }

  #labelsOf(series: number): Record<string, string> {
    const labels: Record<string, string> = {};
    let rest = series;
    for (let i = this.#labels.length - 1; i >= 0; i--) {
      const values = this.#values[i];
      labels[this.#labels[i]] = values[rest % values.length];
      rest = Math.floor(rest / values.length);
    }
    return labels;
  }
}

/** A declaration may come from another thread or from JavaScript: nothing about it is taken for granted. */
function checked(plugin: string, declaration: MetricDeclaration): MetricDeclaration {
  const { type, prefix, name, help } = declaration;
  const { labels = {}, buckets } = declaration;
  const refuse = (code: string, what: string): FairleadError =>
    new FairleadError(code, `metric "${String(name)}" of plugin "${plugin}": ${what}`, { facts: { plugin } });
  if (typeof name !== "string" || !NAME.test(name)) {
    throw refuse("METRIC_BAD_NAME", "a name has letters, digits and _ and does not begin with a digit");
  }
  if (prefix !== undefined && !KNOWN_PREFIXES.includes(prefix)) {
    const known = KNOWN_PREFIXES.join(", ");
    throw refuse(
      "METRIC_BAD_NAME",
      `the prefix "${String(prefix)}" is not one of those that others made known: ${known}`,
    );
  }
  if (typeof help !== "string" || help === "") {
    throw refuse("METRIC_BAD_NAME", "say in the help what it counts");
  }
  if (type !== "counter" && type !== "gauge" && type !== "histogram") {
    throw refuse("METRIC_BAD_NAME", `there is no type "${String(type)}"; use counter, gauge or histogram`);
  }
  for (const [label, values] of Object.entries(labels)) {
    if (!NAME.test(label) || label.startsWith("__") || RESERVED_LABELS.includes(label)) {
      throw refuse("METRIC_BAD_LABELS", `"${label}" cannot be the name of a label`);
    }
    const isList = Array.isArray(values) && values.length > 0 && values.every((value) => typeof value === "string");
    if (!isList || new Set(values).size !== values.length) {
      throw refuse("METRIC_BAD_LABELS", `list every value that the label "${label}" can have, each once, as text`);
    }
  }
  if (type === "histogram") {
    const isRising =
      Array.isArray(buckets) &&
      buckets.length > 0 &&
      buckets.every((bucket, i) => Number.isFinite(bucket) && (i === 0 || bucket > buckets[i - 1]));
    if (!isRising) {
      throw refuse("METRIC_BAD_BUCKETS", "buckets are rising finite numbers, at least one");
    }
    return { type, prefix, name, help, labels, buckets: [...buckets] };
  }
  return { type, prefix, name, help, labels };
}
