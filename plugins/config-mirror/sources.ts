import { COPY_LABEL, SOURCE_LABEL } from "./content.ts";
import type { Labels, Matcher } from "./selector.ts";

/** Name of a ConfigMap. */
export interface ConfigMapName {
  readonly namespace: string;
  readonly name: string;
}

/** Which sources there are and which of them a change concerns. Keeps names only. */
export class SourceIndex {
  readonly #matches: Matcher;
  /** Namespaces of the sources by their name: copies have the name of their source. */
  readonly #byName = new Map<string, Set<string>>();
  /** Namespace of the source, by key of the copy. */
  readonly #copies = new Map<string, string>();
  #sources = 0;

  constructor(matches: Matcher) {
    this.#matches = matches;
  }

  get sources(): number {
    return this.#sources;
  }

  get copies(): number {
    return this.#copies.size;
  }

  /** Takes in how a ConfigMap is now, undefined when it is gone; gives the keys of the sources that it concerns. */
  take({ namespace, name }: ConfigMapName, labels: Labels | undefined): Set<string> {
    const key = `${namespace}/${name}`;
    const keys = new Set<string>();
    const copiedFrom = labels !== undefined && isCopy(labels) ? labels[SOURCE_LABEL] : undefined;
    const wasCopiedFrom = this.#copies.get(key);
    for (const from of [copiedFrom, wasCopiedFrom]) {
      if (from !== undefined) {
        keys.add(`${from}/${name}`);
      }
    }
    if (copiedFrom === undefined) {
      this.#copies.delete(key);
    } else {
      this.#copies.set(key, copiedFrom);
    }
    const wasSource = this.#byName.get(name)?.has(namespace) === true;
    const isSource = labels !== undefined && this.isSource(labels);
    if (isSource || wasSource) {
      keys.add(key);
      this.#set(namespace, name, isSource);
    }
    // Whatever comes or goes under the name of a source may block or free the place of a copy.
    for (const other of this.#byName.get(name) ?? []) {
      keys.add(`${other}/${name}`);
    }
    return keys;
  }

  /** Whether a ConfigMap with these labels is copied: a copy never is. */
  isSource(labels: Labels): boolean {
    return this.#matches(labels) && !isCopy(labels);
  }

  /** Keys of all sources. */
  *all(): Generator<string, void, undefined> {
    for (const [name, namespaces] of this.#byName) {
      for (const namespace of namespaces) {
        yield `${namespace}/${name}`;
      }
    }
  }

  #set(namespace: string, name: string, isSource: boolean): void {
    const namespaces = this.#byName.get(name) ?? new Set<string>();
    const before = namespaces.size;
    if (isSource) {
      this.#byName.set(name, namespaces.add(namespace));
    } else {
      namespaces.delete(namespace);
    }
    if (namespaces.size === 0) {
      this.#byName.delete(name);
    }
    this.#sources += namespaces.size - before;
  }
}

/** Whether a ConfigMap says that it is a copy. */
export function isCopy(labels: Labels): boolean {
  return labels[COPY_LABEL] === "true" && labels[SOURCE_LABEL] !== undefined;
}
