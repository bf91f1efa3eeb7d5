import { builtInKind } from "../../core/kinds/built-in.ts";
import { mergeKinds } from "../../core/kinds/kind.ts";
import type { CellPlan, RowPlan } from "../../core/kinds/plan.ts";
import { createStore, type Store } from "../../core/store/create-store.ts";
import { narrowReader } from "../../core/store/narrow-reader.ts";
import { RowMaker } from "../../core/store/row-maker.test-support.ts";
import type { KindWriter } from "../../core/store/store.ts";
import type { ZoneOptions } from "./settings.ts";
import { type ZoneKind, type ZoneStore, zoneNeeds } from "./zone-needs.ts";

/** An object as the API server sends it. */
export interface TestObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

const KIND_OF: Readonly<Record<string, ZoneKind>> = {
  Namespace: "namespaces",
  Service: "services",
  EndpointSlice: "endpointslices",
  Pod: "pods",
  Node: "nodes",
};

/** Options of a zone with their defaults. */
export const TEST_ZONE: ZoneOptions = {
  name: "cluster.local",
  reverse: undefined,
  ttl: 5,
  negativeTtl: 5,
  pods: "disabled",
  ptr: "endpoints",
  endpointPodNames: false,
  namespaces: { allow: ["*"], deny: [] },
  labels: {},
  ignoreEmptyServices: false,
  noEndpoints: false,
  fallthrough: false,
  beforeSync: "servfail",
  maxIndexBytes: 16 * 1024 * 1024,
  maxEndpoints: 5000,
};

/** A store with the kinds of a zone, written by hand. */
export class ZoneTestStore {
  readonly store: Store;
  readonly reader: ZoneStore;
  readonly #writer;
  readonly #kinds = new Map<string, { readonly kind: KindWriter; readonly maker: RowMaker }>();
  #version = 0;

  constructor(maxBytes = 64 * 1024 * 1024) {
    const plans = Object.entries(zoneNeeds).map(([name, fields]) => planOf(name, fields));
    this.store = createStore({ plans, maxBytes });
    this.#writer = this.store.writer();
    for (const plan of plans) {
      const kind = this.#writer.open(plan);
      this.#kinds.set(plan.name, { kind, maker: new RowMaker(plan, kind.interner) });
    }
    // The plans are those of the needs that the type was made from.
    this.reader = narrowReader(this.store.reader(), plans) as unknown as ZoneStore;
  }

  /** Writes objects; nobody sees them before `commit`. */
  apply(...objects: readonly TestObject[]): void {
    for (const object of objects) {
      const { kind, maker } = this.#of(object);
      kind.put(maker.make(this.#row(kind.plan, object)));
    }
  }

  remove(object: TestObject): void {
    const { kind, maker } = this.#of(object);
    kind.remove(maker.make(this.#row(kind.plan, object)));
  }

  commit(): void {
    this.#writer.commit();
  }

  /** All kinds are complete. */
  markSynced(): void {
    this.#writer.commit();
    for (const { kind } of this.#kinds.values()) {
      kind.status.synced(true);
    }
    this.#writer.commit();
  }

  close(): void {
    this.reader.close();
    this.store.close();
  }

  #of({ kind }: TestObject) {
    const found = this.#kinds.get(KIND_OF[kind]);
    if (found === undefined) {
      throw new Error(`no zone reads ${kind}`);
    }
    return found;
  }

  #row(plan: RowPlan, { metadata, ...rest }: TestObject) {
    this.#version++;
    return {
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid ?? `u-${metadata.namespace}-${metadata.name}`,
      resourceVersion: String(this.#version),
      fields: valuesOf(plan.cells, { metadata, ...rest }),
    };
  }
}

function planOf(name: string, fields: readonly string[]): RowPlan {
  const kind = builtInKind(name);
  if (kind === undefined) {
    throw new Error(`there is no kind "${name}"`);
  }
  return mergeKinds([kind.select(...fields)]).plan();
}

function valuesOf(cells: readonly CellPlan[], object: unknown): Record<string, unknown> {
  return Object.fromEntries(cells.map((cell) => [cell.field, cellValue(cell, object)]));
}

function cellValue(cell: CellPlan, object: unknown): unknown {
  let value = object;
  for (const part of cell.path) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined;
  }
  const { element } = cell;
  if (element !== undefined && Array.isArray(value)) {
    return value.map((item: unknown) => valuesOf(element.cells, item));
  }
  return value ?? undefined;
}
