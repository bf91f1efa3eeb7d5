import { setTimeout as delay } from "node:timers/promises";
import { FairleadError } from "../../core/errors.ts";
import type { ApiClient } from "./api-client.ts";
import { openEtcdPods, type PodName, TURN_LABEL } from "./etcd-pods.ts";
import type { Progress } from "./programs.ts";

/** How much happens, and how long. */
export interface ChurnOptions {
  /** Watch events a second, spread evenly. */
  readonly ratePerSecond: number;
  readonly forMs: number;
  /**
   * "etcd" (default where the target has an etcd port) writes straight into etcd: a few hundred microseconds of the server's
   * time for each event. "api" sends patches, about ten milliseconds of it for a pod of 20 KB.
   */
  readonly via?: "etcd" | "api";
  readonly progress?: Progress;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** What happened. */
export interface ChurnResult {
  /** Changes that were taken: one watch event each. */
  readonly events: number;
  /** Changes that were not. */
  readonly failures: number;
  readonly tookMs: number;
  /** Events a second that were achieved. */
  readonly ratePerSecond: number;
}

const IN_FLIGHT = 64;
const TEXTS = 997;
const LONGEST_PAUSE_MS = 5;
/** Pods whose bytes are held in memory. */
const MOST_LOADED = 1_000;
const LOAD_AT_ONCE = 32;
const PROGRESS_EVERY_MS = 5_000;

/** A cluster to churn: a client of its API server, and etcd's client port on loopback if it is known. */
export type ChurnTarget = Pick<ApiClient, "request"> & { readonly etcdPort?: number };

/** What becomes of a pod. */
interface Turn {
  readonly part: "label" | "message";
  readonly text: string;
}

type Change = (pod: PodName, turn: Turn) => Promise<void>;

/**
 * Changes running pods, one after the other, at a rate: in turn a label and the status. Each change is one watch event.
 * Throws CLUSTER_NO_PODS if there is nothing to change.
 */
export async function churn(target: ChurnTarget, options: ChurnOptions): Promise<ChurnResult> {
  const pods = await podNames(target);
  if (pods.length === 0) {
    throw new FairleadError("CLUSTER_NO_PODS", "the cluster has no running pods to churn; seed it first");
  }
  if (options.via === "api" || target.etcdPort === undefined) {
    return pace(pods, options, (pod, turn) => patch(target, pod, turn));
  }
  const etcd = openEtcdPods(target.etcdPort);
  const stride = Math.ceil(pods.length / MOST_LOADED);
  const chosen = pods.filter((_, at) => at % stride === 0);
  try {
    for (let at = 0; at < chosen.length; at += LOAD_AT_ONCE) {
      await Promise.all(chosen.slice(at, at + LOAD_AT_ONCE).map((pod) => etcd.load(pod)));
    }
    return await pace(chosen, options, (pod, turn) => etcd.change(pod, turn.part, turn.text));
  } finally {
    etcd.close();
  }
}

/** Makes changes, spread evenly over the time. */
async function pace(pods: readonly PodName[], options: ChurnOptions, change: Change): Promise<ChurnResult> {
  // Never two changes of one pod at once: the server would run into its own conflicts and try again, slowly.
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
      const changed = change(pod, turnOf(at, pods.length)).then(
        () => true,
        () => false,
      );
      inFlight.set(
        pod,
        changed.then((taken) => {
          events += taken ? 1 : 0;
          failures += taken ? 0 : 1;
          inFlight.delete(pod);
        }),
      );
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

/** Another text than the pod had, in this run and in one a moment ago; few texts, as labels have. */
function turnOf(at: number, pods: number): Turn {
  const text = String((Math.floor(Date.now() / 1000) + Math.floor(at / pods)) % TEXTS);
  return { part: at % 2 === 0 ? "message" : "label", text };
}

async function patch(target: Pick<ApiClient, "request">, pod: PodName, turn: Turn): Promise<void> {
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
  const response =
    turn.part === "message"
      ? await target.request("PATCH", `${path}/status`, { status: { message: turn.text } })
      : await target.request("PATCH", path, { metadata: { labels: { [TURN_LABEL]: turn.text } } });
  if (response.status !== 200) {
    throw new FairleadError("CLUSTER_REQUEST_FAILED", `PATCH ${path} answered ${response.status}`);
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
