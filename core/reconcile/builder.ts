import type { Duration } from "../api/context.ts";
import { milliseconds } from "../controller/duration.ts";
import { FairleadError } from "../errors.ts";
import { type AnyKind, mergeKinds } from "../kinds/kind.ts";
import type {
  ControllerBuilder,
  ControllerDefinition,
  ControllerSource,
  ControllerStart,
  Mapping,
  OwnsOptions,
  SourceOptions,
} from "./controller.ts";
import { mapping } from "./mapping.ts";
import { ownedKind } from "./owned-kind.ts";
import { fieldsOf, type ObjectLike, type When } from "./predicate.ts";

const DEFAULT_CONCURRENCY = 10;
const MOST_CONCURRENCY = 10_000;
const DEFAULT_DEADLINE_MS = 60_000;
/** As Kubernetes names things. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * Begins a controller: `controller("webapp").for(WebApp).owns(deployments).reconcile(async (app, { kube }) => …)`. The name
 * is that of its metrics, log lines and field manager. Throws CONTROLLER_BAD_DEFINITION.
 */
export function controller(name: string): ControllerStart {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw bad(String(name), 'a name has small letters, digits and "-", 63 at most');
  }
  const draft: Draft = { name, sources: [], when: [], settings: {} };
  return Object.freeze({
    for: (kind: AnyKind, options: SourceOptions<never> = {}) => {
      const source = sourceOf(name, "for", kind, (object: ObjectLike) => object.key, options);
      // What the kind is shows in types only.
      return builder({ ...draft, sources: [source] }) as never;
    },
    keys: () => builder(draft) as never,
  }) as ControllerStart;
}

/** A controller that is being described. */
interface Draft {
  readonly name: string;
  readonly sources: readonly DraftSource[];
  readonly when: readonly When<ObjectLike>[];
  readonly settings: Partial<
    Pick<ControllerDefinition, "concurrency" | "deadlineMs" | "runOn" | "fieldManager" | "deleted">
  >;
}

type DraftSource = Omit<ControllerSource, "mapping"> & { readonly mapping: Mapping<ObjectLike> | undefined };

type Settings = Draft["settings"];

function builder(draft: Draft): ControllerBuilder<AnyKind, AnyKind> {
  const { name } = draft;
  const withSource = (source: DraftSource) => builder({ ...draft, sources: [...draft.sources, source] });
  const withSettings = (settings: Settings) => builder({ ...draft, settings: { ...draft.settings, ...settings } });
  const made = {
    owns: (kind: AnyKind, options: OwnsOptions<never, string> = {}) => {
      if (forKind(draft) === undefined) {
        throw bad(name, '"owns" needs a kind that owns: begin with .for(kind), or use .watches(kind, mapping)');
      }
      return withSource({ ...sourceOf(name, "owns", kind, undefined, options), fields: options.fields });
    },
    watches: (kind: AnyKind, map: Mapping, options: SourceOptions<never> = {}) => {
      if (typeof map !== "function") {
        throw bad(name, '"watches" needs a mapping: .watches(kind, (object) => keys)');
      }
      // Called with views of its own kind only.
      return withSource(sourceOf(name, "watches", kind, map as Mapping<ObjectLike>, options));
    },
    when: (...predicates: readonly When<ObjectLike>[]) => {
      checkPredicates(name, predicates);
      return builder({ ...draft, when: [...draft.when, ...predicates] });
    },
    concurrency: (keys: number) => {
      if (!Number.isInteger(keys) || keys < 1 || keys > MOST_CONCURRENCY) {
        throw bad(name, `its concurrency is a whole number from 1 to ${MOST_CONCURRENCY}`);
      }
      return withSettings({ concurrency: keys });
    },
    deadline: (time: Duration) => {
      const deadlineMs = milliseconds(time);
      if (deadlineMs === 0) {
        throw bad(name, "its deadline is longer than nothing");
      }
      return withSettings({ deadlineMs });
    },
    runOn: (where: string) => {
      if (where !== "leader" && where !== "every") {
        throw bad(name, `it runs on "leader" or "every", not on "${String(where)}"`);
      }
      return withSettings({ runOn: where });
    },
    fieldManager: (manager: string) => {
      if (typeof manager !== "string" || manager === "" || manager.length > 128) {
        throw bad(name, "its field manager is a text of 1 to 128 characters");
      }
      return withSettings({ fieldManager: manager });
    },
    deleted: (handler: ControllerDefinition["deleted"]) => {
      checkHandler(name, "deleted", handler);
      return withSettings({ deleted: handler });
    },
    reconcile: (handler: ControllerDefinition["reconcile"]) => {
      checkHandler(name, "reconcile", handler);
      return definition(draft, handler);
    },
  };
  // The methods are the same for every kind; which kinds they were given shows in types only.
  return Object.freeze(made) as unknown as ControllerBuilder<AnyKind, AnyKind>;
}

function sourceOf(
  name: string,
  role: ControllerSource["role"],
  kind: AnyKind,
  map: Mapping<ObjectLike> | undefined,
  options: SourceOptions<never>,
): DraftSource {
  const isKind = typeof kind === "object" && kind !== null && typeof kind.plan === "function";
  if (!isKind) {
    throw bad(name, `"${role}" needs a kind, as of "fairlead/kinds" or defineResource`);
  }
  const when = options.when === undefined ? [] : [options.when].flat();
  checkPredicates(name, when);
  // Called with views of its own kind only.
  return { role, kind, fields: undefined, when: when as unknown as readonly When<ObjectLike>[], mapping: map };
}

function forKind(draft: Draft): AnyKind | undefined {
  const [first] = draft.sources;
  return first?.role === "for" ? first.kind : undefined;
}

function definition(draft: Draft, reconcile: ControllerDefinition["reconcile"]): ControllerDefinition {
  const { name, settings, when } = draft;
  const { fieldManager = name } = settings;
  const kind = forKind(draft);
  const sources = draft.sources.map((source): ControllerSource => {
    const map = source.mapping ?? mapping.toOwner(kind ?? source.kind);
    const whenAll = [...when, ...source.when];
    const asked = [...fieldsOf(whenAll), ...(map.fields ?? [])];
    const base = source.role === "owns" ? ownedKind(source.kind, source.fields, fieldManager) : source.kind;
    return Object.freeze({ ...source, kind: withFields(base, asked), when: whenAll, mapping: map });
  });
  const all = sources.flatMap((source) => [source.kind, ...(source.mapping.kinds ?? [])]);
  return Object.freeze({
    name,
    for: kind,
    sources,
    kinds: mergedByName(all),
    concurrency: settings.concurrency ?? DEFAULT_CONCURRENCY,
    deadlineMs: settings.deadlineMs ?? DEFAULT_DEADLINE_MS,
    runOn: settings.runOn ?? "leader",
    fieldManager,
    reconcile,
    deleted: settings.deleted,
  });
}

/** A resource keeps its own methods; it has the fields of every kind already. */
function withFields<K extends AnyKind>(kind: K, fields: readonly string[]): AnyKind {
  const missing = fields.filter((field) => !kind.selected.includes(field));
  return missing.length === 0 ? kind : kind.select(...new Set([...kind.selected, ...missing]));
}

function mergedByName(kinds: readonly AnyKind[]): AnyKind[] {
  const groups = new Map<string, [AnyKind, ...AnyKind[]]>();
  for (const kind of kinds) {
    const group = groups.get(kind.name);
    if (group === undefined) {
      groups.set(kind.name, [kind]);
    } else {
      group.push(kind);
    }
  }
  return [...groups.values()].map((group) => (group.length === 1 ? group[0] : mergeKinds(group)));
}

function checkPredicates(name: string, predicates: readonly unknown[]): void {
  for (const predicate of predicates) {
    const isRight =
      typeof predicate === "function" ||
      (typeof predicate === "object" &&
        predicate !== null &&
        "test" in predicate &&
        typeof predicate.test === "function");
    if (!isRight) {
      throw bad(name, '"when" takes predicates, such as predicates.generation(), or functions');
    }
  }
}

function checkHandler(name: string, what: string, handler: unknown): void {
  if (typeof handler !== "function") {
    throw bad(name, `"${what}" needs a function`);
  }
}

function bad(name: string, why: string): FairleadError {
  return new FairleadError("CONTROLLER_BAD_DEFINITION", `controller "${name}" cannot be: ${why}`, {
    facts: { controller: name },
  });
}
