import type { Plugin } from "../../core/api/index.ts";
import { ownersAbove } from "./custom-owners.ts";
import { feedOf } from "./feed.ts";
import { inventoryMetrics } from "./metrics.ts";
import { InventoryModel } from "./model.ts";
import { InventoryOptions } from "./options.ts";
import { permissions } from "./permissions.ts";
import { podSource } from "./pod-source.ts";
import { summary } from "./queries.ts";
import { inventoryHandlers } from "./service.ts";

export type * from "./answers.ts";
export type { InventoryHandlers } from "./service.ts";

const needs = {
  pods: ["phase", "nodeName", "labels", "owners", "ready"],
  nodes: ["ready", "unschedulable"],
  namespaces: ["phase"],
  services: ["type", "selector"],
  // Slices that Kubernetes makes from selectors say nothing that the selectors do not.
  endpointslices: {
    fields: ["labels", "endpoints.targetUid"],
    labelSelector: "endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io",
  },
  deployments: ["owners"],
  replicasets: ["owners"],
  statefulsets: ["owners"],
  daemonsets: ["owners"],
  jobs: ["owners"],
  cronjobs: ["owners"],
} as const;

export default {
  name: "inventory",
  apiVersion: "fairlead/v1",
  options: InventoryOptions,
  needs,
  permissions,
  provides: ["inventory"],
  setup({ options, log, metrics, hooks, services, store }) {
    const pods = podSource(store);
    const above = ownersAbove(hooks.workloadRoot, log);
    const model: InventoryModel = new InventoryModel({
      findPods: pods.matching,
      ownerUnknown: (owner) => {
        const found = above(owner);
        if (found !== undefined) {
          model.adopt(owner, found);
        }
      },
    });
    const figures = inventoryMetrics(metrics, Object.keys(needs));
    const feed = feedOf(model);
    let isStale = false;
    let isSynced = false;

    /** Batches of several kinds come in one turn: the figures are set once after them. */
    const taken = (kind: string, size: number): void => {
      figures.changed(kind, size);
      if (!isStale) {
        isStale = true;
        queueMicrotask(() => {
          isStale = false;
          figures.refresh(model);
        });
      }
    };
    const following = <Batch extends { readonly size: number }>(kind: string, take: (batch: Batch) => void) => {
      return (batch: Batch): void => {
        take(batch);
        taken(kind, batch.size);
      };
    };

    hooks.changes("pods").tap(following("pods", feed.pods));
    hooks.changes("nodes").tap(following("nodes", feed.nodes));
    hooks.changes("namespaces").tap(following("namespaces", feed.namespaces));
    hooks.changes("services").tap(following("services", feed.services));
    hooks.changes("endpointslices").tap(following("endpointslices", feed.endpointslices));
    const owner = (apiVersion: string, kind: string) => feed.owners({ apiVersion, kind });
    hooks.changes("deployments").tap(following("deployments", owner("apps/v1", "Deployment")));
    hooks.changes("replicasets").tap(following("replicasets", owner("apps/v1", "ReplicaSet")));
    hooks.changes("statefulsets").tap(following("statefulsets", owner("apps/v1", "StatefulSet")));
    hooks.changes("daemonsets").tap(following("daemonsets", owner("apps/v1", "DaemonSet")));
    hooks.changes("jobs").tap(following("jobs", owner("batch/v1", "Job")));
    hooks.changes("cronjobs").tap(following("cronjobs", owner("batch/v1", "CronJob")));

    hooks.synced.tap(() => {
      isSynced = true;
    });
    hooks.health("synced", () => isSynced || { ok: false, detail: "the caches are not complete yet" });
    hooks.stats(() => {
      const { nodes, workloads, services: count, pods: all } = summary(model);
      return { nodes: nodes.total, workloads, services: count, pods: all.total, podsReady: all.ready };
    });
    services.provide("inventory", inventoryHandlers(model, pods, options.pageSize));
  },
} satisfies Plugin<typeof InventoryOptions, typeof needs>;
