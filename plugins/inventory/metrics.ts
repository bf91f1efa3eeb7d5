import type { PluginMetrics } from "../../core/api/index.ts";
import type { InventoryModel } from "./model.ts";
import { PHASES } from "./pod-counts.ts";

/** Kinds of workloads that have a figure of their own; all others are "other". */
const KINDS = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "ReplicaSet", "Pod", "other"] as const;
type WorkloadKind = (typeof KINDS)[number];

/** Figures of the model. Setting them costs the number of figures, whatever the size of the cluster. */
export interface InventoryMetrics {
  /** Sets those that are not as they were. */
  refresh(model: InventoryModel): void;
  /** Counts changes that were taken in. */
  changed(kind: string, count: number): void;
}

/** Declares the metrics. `kinds`: the names that `changed` will be called with. */
export function inventoryMetrics(metrics: PluginMetrics, kinds: readonly string[]): InventoryMetrics {
  const pods = metrics.gauge("pods", "Pods by phase.", { phase: PHASES });
  const podsReady = metrics.gauge("pods_ready", "Pods that are ready.");
  const workloads = metrics.gauge("workloads", "Workloads by kind of their topmost owner.", { kind: KINDS });
  const nodes = metrics.gauge("nodes", "Nodes, by whether they are ready.", { ready: ["true", "false"] });
  const namespaces = metrics.gauge("namespaces", "Namespaces.");
  const services = metrics.gauge("services", "Services.");
  const changes = metrics.counter("changes_total", "Changes taken in, by kind.", { kind: kinds });
  const last = new Map<string, number>();
  const set = (name: string, value: number, write: (value: number) => void): void => {
    if (last.get(name) !== value) {
      last.set(name, value);
      write(value);
    }
  };
  return {
    refresh(model) {
      for (const [at, phase] of PHASES.entries()) {
        set(`pods ${phase}`, model.pods.phases[at], (value) => pods.set(value, { phase }));
      }
      set("ready", model.pods.ready, (value) => podsReady.set(value));
      for (const [kind, count] of countsByKind(model)) {
        set(`workloads ${kind}`, count, (value) => workloads.set(value, { kind }));
      }
      set("nodes ready", model.readyNodes, (value) => nodes.set(value, { ready: "true" }));
      set("nodes not", model.nodes.size - model.readyNodes, (value) => nodes.set(value, { ready: "false" }));
      set("namespaces", model.namespaceCount, (value) => namespaces.set(value));
      set("services", model.services.size, (value) => services.set(value));
    },
    changed: (kind, count) => changes.add(count, { kind }),
  };
}

function countsByKind(model: InventoryModel): ReadonlyMap<WorkloadKind, number> {
  const counts = new Map<WorkloadKind, number>(KINDS.map((kind) => [kind, 0]));
  for (const [name, count] of model.workloadsByKind) {
    const kind = KINDS.find((known) => known === name) ?? "other";
    counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return counts;
}
