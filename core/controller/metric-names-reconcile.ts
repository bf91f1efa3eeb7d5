import type { RestFigures } from "../kube/counted-transport.ts";
import type { ReconcileFigures } from "../reconcile/reconcile-figures.ts";
import type { MetricDefinition, MetricGroup } from "./metric-names.ts";
import type { MetricSample } from "./metrics-plugins.ts";

/** Priorities that are told apart; what comes after shares one series. */
const MOST_PRIORITIES = 25;

type Told = Pick<MetricDefinition, "name" | "help" | "unit">;

/** As controller-runtime labels them. */
function ofController(
  type: MetricDefinition["type"],
  told: Told,
  samples: (figures: ReconcileFigures) => number | MetricSample[],
): MetricDefinition {
  return {
    ...told,
    type,
    labels: ["controller"],
    read: ({ reconcile }) =>
      reconcile.flatMap((figures) => {
        const value = samples(figures);
        return typeof value === "number" ? [{ labels: { controller: figures.controller }, value }] : value;
      }),
  };
}

function ofQueue(
  type: MetricDefinition["type"],
  told: Told,
  samples: (queue: ReconcileFigures["queue"], labels: { name: string; controller: string }) => number | MetricSample[],
): MetricDefinition {
  return {
    ...told,
    type,
    labels: ["name", "controller"],
    read: ({ reconcile }) =>
      reconcile.flatMap(({ controller, queue }) => {
        const labels = { name: controller, controller };
        const value = samples(queue, labels);
        return typeof value === "number" ? [{ labels, value }] : value;
      }),
  };
}

function depthSamples(depth: ReadonlyMap<number, number>, labels: Readonly<Record<string, string>>): MetricSample[] {
  const samples: MetricSample[] = [];
  let others = 0;
  for (const [priority, value] of depth) {
    if (samples.length < MOST_PRIORITIES) {
      samples.push({ labels: { ...labels, priority: `${priority}` }, value });
    } else {
      others += value;
    }
  }
  return depth.size <= MOST_PRIORITIES
    ? samples
    : [...samples, { labels: { ...labels, priority: "exceeded_cardinality_limit" }, value: others }];
}

function ofRest(
  type: MetricDefinition["type"],
  told: Told,
  labels: readonly string[],
  samples: (rest: RestFigures) => MetricSample[],
): MetricDefinition {
  return { ...told, type, labels, read: ({ rest }) => (rest === undefined ? [] : samples(rest)) };
}

/** Under the names that the dashboards and alerts of controller-runtime ask for, and what it has no name for. */
export const RECONCILE_METRICS: readonly MetricGroup[] = [
  {
    about: "Controllers",
    metrics: [
      {
        ...ofController(
          "counter",
          {
            name: "controller_runtime_reconcile_total",
            help: "Reconciles by how they ended: success, error, requeue, requeue_after.",
            unit: "reconciles",
          },
          ({ controller, counts }) =>
            Object.entries(counts.results).map(([result, value]) => ({ labels: { controller, result }, value })),
        ),
        labels: ["controller", "result"],
      },
      ofController(
        "counter",
        {
          name: "controller_runtime_reconcile_errors_total",
          help: "Reconciles that failed, those for good among them.",
          unit: "reconciles",
        },
        ({ counts }) => counts.errors,
      ),
      ofController(
        "counter",
        {
          name: "controller_runtime_terminal_reconcile_errors_total",
          help: "Reconciles that failed for good and are not retried.",
          unit: "reconciles",
        },
        ({ counts }) => counts.terminalErrors,
      ),
      ofController(
        "counter",
        {
          name: "controller_runtime_reconcile_panics_total",
          help: "Reconciles that threw what only a mistake in a program throws, such as a TypeError.",
          unit: "reconciles",
        },
        ({ counts }) => counts.panics,
      ),
      ofController(
        "counter",
        {
          name: "controller_runtime_reconcile_timeouts_total",
          help: "Reconciles that were not over at their deadline.",
          unit: "reconciles",
        },
        ({ counts }) => counts.timeouts,
      ),
      ofController(
        "histogram",
        { name: "controller_runtime_reconcile_time_seconds", help: "Time that reconciles took.", unit: "seconds" },
        ({ controller, counts }) => counts.seconds.samples("controller_runtime_reconcile_time_seconds", { controller }),
      ),
      ofController(
        "gauge",
        {
          name: "controller_runtime_max_concurrent_reconciles",
          help: "Keys that may be reconciled at once.",
          unit: "keys",
        },
        ({ concurrency }) => concurrency,
      ),
      ofController(
        "gauge",
        { name: "controller_runtime_active_workers", help: "Keys that are being reconciled.", unit: "keys" },
        ({ active }) => active,
      ),
      ofController(
        "gauge",
        {
          name: "fairlead_reconcile_overdue",
          help: "Reconciles that are over their deadline and do not end.",
          unit: "reconciles",
        },
        ({ overdue }) => overdue,
      ),
      ofController(
        "counter",
        {
          name: "fairlead_reconcile_echoes_total",
          help: "Changes that were passed over, since they were the controller's own writes.",
          unit: "changes",
        },
        ({ counts }) => counts.echoes,
      ),
      ofController(
        "counter",
        {
          name: "fairlead_reconcile_stale_total",
          help: "Reconciles that began although the cache had not all of the key's own writes in time.",
          unit: "reconciles",
        },
        ({ counts }) => counts.stale,
      ),
      ofController(
        "counter",
        {
          name: "fairlead_reconcile_mapping_errors_total",
          help: "Predicates and mappings that threw.",
          unit: "calls",
        },
        ({ counts }) => counts.mappingErrors,
      ),
    ],
  },
  {
    about: "Queues of controllers",
    metrics: [
      {
        ...ofQueue(
          "gauge",
          { name: "workqueue_depth", help: "Keys that are ready, by priority.", unit: "keys" },
          ({ depth }, labels) => depthSamples(depth, labels),
        ),
        labels: ["name", "controller", "priority"],
      },
      ofQueue(
        "counter",
        { name: "workqueue_adds_total", help: "Keys that became ready.", unit: "keys" },
        ({ adds }) => adds,
      ),
      ofQueue(
        "counter",
        { name: "workqueue_retries_total", help: "Keys that were added again after a failure.", unit: "keys" },
        ({ retries }) => retries,
      ),
      ofQueue(
        "histogram",
        {
          name: "workqueue_queue_duration_seconds",
          help: "Time that keys were ready before they were taken.",
          unit: "seconds",
        },
        ({ queueSeconds }, labels) => queueSeconds.samples("workqueue_queue_duration_seconds", labels),
      ),
      ofQueue(
        "histogram",
        { name: "workqueue_work_duration_seconds", help: "Time that keys were worked on.", unit: "seconds" },
        ({ workSeconds }, labels) => workSeconds.samples("workqueue_work_duration_seconds", labels),
      ),
      ofQueue(
        "gauge",
        {
          name: "workqueue_unfinished_work_seconds",
          help: "Time that all keys together have been worked on which are not done.",
          unit: "seconds",
        },
        ({ unfinishedSeconds }) => unfinishedSeconds,
      ),
      ofQueue(
        "gauge",
        {
          name: "workqueue_longest_running_processor_seconds",
          help: "Time that the key has been worked on which takes longest.",
          unit: "seconds",
        },
        ({ longestRunningSeconds }) => longestRunningSeconds,
      ),
    ],
  },
  {
    about: "Requests of controllers and plugins",
    metrics: [
      ofRest(
        "counter",
        {
          name: "rest_client_requests_total",
          help: 'Requests to the API server but for watches and lists of the cache; code "<error>": no answer came.',
          unit: "requests",
        },
        ["code", "method", "host"],
        ({ host, requests }) =>
          [...requests].map(([name, value]) => {
            const [code, method] = name.split(" ");
            return { labels: { code, method, host }, value };
          }),
      ),
      ofRest(
        "histogram",
        {
          name: "rest_client_request_duration_seconds",
          help: "Time from a request to the head of its answer.",
          unit: "seconds",
        },
        ["verb", "host"],
        ({ host, seconds }) =>
          [...seconds].flatMap(([verb, histogram]) =>
            histogram.samples("rest_client_request_duration_seconds", { verb, host }),
          ),
      ),
    ],
  },
];
