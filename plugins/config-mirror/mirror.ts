import type { KubeObject, PluginEvents, PluginKube, StoreReader } from "../../core/api/index.ts";
import {
  COPY_LABEL,
  type Content,
  contentOf,
  digestOf,
  labelsOf,
  newCopy,
  SOURCE_LABEL,
  sizeOf,
  withContent,
} from "./content.ts";
import type { MirrorMetrics } from "./metrics.ts";
import type { KindsOfNeeds } from "./needs.ts";
import type { ConfigMirrorOptions } from "./options.ts";
import { type CachedCopy, type MirrorPlan, planFor, type SeenCopy, type Surroundings } from "./plan.ts";
import type { Labels, Matcher } from "./selector.ts";
import { type ConfigMapName, isCopy, type SourceIndex } from "./sources.ts";

/** What the mirror works with. */
export interface MirrorParts {
  readonly options: Pick<ConfigMirrorOptions, "prefixes" | "maxBytes">;
  /** Matches the labels of namespaces that get copies whatever their name. */
  readonly namespaceMatches: Matcher | undefined;
  readonly sources: SourceIndex;
  readonly store: StoreReader<KindsOfNeeds>;
  readonly kube: Pick<PluginKube, "get" | "create" | "update" | "delete">;
  readonly events: PluginEvents;
  readonly figures: MirrorMetrics;
}

/** How a source came out. */
export interface MirrorResult {
  /** After so long it is looked at again: a quota or a policy may have changed, or a new copy may be gone already. */
  readonly requeueAfter?: string;
}

interface Refused {
  readonly namespace: string;
  readonly why: string;
}

/** A source: its object as the API server gave it, and what of it is copied. */
interface Source {
  readonly object: KubeObject;
  readonly content: Content;
  readonly digest: string;
}

const CONFIG_MAPS = { apiVersion: "v1", plural: "configmaps" } as const;
const REFUSED_AGAIN = "5m";
/** A copy that is deleted before its creation was told may never be told of at all: a look at it makes sure. */
const CREATED_AGAIN = "10s";
const NAMES_IN_EVENT = 5;

/** Keeps the copies of one source after the other as they should be. */
export class Mirror {
  readonly #parts: MirrorParts;
  /** What copies were found to be, or made, by their key. */
  readonly #seen = new Map<string, SeenCopy>();
  /** What was reported of a source, so that it is reported once. */
  readonly #reported = new Map<string, string>();

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  /**
   * Creates, restores and removes copies of one source until they are as they should be; writes nothing where they are.
   * One namespace that fails holds up no other. Rejects with the first failure that trying again may cure.
   */
  async reconcile(key: string): Promise<MirrorResult> {
    const name = nameOf(key);
    const source = await this.#read(name);
    const around = this.#lookAround(name, source !== undefined);
    const size = source === undefined ? 0 : sizeOf(source.content);
    if (source !== undefined && size > this.#parts.options.maxBytes) {
      this.#report(key, source.object, {
        reason: "MirrorTooLarge",
        blocked: "size",
        text: `${size} bytes, more than maxBytes (${this.#parts.options.maxBytes}); its copies stay as they are`,
      });
      return {};
    }
    const plan = planFor(around, source?.digest, (namespace) => this.#seen.get(`${namespace}/${name.name}`));
    const refused = await this.#carryOut(plan, name, source);
    this.#tell(key, source, plan, refused);
    if (refused.length > 0) {
      return { requeueAfter: REFUSED_AGAIN };
    }
    return plan.create.length > 0 ? { requeueAfter: CREATED_AGAIN } : {};
  }

  /** A ConfigMap is gone: nothing is known of it any more. */
  forget(key: string): void {
    this.#seen.delete(key);
  }

  /** The source itself, from the API server: the cache keeps no contents. */
  async #read(name: ConfigMapName): Promise<Source | undefined> {
    const labels = this.#parts.store.read((view) =>
      copyOfLabels(view.configmaps.get(name.namespace, name.name)?.metadata.labels),
    );
    if (labels === undefined || !this.#parts.sources.isSource(labels)) {
      return undefined;
    }
    const object = await orAbsent(this.#parts.kube.get({ ...CONFIG_MAPS, ...name }));
    if (
      object === undefined ||
      object.metadata?.deletionTimestamp !== undefined ||
      !this.#parts.sources.isSource(labelsOf(object))
    ) {
      return undefined;
    }
    const content = contentOf(object);
    return { object, content, digest: digestOf(content) };
  }

  #lookAround({ namespace, name }: ConfigMapName, isSource: boolean): Surroundings {
    return this.#parts.store.read((view) => {
      const targets: string[] = [];
      const ending = new Set<string>();
      for (const { metadata, status } of view.namespaces) {
        if (metadata.deletionTimestamp !== undefined || status.phase === "Terminating") {
          ending.add(metadata.name);
        } else if (metadata.name !== namespace && this.#isTarget(metadata.name, metadata.labels)) {
          targets.push(metadata.name);
        }
      }
      const copies: CachedCopy[] = [];
      for (const { metadata } of view.configmaps.byLabel(SOURCE_LABEL, namespace)) {
        // What is in a namespace that ends is removed with it.
        if (
          metadata.name === name &&
          isCopy(metadata.labels) &&
          metadata.namespace !== namespace &&
          !ending.has(metadata.namespace)
        ) {
          copies.push({ namespace: metadata.namespace, uid: metadata.uid, resourceVersion: metadata.resourceVersion });
        }
      }
      const copied = new Set(copies.map((copy) => copy.namespace));
      const foreign = targets.filter((target) => !copied.has(target) && view.configmaps.has(target, name));
      return { isSource, targets, copies, foreign };
    });
  }

  #isTarget(namespace: string, labels: Labels): boolean {
    const { options, namespaceMatches } = this.#parts;
    return options.prefixes.some((prefix) => namespace.startsWith(prefix)) || namespaceMatches?.(labels) === true;
  }

  async #carryOut(plan: MirrorPlan, name: ConfigMapName, source: Source | undefined): Promise<Refused[]> {
    const refused: Refused[] = [];
    const failures: unknown[] = [];
    const attempt = async (namespace: string, act: () => Promise<void>): Promise<void> => {
      try {
        await act();
      } catch (error) {
        const why = whyRefused(error);
        if (why === undefined) {
          failures.push(error);
        } else if (why !== GONE) {
          refused.push({ namespace, why });
        }
      }
    };
    for (const copy of plan.remove) {
      await attempt(copy.namespace, () => this.#remove(copy, name.name));
    }
    if (source !== undefined) {
      for (const namespace of plan.create) {
        await attempt(namespace, () => this.#createOrRestore(namespace, name, source));
      }
      for (const copy of plan.compare) {
        await attempt(copy.namespace, () => this.#restore(copy.namespace, name, source));
      }
    }
    if (failures.length > 0) {
      throw failures[0];
    }
    return refused;
  }

  /** The cache may be older than the last copy that was made: what is there already is compared. */
  async #createOrRestore(namespace: string, name: ConfigMapName, source: Source): Promise<void> {
    try {
      await this.#create(namespace, name, source);
    } catch (error) {
      if ((error as { readonly code?: string }).code !== "KUBE_ALREADY_EXISTS") {
        throw error;
      }
      await this.#restore(namespace, name, source);
    }
  }

  async #create(namespace: string, source: ConfigMapName, { content, digest }: Source): Promise<void> {
    const made = await this.#parts.kube.create({ ...CONFIG_MAPS, namespace }, newCopy(source, namespace, content));
    this.#parts.figures.wrote("create");
    this.#remember(`${namespace}/${source.name}`, made, digest);
  }

  /** Reads a copy and writes it only where it differs; the version that was read goes with it, so that nothing newer is lost. */
  async #restore(namespace: string, name: ConfigMapName, source: Source): Promise<void> {
    const { content, digest } = source;
    const target = { ...CONFIG_MAPS, namespace, name: name.name };
    const key = `${namespace}/${name.name}`;
    const live = await orAbsent(this.#parts.kube.get(target));
    if (live === undefined) {
      await this.#create(namespace, name, source);
      return;
    }
    const labels = labelsOf(live);
    if (labels[COPY_LABEL] !== "true" || labels[SOURCE_LABEL] !== name.namespace) {
      return; // somebody has made it theirs; the cache will say so
    }
    const before = contentOf(live);
    if (digestOf(before) === digest) {
      this.#remember(key, live, digest);
      return;
    }
    if (before.immutable) {
      // The API server changes neither the data of an immutable ConfigMap nor that it is one.
      const seen = { namespace, uid: textOf(live, "uid"), resourceVersion: textOf(live, "resourceVersion") };
      await this.#remove(seen, name.name);
      await this.#create(namespace, name, source);
      return;
    }
    const written = await this.#parts.kube.update(target, withContent(live, content));
    this.#parts.figures.wrote("update");
    this.#remember(key, written, digest);
  }

  /** Only the very copy that was seen is removed: not one that somebody has changed, or made anew, since. */
  async #remove({ namespace, uid, resourceVersion }: CachedCopy, name: string): Promise<void> {
    const gone = await orAbsent(this.#parts.kube.delete({ ...CONFIG_MAPS, namespace, name }, { uid, resourceVersion }));
    this.#seen.delete(`${namespace}/${name}`);
    if (gone !== undefined) {
      this.#parts.figures.wrote("delete");
    }
  }

  #remember(key: string, copy: KubeObject, digest: string): void {
    this.#seen.set(key, { resourceVersion: textOf(copy, "resourceVersion"), digest });
  }

  #tell(key: string, source: Source | undefined, plan: MirrorPlan, refused: readonly Refused[]): void {
    if (source === undefined) {
      this.#reported.delete(key);
      return;
    }
    if (refused.length > 0) {
      const [{ namespace, why }] = refused;
      this.#report(key, source.object, {
        reason: "MirrorRefused",
        blocked: "refused",
        count: refused.length,
        text: `not copied to ${listed(refused.map((one) => one.namespace))}; "${namespace}": ${why}`,
      });
      return;
    }
    if (plan.collisions.length > 0) {
      this.#report(key, source.object, {
        reason: "MirrorCollision",
        blocked: "collision",
        count: plan.collisions.length,
        text: `not copied to ${listed(plan.collisions)}: a ConfigMap of that name is there that is no copy of this one`,
      });
      return;
    }
    this.#reported.delete(key);
  }

  #report(
    key: string,
    about: KubeObject,
    what: {
      readonly reason: string;
      readonly text: string;
      readonly blocked: "collision" | "refused" | "size";
      readonly count?: number;
    },
  ): void {
    if (this.#reported.get(key) === what.text) {
      return;
    }
    this.#reported.set(key, what.text);
    this.#parts.figures.blocked(what.blocked, what.count ?? 1);
    const { namespace, name } = nameOf(key);
    this.#parts.events.warn(
      { apiVersion: "v1", kind: "ConfigMap", namespace, name, uid: textOf(about, "uid") },
      what.reason,
      what.text,
    );
  }
}

/** The namespace has gone, or is going: not an error, and nothing to tell. */
const GONE = "gone";

/** Why trying again soon would be of no use; undefined for failures that may pass. */
function whyRefused(error: unknown): string | undefined {
  // Errors of the API carry a code and the answer's text.
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const text = message ?? String(error);
  if (code === "KUBE_NOT_FOUND" || (code === "KUBE_FORBIDDEN" && text.includes("being terminated"))) {
    return GONE;
  }
  return code === "KUBE_FORBIDDEN" || code === "KUBE_INVALID" ? text : undefined;
}

async function orAbsent(call: Promise<KubeObject>): Promise<KubeObject | undefined> {
  try {
    return await call;
  } catch (error) {
    if ((error as { readonly code?: string }).code === "KUBE_NOT_FOUND") {
      return undefined;
    }
    throw error;
  }
}

function copyOfLabels(labels: Labels | undefined): Labels | undefined {
  return labels === undefined ? undefined : { ...labels };
}

function textOf(object: KubeObject, field: "uid" | "resourceVersion"): string {
  return String(object.metadata?.[field] ?? "");
}

function nameOf(key: string): ConfigMapName {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

function listed(namespaces: readonly string[]): string {
  const more = namespaces.length - NAMES_IN_EVENT;
  return namespaces.slice(0, NAMES_IN_EVENT).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
