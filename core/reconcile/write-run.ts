import type { PluginKube } from "../api/context.ts";
import { codeOf } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { KubeObject } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import type { NamespaceScope } from "../watch/namespace-scope.ts";
import { type KindMap, type KindName, keyOf, placeOf, type ServedResource } from "./kind-map.ts";
import type { KnownState, RecentWrites } from "./known-state.ts";
import type { OwnWrite, RunHooks } from "./own-write.ts";

/** What a write did. "unchanged": nothing was sent, or the server changed nothing. */
export type WriteOutcome = "created" | "changed" | "unchanged";

/** An object as the reconciler has it: the reconciled one, a copy, or the answer to a read. */
export interface GivenObject extends KindName {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string | undefined;
    readonly finalizers?: readonly string[];
  };
  readonly status?: unknown;
}

/** How writes are made. */
export interface WriteMode {
  /** The server checks and answers, but stores nothing. Default false. */
  readonly dryRun?: boolean;
  /**
   * Apply takes over fields that others manage. Default: only of children that have our owner as their controller; else
   * RECONCILE_CONFLICT.
   */
  readonly force?: boolean;
}

/** What is deleted, and how. */
export interface DeleteMode {
  /** Only the object with this uid. Default: the one in the store. */
  readonly uid?: string;
  /** Only this state of it. */
  readonly resourceVersion?: string;
  /** What happens to what it owns. Default: what the kind does, which is "Background" for nearly all. */
  readonly propagation?: "Foreground" | "Background" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

/** An object that may be edited. */
export interface EditableObject {
  apiVersion?: string;
  kind?: string;
  metadata: Record<string, unknown>;
  [field: string]: unknown;
}

/** What the writes of one controller share. */
export interface KubeOptions {
  /** Name of the controller, for messages. */
  readonly controller: string;
  readonly fieldManager: string;
  readonly client: Pick<PluginKube, "get" | "create" | "update" | "patch" | "apply" | "delete" | "json">;
  readonly store: StoreReader;
  /** The kinds that the controller follows, as they are followed. */
  readonly kinds: readonly AnyKind[];
  /** The namespaces that are followed. Default: all. */
  readonly scope?: NamespaceScope | undefined;
  /** Nothing is ever stored. Default false. */
  readonly dryRun?: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Of all reconciles of a controller. */
export interface SharedWrites extends KubeOptions {
  readonly map: KindMap;
  readonly known: KnownState;
}

/** Of one reconcile. */
export interface WriteRun {
  readonly shared: SharedWrites;
  readonly run: RunHooks;
  readonly mode: WriteMode;
  /** What was applied. */
  readonly recent: RecentWrites;
  /** Objects as the last write of their status or finalizers in this reconcile left them, by kind and key. */
  readonly statuses: Map<string, KubeObject>;
}

/** The object at the server; undefined: there is none. */
export async function getLive(
  { shared, run }: WriteRun,
  resource: ServedResource,
  namespace: string | undefined,
  name: string,
): Promise<KubeObject | undefined> {
  try {
    return await shared.client.get(placeOf(resource, namespace, name), { signal: run.signal });
  } catch (error) {
    if (codeOf(error) === "KUBE_NOT_FOUND") {
      return undefined;
    }
    throw error;
  }
}

/** Tells of a write that the server took, unless it was a dry run. */
export function tell(
  { run, mode }: WriteRun,
  resource: ServedResource,
  answer: KubeObject,
  write: Pick<OwnWrite, "verb" | "before">,
): void {
  if (mode.dryRun === true || resource.followed === undefined) {
    return;
  }
  const { namespace, name, resourceVersion } = answer.metadata ?? {};
  run.wrote({
    kind: resource.followed.kind.name,
    key: keyOf(namespace, name),
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "",
    ...write,
  });
}
