import { setTimeout as delay } from "node:timers/promises";
import { FairleadError } from "../../core/errors.ts";
import type { ApiClient } from "./api-client.ts";
import type { Progress } from "./programs.ts";
import { namespacedObjects, namespaceObjects, nodeObjects, type SeedObject } from "./seed-objects.ts";
import { podsOf, SHAPES, type Shape } from "./seed-shape.ts";

/** What seeding did. */
export interface SeedResult {
  /** Objects created, without those that controllers made from them. */
  readonly created: number;
  /** Objects that were there before. */
  readonly existed: number;
  /** Pods that run or have completed. */
  readonly pods: number;
  readonly tookMs: number;
}

const CONNECTIONS = 32;
const LOOK_MS = 1_000;
const TELL_MS = 5_000;
const TRIES = 5;
const STANDSTILL_MS = 60_000;

/** Creates the objects of a shape and waits until all their pods run; objects that exist are left alone. Throws CLUSTER_SEED_STUCK. */
export async function seed(
  target: Pick<ApiClient, "request">,
  shape: Shape,
  progress: Progress = () => {},
): Promise<SeedResult> {
  const counts = SHAPES[shape];
  const startedAtMs = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - startedAtMs) / 1000)} s`;
  let created = 0;
  let existed = 0;
  for (const objects of [nodeObjects(counts), namespaceObjects(counts), namespacedObjects(counts)]) {
    const before = created + existed;
    const timer = setInterval(
      () => progress(`seeding ${shape}: ${created + existed - before} of ${objects.length} objects, ${elapsed()}`),
      TELL_MS,
    );
    try {
      await inParallel(objects, async (object) => {
        if (await create(target, object)) {
          created++;
        } else {
          existed++;
        }
      });
    } finally {
      clearInterval(timer);
    }
  }
  const wanted = podsOf(counts);
  const pods = await untilPodsRun(target, wanted, (settled) =>
    progress(`seeding ${shape}: ${settled} of ${wanted} pods run, ${elapsed()}`),
  );
  return { created, existed, pods, tookMs: Date.now() - startedAtMs };
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      await work(items[next++]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONNECTIONS, items.length) }, worker));
}

/** False if the object was there already. */
async function create(target: Pick<ApiClient, "request">, object: SeedObject): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    const { status, body } = await target.request("POST", object.path, object.body);
    if (status < 300) {
      return true;
    }
    if (status === 409 && body.reason === "AlreadyExists") {
      return false;
    }
    // Busy servers say so, and a service account may be missing in a namespace that is a moment old.
    if (tries === TRIES || (status !== 429 && status < 500 && status !== 403)) {
      throw new FairleadError(
        "CLUSTER_REQUEST_FAILED",
        `POST ${object.path} answered ${status}: ${body.message ?? body}`,
      );
    }
    await delay(LOOK_MS);
  }
}

/** Pods that have come as far as they will: those that wait are counted by the server, so that no one reads all pods every second. */
async function untilPodsRun(
  target: Pick<ApiClient, "request">,
  wanted: number,
  tell: (settled: number) => void,
): Promise<number> {
  let best = -1;
  let bestAtMs = Date.now();
  let toldAtMs = 0;
  for (;;) {
    const all = await countPods(target, "");
    const waiting = await countPods(target, "status.phase=Pending");
    const settled = all - waiting;
    if (settled >= wanted && waiting === 0) {
      return settled;
    }
    if (settled > best) {
      best = settled;
      bestAtMs = Date.now();
    }
    if (Date.now() - toldAtMs > TELL_MS) {
      toldAtMs = Date.now();
      tell(settled);
    }
    if (Date.now() - bestAtMs > STANDSTILL_MS) {
      throw new FairleadError(
        "CLUSTER_SEED_STUCK",
        `${settled} of ${wanted} pods run and nothing moves; all components must run for seeding`,
      );
    }
    await delay(LOOK_MS);
  }
}

/** All pods are counted by the server alone; those of a selector as rows without their objects. */
async function countPods(target: Pick<ApiClient, "request">, fieldSelector: string): Promise<number> {
  const path =
    fieldSelector === ""
      ? "/api/v1/pods?limit=1"
      : `/api/v1/pods?includeObject=None&fieldSelector=${encodeURIComponent(fieldSelector)}`;
  const accept = { accept: fieldSelector === "" ? "application/json" : "application/json;as=Table;g=meta.k8s.io;v=v1" };
  const { status, body } = await target.request("GET", path, undefined, accept);
  if (status !== 200) {
    throw new FairleadError("CLUSTER_REQUEST_FAILED", `GET ${path} answered ${status}: ${body.message ?? body}`);
  }
  return fieldSelector === "" ? body.items.length + (body.metadata.remainingItemCount ?? 0) : (body.rows?.length ?? 0);
}
