import type { HealthCheck } from "../core/controller/health.ts";
import type { MetricDefinition } from "../core/controller/metric-names.ts";

/** What became of changes of the configuration since the start, for health and metrics. */
export class ConfigState {
  #taken = 0;
  #refused = 0;
  #problem: string | undefined;
  #waiting: readonly string[] = [];

  /** A changed configuration runs; `waiting` names its parts that take a new start. */
  taken(waiting: readonly string[]): void {
    this.#taken++;
    this.#problem = undefined;
    this.#waiting = waiting;
  }

  /** A changed configuration does not run, and why. */
  refused(problem: string): void {
    this.#refused++;
    this.#problem = problem;
  }

  /** Never fails: what runs is well, whatever the newer file is like. The remark says when the file is not what runs. */
  readonly checks = (): HealthCheck[] => {
    const detail =
      this.#problem !== undefined
        ? `the changed file is not used, the log tells why: ${this.#problem.split("\n", 1)[0].replace(/:$/, "")}`
        : this.#waiting.length > 0
          ? `changes of ${this.#waiting.join(", ")} need a restart`
          : undefined;
    return [{ name: "config", ok: true, live: false, ...(detail === undefined ? {} : { detail }) }];
  };

  readonly metrics: readonly MetricDefinition[] = [
    {
      name: "fairlead_config_reloads_total",
      type: "counter",
      help: "Changes of the configuration, by whether they were taken over.",
      unit: "",
      labels: ["result"],
      read: () => [
        { labels: { result: "taken" }, value: this.#taken },
        { labels: { result: "refused" }, value: this.#refused },
      ],
    },
    {
      name: "fairlead_config_current",
      type: "gauge",
      help: "1 when what runs is what the files say, 0 when the files are bad or need a restart.",
      unit: "",
      labels: [],
      read: () => [{ labels: {}, value: this.#problem === undefined && this.#waiting.length === 0 ? 1 : 0 }],
    },
  ];
}
