import { codeOf } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import type { StoreReader } from "../store/reader.ts";
import type { TestClient } from "./fake-cluster-client.ts";
import type { KindName } from "./fake-control-plane.ts";
import type { RecordedEvent } from "./harness-records.ts";

/** What is read of an Event. */
interface EventObject {
  readonly type?: "Normal" | "Warning";
  readonly reason?: string;
  readonly note?: string;
  readonly eventTime?: string;
  readonly reportingController?: string;
  readonly regarding?: { readonly namespace?: string; readonly name?: string };
}

/** Events that Fairlead has reported, oldest first. */
export async function eventsIn(client: TestClient): Promise<RecordedEvent[]> {
  // The kind tells the shape.
  const events = (await client.list("events.k8s.io/v1", "Event")) as unknown as readonly EventObject[];
  return events
    .filter(({ reportingController = "" }) => reportingController.startsWith("fairlead/"))
    .sort((a, b) => ((a.eventTime ?? "") < (b.eventTime ?? "") ? -1 : 1))
    .map(({ type = "Normal", reason = "", note = "", regarding = {} }) => {
      const { namespace, name = "" } = regarding;
      return { type, reason, message: note, about: namespace === undefined ? name : `${namespace}/${name}` };
    });
}

/** Whether the caches show every object as the API server has it. */
export async function isCurrent(client: TestClient, store: StoreReader): Promise<boolean> {
  for (const name of store.kinds) {
    const { synced, phase } = store.status(name);
    if (phase === NOT_SERVED || phase === FORBIDDEN) {
      continue;
    }
    const cached = new Map(store.dump(name).map((object) => [keyOf(object), versionOf(object)]));
    const [sample] = store.dump(name, { limit: 1 });
    if (!synced) {
      return false;
    }
    if (sample === undefined) {
      continue;
    }
    const live = await client.list(String(sample.apiVersion), String(sample.kind));
    // Selectors leave objects out of the cache; none that is in it may be another than the live one.
    const versions = new Map(live.map((object) => [keyOf(object), versionOf(object)]));
    if ([...cached].some(([key, version]) => versions.get(key) !== version)) {
      return false;
    }
  }
  return true;
}

const NOT_SERVED = 5;
const FORBIDDEN = 6;

/** One text for the state of all objects of these kinds: another one when any of them has changed. */
export async function versionsOf(client: TestClient, kinds: Iterable<KindName>): Promise<string> {
  const parts: string[] = [];
  for (const { apiVersion, kind } of kinds) {
    try {
      const objects = await client.list(apiVersion, kind);
      parts.push(kind, ...objects.map((object) => `${keyOf(object)}@${versionOf(object)}`));
    } catch (error) {
      if (codeOf(error) !== "KUBE_KIND_NOT_SERVED" && codeOf(error) !== "KUBE_NOT_FOUND") {
        throw error;
      }
    }
  }
  return parts.join(" ");
}

function keyOf({ metadata }: Pick<KubeObject, "metadata">): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name}`;
}

function versionOf({ metadata }: Pick<KubeObject, "metadata">): string {
  return String(metadata?.resourceVersion ?? "");
}
