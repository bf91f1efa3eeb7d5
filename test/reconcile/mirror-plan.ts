import type { Random } from "../../core/testing/index.ts";
import mirror from "../../plugins/config-mirror/index.ts";
import { type Action, mustEqual, type Plan } from "./schedules.ts";
import { type AnyObject, configMap, mapAt, namespace } from "./world.ts";

/** Those that are always there. */
export const NAMESPACES = ["shop", "other", "team-a", "team-b"] as const;
/** Comes and goes. */
const LATE = "team-late";
const NAMES = ["ca", "tz"] as const;
const COPY_LABEL = "config-mirror.fairlead.dev/copy";

/** What people have written and not taken away: by key, content and whether it is labelled as a source. */
export interface MirrorModel {
  readonly theirs: Map<string, { readonly value: string; readonly isSource: boolean; readonly isImmutable: boolean }>;
  hasLate: boolean;
  /** "other" is a target by its labels. */
  isOtherTarget: boolean;
  count: number;
}

/** Random schedules for the mirror. */
export const MIRROR_PLAN: Plan<MirrorModel> = {
  options: () => ({
    plugins: [{ use: mirror, options: { namespaces: "mirror-into=yes" } }],
    objects: NAMESPACES.map((name) => namespace(name)),
    clock: Date.UTC(2026, 0, 1),
  }),
  model: () => ({ theirs: new Map(), hasLate: false, isOtherTarget: false, count: 0 }),
  next: (random, model) => random.pick(ACTIONS)(random, model),
  async check(cluster, model) {
    const objects: AnyObject[] = [...(await cluster.list("v1", "ConfigMap"))];
    const found = new Map(
      objects
        .filter(({ metadata }) => metadata.name !== "kube-root-ca.crt" && !metadata.namespace.startsWith("kube-"))
        .map((object) => [`${object.metadata.namespace}/${object.metadata.name}`, object]),
    );
    for (const [key, object] of found) {
      const theirs = model.theirs.get(key);
      if (theirs !== undefined) {
        mustEqual(`the value of ${key}, which is somebody's own,`, object.data?.value, theirs.value);
        mustEqual(`${key} being a copy`, object.metadata.labels?.[COPY_LABEL], undefined);
      } else {
        mustEqual(`${key} being a copy`, object.metadata.labels?.[COPY_LABEL], "true");
      }
    }
    for (const key of model.theirs.keys()) {
      mustEqual(`${key} being there`, found.has(key), true);
    }
    const targets = ["team-a", "team-b", ...(model.hasLate ? [LATE] : []), ...(model.isOtherTarget ? ["other"] : [])];
    for (const name of NAMES) {
      for (const target of [...NAMESPACES, LATE]) {
        const key = `${target}/${name}`;
        if (model.theirs.has(key)) {
          continue;
        }
        const sources = [...model.theirs].filter(
          ([from, { isSource }]) => isSource && from.endsWith(`/${name}`) && from !== key,
        );
        const copy = found.get(key);
        if (!targets.includes(target) || sources.length === 0) {
          mustEqual(`a copy at ${key}`, copy?.data, undefined);
        } else {
          const values = sources.map(([, { value }]) => value);
          mustEqual(
            `the copy at ${key} (${copy?.data?.value}) being one of ${values}`,
            values.includes(copy?.data?.value),
            true,
          );
        }
      }
    }
  },
};

type Maker = (random: Random, model: MirrorModel) => Action;

const place = (random: Random, { hasLate }: MirrorModel): string =>
  `${random.pick(hasLate ? [...NAMESPACES, LATE] : NAMESPACES)}/${random.pick(NAMES)}`;

function write(isSource: boolean, isImmutable = false): Maker {
  return (random, model) => {
    const key = place(random, model);
    const value = String(model.count++);
    const before = model.theirs.get(key);
    model.theirs.set(key, { value, isSource, isImmutable });
    const object = configMap(
      key,
      { value },
      { labels: isSource ? { mirror: "true" } : {}, ...(isImmutable ? { immutable: true } : {}) },
    );
    return async ({ client }) => {
      // Neither an immutable one nor a copy of one can be changed: people delete it first.
      const there: AnyObject = await client.get(mapAt(key));
      if (before?.isImmutable || there?.immutable) {
        await client.delete(mapAt(key));
      }
      await client.put(object);
    };
  };
}

const remove: Maker = (random, model) => {
  const key = random.pick([place(random, model), ...model.theirs.keys()]);
  model.theirs.delete(key);
  return ({ client }) => client.delete(mapAt(key));
};

const unlabel: Maker = (random, model) => {
  const sources = [...model.theirs].filter(([, { isSource }]) => isSource);
  if (sources.length === 0) {
    return async () => {};
  }
  const [key, theirs] = random.pick(sources);
  model.theirs.set(key, { ...theirs, isSource: false });
  return ({ client }) => client.patch(mapAt(key), { metadata: { labels: { mirror: null } } });
};

/** Somebody edits whatever is there, if it is a copy. */
const spoil: Maker = (random, model) => {
  const key = place(random, model);
  const value = `spoiled ${model.count++}`;
  const isTheirs = model.theirs.has(key);
  return async ({ client }) => {
    const object: AnyObject = await client.get(mapAt(key));
    if (!isTheirs && object !== undefined && object.immutable !== true) {
      const { resourceVersion } = object.metadata;
      // Of what was seen, and nothing newer.
      await client.patch(mapAt(key), { metadata: { resourceVersion }, data: { value } }).catch(() => {});
    }
  };
};

const late: Maker = (_random, model) => {
  model.hasLate = !model.hasLate;
  if (model.hasLate) {
    return ({ client }) => client.put(namespace(LATE));
  }
  for (const key of [...model.theirs.keys()].filter((one) => one.startsWith(`${LATE}/`))) {
    model.theirs.delete(key);
  }
  return async ({ client }) => {
    const name = { apiVersion: "v1", kind: "Namespace", name: LATE };
    await client.delete(name);
    if ((await client.get(name)) !== undefined) {
      throw new Error("the namespace is still being emptied");
    }
  };
};

const relabel: Maker = (_random, model) => {
  model.isOtherTarget = !model.isOtherTarget;
  const labels = { "mirror-into": model.isOtherTarget ? "yes" : null };
  return ({ client }) => client.patch(namespace("other"), { metadata: { labels } });
};

const ACTIONS: readonly Maker[] = [
  write(true),
  write(true),
  write(true),
  write(true, true),
  write(false),
  remove,
  remove,
  unlabel,
  spoil,
  spoil,
  late,
  relabel,
];
