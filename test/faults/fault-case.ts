import type { ClusterAccess } from "../../core/kube/access.ts";
import type { ApiServer } from "../../core/testing/api-server.ts";
import { type FaultWorld, isSame, type Protocol, serverObjects, until, type WorldOptions } from "./fault-world.ts";

/** What a case works with. */
export interface CaseContext {
  readonly server: ApiServer;
  readonly protocol: Protocol;
  /** How to reach the server; a case may put a proxy in between. */
  readonly access: ClusterAccess;
  /** A world that is not started; stopped when the case is over. */
  world(options?: Partial<WorldOptions>): FaultWorld;
  /** A world that has loaded what the server holds; its requests are counted from here. */
  synced(options?: Partial<WorldOptions>): Promise<FaultWorld>;
  /** Resolves when the store equals the server, after one more change that must come through the watch. */
  recovered(world: FaultWorld): Promise<void>;
  /** Stops something at the end of the case. */
  later(stop: () => Promise<void> | void): void;
}

/** What a case may cost at most, counted from when the fault begins. */
export interface Budget {
  readonly requests: number;
  /** Loads of everything, streamed or paged; pages of one list count once. */
  readonly loads: number;
}

/** One row of the scoreboard. */
export interface FaultCase {
  /** A to O as in the published table of peers; longer names are ours. */
  readonly id: string;
  readonly title: string;
  readonly budget: Budget;
  /** Only for this protocol. */
  readonly only?: Protocol;
  /** Throws when the behaviour is not the promised one; gives the world whose requests are counted. */
  run(context: CaseContext): Promise<Pick<FaultWorld, "requests">>;
}

/** Throws unless it holds. */
export function expect(holds: boolean, what: string): void {
  if (!holds) {
    throw new Error(what);
  }
}

/** A small pod. */
export function pod(name: string, namespace = "default"): Parameters<ApiServer["objects"]["apply"]>[0] {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: name } },
    spec: { containers: [{ name: "main", image: `registry.example.org/${name}:1` }] },
  };
}

/** Names such a pod. */
export function podAt(name: string, namespace = "default"): Parameters<ApiServer["objects"]["delete"]>[0] {
  return { apiVersion: "v1", kind: "Pod", name, namespace };
}

/** Resolves when the server has answered the watch that the world opened last. */
export async function watched(world: FaultWorld, server: ApiServer): Promise<void> {
  await until("a watch", () => world.requests("watch").length > 0);
  await until("a watch on the server", () => server.requests.open({ verb: "watch", status: 200 }).length > 0);
}

/** Resolves when the store holds what the server holds. */
export async function equal(world: FaultWorld, server: ApiServer, what = "the store equals the server"): Promise<void> {
  const plan = { apiVersion: "v1", kind: "Pod" };
  await until(what, () => isSame(world.objects(), serverObjects(server, plan.apiVersion, plan.kind)));
}
