import type { NeededCustomKind, NeededKind, NeededKindOptions } from "../api/needs.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import { BUILT_IN_KINDS, builtInKind } from "../kinds/built-in.ts";
import { type AnyKind, declare } from "../kinds/kind.ts";
import { CELL_WORDS } from "../kinds/plan.ts";
import { didYouMean } from "../nearest.ts";
import { ownedKind } from "../reconcile/owned-kind.ts";

/** The kinds that a plugin's `needs` stand for, with the fields that it asked for. Throws PLUGIN_NEEDS. */
export function kindsOfNeeds(plugin: string, needs: Readonly<Record<string, unknown>>): AnyKind[] {
  return Object.entries(needs)
    .filter(([, needed]) => needed !== undefined)
    .map(([name, needed]) => {
      try {
        const kind = kindOf(name, needed);
        kind.plan(); // finds fields and paths that do not exist
        return kind;
      } catch (error) {
        throw new FairleadError("PLUGIN_NEEDS", `plugin "${plugin}", needs.${name}: ${messageOf(error)}`, {
          cause: error,
          facts: { plugin, kind: name, reason: codeOf(error) },
        });
      }
    });
}

function kindOf(name: string, needed: unknown): AnyKind {
  if (isKind(needed)) {
    if (needed.name !== name) {
      throw new TypeError(`the kind is called "${needed.name}" in the store; write needs: { "${needed.name}": … }`);
    }
    return needed;
  }
  if (isCustom(needed)) {
    return customKind(name, needed);
  }
  const kind = builtInKind(name);
  if (kind === undefined) {
    const known = BUILT_IN_KINDS.map((each) => each.name);
    throw new TypeError(
      `no built-in kind is called "${name}"${didYouMean(name, known)}; declare a custom resource with apiVersion, kind, namespaced and fields`,
    );
  }
  if (needed === true) {
    return kind;
  }
  if (Array.isArray(needed)) {
    return kind.select(...texts(needed));
  }
  if (typeof needed === "object" && needed !== null) {
    return chosen(kind, needed);
  }
  throw new TypeError('write true for all fields, or a list of fields: ["phase", "labels"]');
}

function chosen(kind: AnyKind, options: NeededKindOptions): AnyKind {
  const { fields, keep, fieldSelector, labelSelector, indexes } = options;
  let made = fields === undefined ? kind : kind.select(...texts(fields));
  made = indexes === undefined ? made : made.index(indexes);
  made = keep === undefined ? made : made.keep(keep);
  return applied(made.where({ fieldSelector, labelSelector }), options.appliedBy);
}

function customKind(name: string, needed: NeededCustomKind): AnyKind {
  const { apiVersion, kind, namespaced, fields, keep, fieldSelector, labelSelector } = needed;
  const declared = declare(
    {
      name,
      apiVersion,
      kind,
      plural: needed.plural ?? name.split(".", 1)[0],
      namespaced,
      fields,
      keep,
      fieldSelector,
      labelSelector,
      indexes: { labels: true, owner: true, ...needed.indexes },
    },
    false,
  );
  return applied(declared, needed.appliedBy);
}

function applied(kind: AnyKind, manager: unknown): AnyKind {
  if (manager === undefined) {
    return kind;
  }
  if (typeof manager !== "string" || manager === "") {
    throw new TypeError("appliedBy is the name of a field manager: that of the controller, unless it says another one");
  }
  return ownedKind(kind, undefined, manager);
}

function isKind(needed: unknown): needed is AnyKind {
  return typeof needed === "object" && needed !== null && "plan" in needed && typeof needed.plan === "function";
}

function isCustom(needed: NeededKind | NeededCustomKind | unknown): needed is NeededCustomKind {
  if (typeof needed !== "object" || needed === null || !("apiVersion" in needed || "kind" in needed)) {
    return false;
  }
  // Read as what it should be; checked right here.
  const { apiVersion, kind, namespaced, fields } = needed as Readonly<Record<string, unknown>>;
  if (typeof apiVersion !== "string" || typeof kind !== "string" || typeof namespaced !== "boolean") {
    throw new TypeError("a custom resource needs apiVersion, kind (texts) and namespaced (true or false)");
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new TypeError('a custom resource needs fields: { replicas: { type: "int", path: "spec.replicas" } }');
  }
  if (!/^[^/]+\/[^/]+$/.test(apiVersion)) {
    throw new TypeError(`the apiVersion "${apiVersion}" of a custom resource must be "group/version"`);
  }
  checkFields(fields, "fields");
  return true;
}

function checkFields(fields: object, where: string): void {
  for (const [name, field] of Object.entries(fields)) {
    const { type, path, element } = Object(field);
    if (typeof type !== "string" || typeof path !== "string" || path === "") {
      throw new TypeError(`${where}.${name} must be like { type: "int", path: "spec.${name}" }`);
    }
    if (!Object.hasOwn(CELL_WORDS, type)) {
      const types = Object.keys(CELL_WORDS);
      const hint = didYouMean(type, types) || `; there are ${types.join(", ")}`;
      throw new TypeError(`${where}.${name} has the type "${type}"${hint}`);
    }
    if (type === "records") {
      checkFields(Object(element), `${where}.${name}.element`);
    }
  }
}

function texts(fields: readonly unknown[]): string[] {
  return fields.map((field) => {
    if (typeof field !== "string") {
      throw new TypeError("fields are given by their names");
    }
    return field;
  });
}
