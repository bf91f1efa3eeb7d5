import assert from "node:assert/strict";
import { configMaps, namespaces } from "../../core/kinds/core.ts";
import type { KubeObject } from "../../core/kube/client.ts";
import { apply } from "../../core/reconcile/apply.ts";
import { condition } from "../../core/reconcile/condition.ts";
import type { EditableObject } from "../../core/reconcile/write-run.ts";
import { at, refusal } from "../cluster/kube-connection.ts";
import type { WriteCase } from "./apply-cases.ts";
import { configMap, gadget } from "./write-objects.ts";
import type { GivenGadget, WriteProcess, WriteWorld } from "./write-world.ts";

const GADGET = { apiVersion: "test.example.org/v1", kind: "Gadget" } as const;
const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" } as const;
const FINALIZER = "test.example.org/clean-up";

const gadgets = (namespace: string) => ({ apiVersion: GADGET.apiVersion, plural: "gadgets", namespace });
const maps = (namespace: string) => ({ apiVersion: "v1", plural: "configmaps", namespace });

/** A gadget in the cluster and in the cache of the process. */
async function given(world: WriteWorld, process: WriteProcess, namespace: string): Promise<GivenGadget> {
  const made = await world.other.create(gadgets(namespace), gadget(namespace, "one"));
  await process.seen({ ...made, ...GADGET });
  return process.gadget(`${namespace}/one`);
}

/** The gadget as the cache has it, once it has seen the server's state. */
async function latest(world: WriteWorld, process: WriteProcess, namespace: string): Promise<GivenGadget> {
  await process.seen({ ...(await world.other.get({ ...gadgets(namespace), name: "one" })), ...GADGET });
  return process.gadget(`${namespace}/one`);
}

type Conditions = readonly {
  readonly type: string;
  readonly lastTransitionTime: string;
  readonly [field: string]: unknown;
}[];

const conditionsOf = (object: unknown): Conditions => (at(object, "status.conditions") ?? []) as Conditions;

export const editCases: readonly WriteCase[] = [
  {
    name: "a status is written where it differs, and nowhere else, also after a restart",
    async run(world, namespace) {
      const status = { ready: 1, nested: { a: 1, b: [1, { c: null }] }, conditions: [condition("Available", true)] };
      {
        await using process = await world.start();
        const object = await given(world, process, namespace);
        assert.equal(await process.kube.patchStatus(object, status), true);
        // Still the old object: what was just written counts.
        assert.equal(await process.kube.patchStatus(object, status), false);
        assert.deepEqual(process.sent, ["patch"]);
        const [write] = process.told;
        assert.deepEqual(
          [write.verb, write.before, write.kind],
          ["status", object.metadata.resourceVersion, "gadgets.test.example.org"],
        );
      }
      await using process = await world.start();
      const object = process.gadget(`${namespace}/one`);
      assert.equal(await process.kube.patchStatus(object, status), false);
      assert.equal(await process.kube.patchStatus(object, { ready: 1 }), false);
      assert.deepEqual(process.sent, []);
      assert.equal(await process.kube.patchStatus(object, { ready: undefined, nested: { a: 1 } }), true);
      const live = await world.other.get({ ...gadgets(namespace), name: "one" });
      assert.deepEqual([at(live, "status.nested"), at(live, "status.ready")], [{ a: 1 }, undefined]);
      assert.equal(conditionsOf(live).length, 1);
    },
  },
  {
    name: "a condition keeps the time of its last transition and tells the generation; those of others stay",
    async run(world, namespace) {
      await using process = await world.start();
      await given(world, process, namespace);
      const theirs = {
        type: "Paid",
        status: "True",
        reason: "Paid",
        message: "",
        lastTransitionTime: "2026-01-31T08:00:00Z",
      };
      const mine = {
        type: "Available",
        status: "True",
        reason: "Is",
        message: "",
        lastTransitionTime: "2026-01-31T09:00:00Z",
      };
      const target = { ...gadgets(namespace), name: "one" };
      await world.other.patch({ ...target, subresource: "status" }, "merge", {
        status: { conditions: [theirs, mine] },
      });
      const object = await latest(world, process, namespace);
      await process.kube.patchStatus(object, { conditions: [condition("Available", true, "Still", "it is")] });
      const [first, second] = conditionsOf(await world.other.get(target));
      assert.deepEqual(first, theirs);
      assert.deepEqual(second, { ...mine, reason: "Still", message: "it is", observedGeneration: 1 });
      await process.kube.patchStatus(object, { conditions: [condition("Available", false)] });
      const [, last] = conditionsOf(await world.other.get(target));
      assert.deepEqual([last.status, last.reason], ["False", "NotAvailable"]);
      assert.notEqual(last.lastTransitionTime, mine.lastTransitionTime);
    },
  },
  {
    name: "a condition that another writer added meanwhile is not lost",
    async run(world, namespace) {
      await using process = await world.start();
      const object = await given(world, process, namespace);
      const theirs = {
        type: "Paid",
        status: "True",
        reason: "Paid",
        message: "",
        lastTransitionTime: "2026-01-31T08:00:00Z",
      };
      const target = { ...gadgets(namespace), name: "one" };
      await world.other.patch({ ...target, subresource: "status" }, "merge", { status: { conditions: [theirs] } });
      assert.equal(await process.kube.patchStatus(object, { conditions: [condition("Available", true)] }), true);
      assert.deepEqual(process.sent, ["patch", "patch"]);
      const types = conditionsOf(await world.other.get(target)).map(({ type }) => type);
      assert.deepEqual(types, ["Paid", "Available"]);
    },
  },
  {
    name: "the status of an object that is gone, or is another one by now, is not written",
    async run(world, namespace) {
      await using process = await world.start();
      const object = await given(world, process, namespace);
      const target = { ...gadgets(namespace), name: "one" };
      await world.other.delete(target);
      assert.equal(await process.kube.patchStatus(object, { ready: 1 }), false);
      await world.other.create(gadgets(namespace), gadget(namespace, "one"));
      assert.equal(await process.kube.patchStatus(object, { conditions: [condition("A", true)] }), false);
      assert.deepEqual(process.told, []);
    },
  },
  {
    name: "a finalizer is added once, holds the deletion, and lets the object go when it is removed",
    async run(world, namespace) {
      await using process = await world.start();
      const { kube } = process;
      const object = await given(world, process, namespace);
      assert.equal(await kube.ensureFinalizer(object, FINALIZER), true);
      assert.equal(await kube.ensureFinalizer(object, FINALIZER), false);
      assert.deepEqual(process.sent, ["patch"]);
      assert.deepEqual([process.told[0].verb, process.told[0].before], ["finalizer", object.metadata.resourceVersion]);
      await world.other.delete({ ...gadgets(namespace), name: "one" });
      const deleting = await latest(world, process, namespace);
      assert.equal(typeof deleting.metadata.deletionTimestamp, "string");
      await using restarted = await world.start();
      assert.equal(
        (await refusal(restarted.kube.ensureFinalizer(deleting, "test.example.org/late"))).code,
        "RECONCILE_OBJECT_GONE",
      );
      assert.deepEqual(restarted.sent, []);
      assert.equal(await restarted.kube.removeFinalizer(deleting, FINALIZER), true);
      await restarted.gone(GADGET.apiVersion, GADGET.kind, `${namespace}/one`);
      assert.equal(await restarted.kube.get(GADGET, `${namespace}/one`), undefined);
      await using last = await world.start();
      assert.equal(await last.kube.removeFinalizer(deleting, FINALIZER), false);
    },
  },
  {
    name: "a finalizer is added beside one that came meanwhile",
    async run(world, namespace) {
      await using process = await world.start();
      const object = await given(world, process, namespace);
      const target = { ...gadgets(namespace), name: "one" };
      await world.other.patch(target, "merge", { metadata: { finalizers: ["test.example.org/other"] } });
      assert.equal(await process.kube.ensureFinalizer(object, FINALIZER), true);
      const live = await world.other.get(target);
      assert.deepEqual(live.metadata?.finalizers, ["test.example.org/other", FINALIZER]);
      await world.other.patch(target, "merge", { metadata: { finalizers: null } });
    },
  },
  {
    name: "a delete is sent once, for what the cache shows, and never for another object of the name",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      const { kube } = process;
      const key = `${namespace}/a`;
      assert.equal(await kube.delete(CONFIG_MAP, key), false);
      assert.deepEqual(process.sent, []);
      await process.seen({ ...(await other.create(maps(namespace), configMap(namespace, "a", {}))), ...CONFIG_MAP });
      const error = await refusal(kube.delete(CONFIG_MAP, key, { uid: "11111111-1111-4111-8111-111111111111" }));
      assert.equal(error.code, "KUBE_CONFLICT");
      assert.equal((await refusal(kube.delete(CONFIG_MAP, key, { resourceVersion: "1" }))).code, "KUBE_CONFLICT");
      assert.equal(await kube.with({ dryRun: true }).delete(CONFIG_MAP, key), true);
      assert.deepEqual(process.told, []);
      assert.equal(await kube.delete(CONFIG_MAP, key), true);
      assert.deepEqual(process.told, [
        { kind: "configmaps", key, resourceVersion: "", verb: "delete", before: undefined },
      ]);
      await process.gone("v1", "ConfigMap", key);
      process.sent.length = 0;
      assert.equal(await kube.delete(CONFIG_MAP, key), false);
      assert.deepEqual(process.sent, []);
    },
  },
  {
    name: "an object that is being deleted is not deleted again",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      const key = `${namespace}/a`;
      const held = configMap(namespace, "a", {}, { finalizers: [FINALIZER] });
      await process.seen({ ...(await other.create(maps(namespace), held)), ...CONFIG_MAP });
      assert.equal(await process.kube.delete(CONFIG_MAP, key), true);
      assert.notEqual(process.told[0].resourceVersion, "");
      await process.seen({ ...(await other.get({ ...maps(namespace), name: "a" })), ...CONFIG_MAP });
      assert.equal(await process.kube.delete(CONFIG_MAP, key), false);
      assert.deepEqual(process.sent, ["delete"]);
      await other.patch({ ...maps(namespace), name: "a" }, "merge", { metadata: { finalizers: null } });
    },
  },
  {
    name: "createOrUpdate makes, changes, and leaves alone; it wins a race by trying again",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      const { kube, sent, told } = process;
      const target = { ...CONFIG_MAP, metadata: { name: "a", namespace } };
      let calls = 0;
      const change = (object: EditableObject) => {
        calls++;
        object.data = { a: "1" };
        return undefined;
      };
      assert.equal(await kube.createOrUpdate(target, change), "created");
      assert.equal(await kube.createOrUpdate(target, change), "unchanged");
      assert.deepEqual([sent, calls], [["create"], 2]);
      const raced = await kube.createOrUpdate(target, (object) => ({ ...object, data: { n: String(++calls) } }));
      assert.equal(raced, "changed");
      const racing = { first: true };
      const outcome = kube.createOrUpdate(target, (object) => {
        object.data = { b: racing.first ? "early" : "late" };
        racing.first = false;
        return undefined;
      });
      await other.patch({ ...maps(namespace), name: "a" }, "merge", { metadata: { labels: { raced: "yes" } } });
      assert.equal(await outcome, "changed");
      const live = await other.get({ ...maps(namespace), name: "a" });
      assert.deepEqual(live.metadata?.labels, { raced: "yes" });
      assert(told.every(({ before }) => before !== undefined));
    },
  },
  {
    name: "reads: live, cached, and what is not followed",
    async run(world, namespace) {
      await using process = await world.start();
      const { kube } = process;
      const key = `${namespace}/a`;
      assert.equal(await kube.get(configMaps, key), undefined);
      assert.equal(kube.cached(configMaps, key), undefined);
      const made = await world.other.create(
        maps(namespace),
        configMap(namespace, "a", { x: "y" }, { labels: { l: "1" } }),
      );
      await process.seen({ ...made, ...CONFIG_MAP });
      assert.deepEqual((await kube.get(configMaps, key))?.data, { x: "y" });
      const copy = kube.cached(configMaps, key);
      assert.deepEqual([copy?.key, copy?.metadata.name, copy?.metadata.labels], [key, "a", { l: "1" }]);
      assert.throws(() => copy?.data, { code: "STORE_FIELD_NOT_DECLARED" });
      assert.equal(kube.cached(namespaces, namespace), undefined);
      assert.equal((await kube.get(namespaces, namespace))?.kind, "Namespace");
      assert.equal(await kube.get({ apiVersion: "v1", kind: "ServiceAccount" }, `${namespace}/none`), undefined);
      assert.equal((await refusal(kube.get({ apiVersion: "v1", kind: "Nothing" }, "x"))).code, "KUBE_KIND_NOT_SERVED");
    },
  },
  {
    name: "owners that the cluster would not keep are refused before anything is sent",
    async run(world, namespace) {
      await using process = await world.start();
      const owner = await given(world, process, namespace);
      const { kube } = process;
      const map: KubeObject = configMap(namespace, "a", {});
      assert.throws(() => apply.owned(owner, configMap("elsewhere", "a", {})), {
        code: "RECONCILE_BAD_OWNER",
        message: /which is in namespace "elsewhere"; an owner in a namespace owns only objects of that namespace/,
      });
      assert.throws(() => apply.owned({ ...owner, metadata: { name: "x", namespace, uid: "" } }, map), {
        code: "RECONCILE_BAD_OWNER",
      });
      const clusterScoped = { apiVersion: "v1", kind: "Namespace", metadata: { name: "made" } };
      for (const [object, code] of [
        [apply.owned(owner, clusterScoped), "RECONCILE_BAD_OBJECT"],
        [{ ...CONFIG_MAP, metadata: { name: "a" } }, "RECONCILE_BAD_OBJECT"],
        [{ ...CONFIG_MAP, metadata: { namespace } }, "RECONCILE_BAD_OBJECT"],
        [{ kind: "ConfigMap", metadata: { name: "a", namespace } }, "RECONCILE_BAD_OBJECT"],
      ] as const) {
        assert.equal((await refusal(kube.apply(object))).code, code);
      }
      assert.deepEqual(process.sent, []);
      const { namespace: _none, ...metadata } = map.metadata ?? {};
      await kube.apply(apply.owned(owner, { ...map, metadata }));
      const live = await world.other.get({ ...maps(namespace), name: "a" });
      assert.deepEqual(live.metadata?.ownerReferences, [
        { ...GADGET, name: "one", uid: owner.metadata.uid, controller: true, blockOwnerDeletion: true },
      ]);
    },
  },
];
