import { setTimeout as delay } from "node:timers/promises";
import { FairleadError } from "../../core/errors.ts";
import type { ApiClient } from "./api-client.ts";
import type { Progress } from "./programs.ts";

/** How much happens, and how long. */
export interface ChurnOptions {
  /** Watch events a second, spread evenly. */
  readonly ratePerSecond: number;
  readonly forMs: number;
  readonly progress?: Progress;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** What happened. */
export interface ChurnResult {
  /** Patches that the API server took: one watch event each. */
  readonly events: number;
  /** Patches that it did not take. */
  readonly failures: number;
  readonly tookMs: number;
  /** Events a second that were achieved. */
  readonly ratePerSecond: number;
}

interface PodName {
  readonly namespace: string;
  readonly name: string;
}

interface Turn {
  readonly at: number;
  readonly label: string;
}

const IN_FLIGHT = 64;
const LABEL_VALUES = 997;
const LONGEST_PAUSE_MS = 5;
const PROGRESS_EVERY_MS = 5_000;

/**
 * Patches pods, one after the other, at a rate: in turn a label and a condition of the status. Each is one watch event.
 * Throws CLUSTER_NO_PODS if there is nothing to patch.
 */
export async function churn(target: Pick<ApiClient, "request">, options: ChurnOptions): Promise<ChurnResult> {
  const pods = await podNames(target);
  if (pods.length === 0) {
    throw new FairleadError("CLUSTER_NO_PODS", "the cluster has no pods to churn; seed it first");
  }
  // Never two patches of one pod at once: the API server would run into its own conflicts and try again, slowly.
  const inFlight = new Map<PodName, Promise<void>>();
  const startedAtMs = performance.now();
  const total = Math.round((options.ratePerSecond * options.forMs) / 1000);
  let events = 0;
  let failures = 0;
  let toldAtMs = startedAtMs;
  for (let at = 0; at < total && options.signal?.aborted !== true; ) {
    const now = performance.now();
    const due = Math.min(total, Math.floor(((now - startedAtMs) / 1000) * options.ratePerSecond) + 1);
    for (; at < due && inFlight.size < IN_FLIGHT; at++) {
      const pod = pods[at % pods.length];
      if (inFlight.has(pod)) {
        break;
      }
      const patched = patch(target, pod, { at, label: labelOf(at, pods.length) }).then((taken) => {
        events += taken ? 1 : 0;
        failures += taken ? 0 : 1;
        inFlight.delete(pod);
      });
      inFlight.set(pod, patched);
    }
    if (now - startedAtMs > 2 * options.forMs) {
      break; // The server cannot keep up: the achieved rate says so.
    }
    if (now - toldAtMs > PROGRESS_EVERY_MS) {
      toldAtMs = now;
      options.progress?.(`churn: ${events} events, ${rate(events, now - startedAtMs)}/s`);
    }
    await delay(Math.min(LONGEST_PAUSE_MS, 1000 / options.ratePerSecond));
  }
  await Promise.all(inFlight.values());
  const tookMs = Math.max(performance.now() - startedAtMs, options.signal?.aborted === true ? 0 : options.forMs);
  return { events, failures, tookMs: Math.round(tookMs), ratePerSecond: rate(events, tookMs) };
}

/** Another value than the pod had, in this run and in one a moment ago; few values, as labels have. */
function labelOf(at: number, pods: number): string {
  return String((Math.floor(Date.now() / 1000) + Math.floor(at / pods)) % LABEL_VALUES);
}

async function patch(target: Pick<ApiClient, "request">, pod: PodName, turn: Turn): Promise<boolean> {
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
  const strategic = { "content-type": "application/strategic-merge-patch+json" };
  const lastTransitionTime = new Date().toISOString();
  const condition = {
    type: "example.org/Busy",
    status: "True",
    reason: "Churn",
    message: `turn ${turn.at}`,
    lastTransitionTime,
  };
  try {
    const response =
      turn.at % 2 === 0
        ? await target.request("PATCH", `${path}/status`, { status: { conditions: [condition] } }, strategic)
        : await target.request("PATCH", path, { metadata: { labels: { "example.org/turn": turn.label } } });
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Pods that will stay, by name alone: rows without objects are a hundredth of a list's bytes. */
async function podNames(target: Pick<ApiClient, "request">): Promise<readonly PodName[]> {
  const pods: PodName[] = [];
  const namespaces = await target.request("GET", "/api/v1/namespaces");
  for (const { metadata } of namespaces.body.items) {
    const path = `/api/v1/namespaces/${metadata.name}/pods?includeObject=None&fieldSelector=status.phase%3DRunning`;
    const table = await target.request("GET", path, undefined, {
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
    });
    for (const row of table.body.rows ?? []) {
      pods.push({ namespace: metadata.name, name: row.cells[0] });
    }
  }
  return pods;
}

function rate(events: number, tookMs: number): number {
  return Math.round((events / tookMs) * 10_000) / 10;
}
