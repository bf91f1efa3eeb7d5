import { codeOf, FairleadError } from "../errors.ts";
import { editDistance } from "../nearest.ts";
import type { KubeClient } from "./client.ts";

/** What the server says of one kind. */
export interface ServedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  /** `status`, `scale`, … */
  readonly subresources: readonly string[];
}

/** What a server serves; read when first asked for and kept. */
export interface Discovery {
  /** One kind. KUBE_KIND_NOT_SERVED with the nearest names, after looking once more if what is kept is older than 5 s. */
  resolve(apiVersion: string, kind: string): Promise<ServedKind>;
  /** All kinds, in the server's order. */
  all(): Promise<readonly ServedKind[]>;
  /** Forgets what is kept, for example after a CRD came or went. */
  invalidate(): void;
}

type Fields = Readonly<Record<string, unknown>>;

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const LOOK_AGAIN_AFTER_MS = 5_000;
const NEAREST = 3;

/** Discovery over a client: aggregated (two requests) where the server has it, else group by group. `now` in ms. */
export function createDiscovery(client: Pick<KubeClient, "json">, now: () => number = Date.now): Discovery {
  let kept: Promise<readonly ServedKind[]> | undefined;
  let keptAt = Number.NEGATIVE_INFINITY;
  const load = (): Promise<readonly ServedKind[]> => {
    if (kept === undefined) {
      keptAt = now();
      const loading = readAll(client);
      kept = loading;
      loading.catch(() => {
        if (kept === loading) {
          kept = undefined;
        }
      });
    }
    return kept;
  };
  const find = (kinds: readonly ServedKind[], apiVersion: string, kind: string): ServedKind | undefined =>
    kinds.find((each) => each.kind === kind && each.apiVersion === apiVersion);
  return {
    all: load,
    invalidate: () => {
      kept = undefined;
    },
    async resolve(apiVersion, kind) {
      let kinds = await load();
      let found = find(kinds, apiVersion, kind);
      if (found === undefined && now() - keptAt >= LOOK_AGAIN_AFTER_MS) {
        kept = undefined;
        kinds = await load();
        found = find(kinds, apiVersion, kind);
      }
      if (found === undefined) {
        throw notServed(kinds, apiVersion, kind);
      }
      return found;
    },
  };
}

async function readAll(client: Pick<KubeClient, "json">): Promise<readonly ServedKind[]> {
  const headers = { accept: `${AGGREGATED},application/json;q=0.9` };
  const [core, groups] = await Promise.all([
    client.json({ method: "GET", path: "/api", headers }),
    client.json({ method: "GET", path: "/apis", headers }),
  ]);
  const isAggregated = (document: Fields): boolean => document.kind === "APIGroupDiscoveryList";
  const versions = [
    ...texts(core.versions),
    ...list(groups.groups).flatMap((group) => list(group.versions).map((version) => text(version.groupVersion))),
  ].filter((version) => version !== "");
  const lists = await Promise.all(versions.map((apiVersion) => readVersion(client, apiVersion)));
  return [
    ...(isAggregated(core) ? aggregated(core) : []),
    ...(isAggregated(groups) ? aggregated(groups) : []),
    ...lists.flat(),
  ];
}

function aggregated(document: Fields): readonly ServedKind[] {
  return list(document.items).flatMap((group) => {
    const name = text(record(group.metadata)?.name);
    return list(group.versions).flatMap((version) => {
      const apiVersion = name === "" ? text(version.version) : `${name}/${text(version.version)}`;
      return list(version.resources).map(
        (resource): ServedKind => ({
          apiVersion,
          kind: text(record(resource.responseKind)?.kind),
          plural: text(resource.resource),
          namespaced: resource.scope === "Namespaced",
          verbs: texts(resource.verbs),
          shortNames: texts(resource.shortNames),
          subresources: list(resource.subresources).map((sub) => text(sub.subresource)),
        }),
      );
    });
  });
}

async function readVersion(client: Pick<KubeClient, "json">, apiVersion: string): Promise<readonly ServedKind[]> {
  let document: Fields;
  try {
    const path = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    document = await client.json({ method: "GET", path });
  } catch (error) {
    // One aggregated API that is down must not hide the others.
    if (codeOf(error) === "KUBE_UNAVAILABLE" || codeOf(error) === "KUBE_NOT_FOUND") {
      return [];
    }
    throw error;
  }
  const resources = list(document.resources);
  return resources
    .filter((resource) => !text(resource.name).includes("/"))
    .map((resource) => {
      const plural = text(resource.name);
      const prefix = `${plural}/`;
      return {
        apiVersion,
        kind: text(resource.kind),
        plural,
        namespaced: resource.namespaced === true,
        verbs: texts(resource.verbs),
        shortNames: texts(resource.shortNames),
        subresources: resources
          .map((each) => text(each.name))
          .filter((name) => name.startsWith(prefix))
          .map((name) => name.slice(prefix.length)),
      };
    });
}

function notServed(kinds: readonly ServedKind[], apiVersion: string, kind: string): FairleadError {
  const wanted = `${apiVersion} ${kind}`.toLowerCase();
  const nearest = [...new Set(kinds.map((each) => `${each.apiVersion} ${each.kind}`))]
    .map((name) => ({ name, distance: distanceTo(name, wanted, kind.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, NEAREST)
    .map(({ name }) => name);
  const advice = nearest.length === 0 ? "" : `; the nearest are ${nearest.join(", ")}`;
  return new FairleadError(
    "KUBE_KIND_NOT_SERVED",
    `the server does not serve ${apiVersion} ${kind}${advice}; check the name, or install its CRD`,
    {
      facts: { apiVersion, kind, nearest },
    },
  );
}

/** How far a served name is from the wanted one; the right kind under another version counts as near. */
function distanceTo(name: string, wanted: string, kind: string): number {
  const lower = name.toLowerCase();
  return Math.min(editDistance(lower, wanted), editDistance(lower.slice(lower.indexOf(" ") + 1), kind) + 1);
}

function record(value: unknown): Fields | undefined {
  // A non-null object can be read by any key.
  return typeof value === "object" && value !== null ? (value as Fields) : undefined;
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(record).filter((each) => each !== undefined) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
