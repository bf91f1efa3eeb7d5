import type { MetricDeclaration } from "./plugin-site.ts";

/** Values of one metric with one set of labels: a sum, the last one, or all of them. */
export interface MetricValues {
  readonly metric: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
  /** Of a histogram: how many times each of the values. */
  readonly times: readonly number[];
}

/** What is sent to the main thread at once. */
export interface MetricReport {
  readonly metrics: readonly MetricValues[];
  /** Calls of change callbacks: kind, milliseconds, whether it threw. */
  readonly calls: readonly (readonly [kind: string, ms: number, failed: boolean])[];
}

interface Collected {
  readonly metric: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly values: number[];
  readonly times: number[];
}

/** Of one histogram and set of labels in one report; the rest is left out. */
const MAX_VALUES = 1000;
/** Different sets of labels in one report: labels are closed, so that only a mistake makes more. */
const MAX_SERIES = 5000;
const MAX_CALLS = 1000;

/** Collects what a plugin in this thread records, so that not every value is a message. */
export class MetricBatch {
  readonly #declared = new Map<string, { readonly number: number; readonly as: string }>();
  readonly #types: MetricDeclaration["type"][] = [];
  #series = new Map<string, Collected>();
  #calls: [string, number, boolean][] = [];

  /** Gives a number that is unique here; `tell` is called for a declaration that is new. */
  declare(metric: MetricDeclaration, tell: (number: number) => void): number {
    const as = JSON.stringify([metric.type, metric.labels, metric.buckets]);
    const name = `${metric.prefix ?? ""} ${metric.name}`;
    const known = this.#declared.get(name);
    // Another declaration of the same name goes to the main thread too: it says what is wrong.
    if (known !== undefined && known.as === as) {
      return known.number;
    }
    const number = this.#types.push(metric.type) - 1;
    this.#declared.set(name, { number, as });
    tell(number);
    return number;
  }

  record(metric: number, value: number, labels: Readonly<Record<string, string>>, times = 1): void {
    const key = keyOf(metric, labels);
    const series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size < MAX_SERIES) {
        this.#series.set(key, { metric, labels: { ...labels }, values: [value], times: [times] });
      }
      return;
    }
    const type = this.#types[metric];
    if (type === "counter") {
      series.values[0] += value;
    } else if (type === "gauge") {
      series.values[0] = value;
    } else if (series.values.length < MAX_VALUES) {
      series.values.push(value);
      series.times.push(times);
    }
  }

  called(kind: string, ms: number, failed: boolean): void {
    if (this.#calls.length < MAX_CALLS) {
      this.#calls.push([kind, ms, failed]);
    }
  }

  /** All since the last time; undefined when there is nothing. */
  take(): MetricReport | undefined {
    if (this.#series.size === 0 && this.#calls.length === 0) {
      return undefined;
    }
    const report = { metrics: [...this.#series.values()], calls: this.#calls };
    this.#series = new Map();
    this.#calls = [];
    return report;
  }
}

function keyOf(metric: number, labels: Readonly<Record<string, string>>): string {
  let key = String(metric);
  for (const name in labels) {
    key += `\n${name}\t${labels[name]}`;
  }
  return key;
}
