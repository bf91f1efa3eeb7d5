import type { PluginMetrics } from "../api/metrics.ts";
import type { RecordedMetric } from "./harness-records.ts";

/** Keeps the values that a plugin gives its metrics, beside handing them on. */
export class MetricRecorder {
  readonly #values = new Map<string, { name: string; labels: Readonly<Record<string, string>>; value: number }>();
  readonly #names = new Set<string>();

  /** Values so far, and the names that were declared. */
  recorded(): { readonly metrics: readonly RecordedMetric[]; readonly metricNames: readonly string[] } {
    return { metrics: [...this.#values.values()].map((metric) => ({ ...metric })), metricNames: [...this.#names] };
  }

  /** The metrics with the recorder between. */
  around(metrics: PluginMetrics): PluginMetrics {
    const note = (name: string, labels: Readonly<Record<string, string>> | undefined) => {
      const key = JSON.stringify([name, Object.entries(labels ?? {}).sort()]);
      const found = this.#values.get(key) ?? { name, labels: { ...labels }, value: 0 };
      this.#values.set(key, found);
      return found;
    };
    // The wrappers are called with what the metric's own type allows, and hand it on as it came.
    const given = (labels: readonly unknown[]) => labels[0] as Readonly<Record<string, string>> | undefined;
    return {
      counter: (name, help, labels) => {
        const counter = metrics.counter(name, help, labels);
        this.#names.add(name);
        return {
          inc: (...at) => {
            note(name, given(at)).value++;
            counter.inc(...at);
          },
          add: (amount, ...at) => {
            note(name, given(at)).value += amount;
            counter.add(amount, ...at);
          },
        };
      },
      gauge: (name, help, labels) => {
        const gauge = metrics.gauge(name, help, labels);
        this.#names.add(name);
        return {
          set: (value, ...at) => {
            note(name, given(at)).value = value;
            gauge.set(value, ...at);
          },
        };
      },
      histogram: (name, help, options) => {
        const histogram = metrics.histogram(name, help, options);
        this.#names.add(name);
        return {
          observe: (value, ...at) => {
            note(name, given(at)).value++;
            histogram.observe(value, ...at);
          },
          observeMany: (value, times, ...at) => {
            note(name, given(at)).value += times;
            histogram.observeMany(value, times, ...at);
          },
        };
      },
      named: (prefix) => this.around(metrics.named(prefix)),
    };
  }
}
