import assert from "node:assert/strict";
import type { KubeClient, KubeObject } from "../../core/kube/client.ts";
import { apply, type OwnedObject } from "../../core/reconcile/apply.ts";
import { refusal } from "../cluster/kube-connection.ts";
import { configMap, deployment, gadget, service } from "./write-objects.ts";
import type { GivenGadget, WriteProcess, WriteWorld } from "./write-world.ts";

/** One promise, with a namespace of its own. */
export interface WriteCase {
  readonly name: string;
  run(world: WriteWorld, namespace: string): Promise<void>;
}

type AnyObject = Readonly<Record<string, unknown>>;

const at = (namespace: string, apiVersion: string, plural: string, name: string) => ({
  apiVersion,
  plural,
  namespace,
  name,
});

/** Applies in `process` and waits until its cache has seen that. */
async function applied(process: WriteProcess, other: KubeClient, ...objects: readonly (KubeObject | OwnedObject)[]) {
  const outcomes = await process.kube.apply(...objects);
  for (const given of objects) {
    const object: KubeObject = "owner" in given && "object" in given ? (given.object as KubeObject) : given;
    const { name, namespace } = object.metadata as { name: string; namespace: string };
    const plural = `${object.kind?.toLowerCase()}s`;
    const live = await other.get(at(namespace, String(object.apiVersion), plural, name));
    await process.seen({ ...live, apiVersion: object.apiVersion, kind: object.kind });
  }
  return outcomes;
}

/** An owner in the cluster. */
async function owner(world: WriteWorld, namespace: string): Promise<GivenGadget> {
  const target = { apiVersion: "test.example.org/v1", plural: "gadgets", namespace };
  // The server answers with what it stored.
  return (await world.other.create(target, gadget(namespace, "owner"))) as unknown as GivenGadget;
}

const changedIn = (object: AnyObject, path: readonly (string | number)[], value: unknown): AnyObject => {
  const [step, ...rest] = path;
  // Copies of what the cases wrote themselves.
  const copy = (Array.isArray(object) ? [...object] : { ...object }) as Record<string | number, unknown>;
  copy[step] = rest.length === 0 ? value : changedIn(copy[step] as AnyObject, rest, value);
  return copy as AnyObject;
};

const CONTAINERS = ["spec", "template", "spec", "containers"] as const;

/** Ways to write the same object: nothing is sent for them. */
const SAME: readonly (readonly [name: string, path: readonly (string | number)[], value: unknown])[] = [
  ["a quantity in other words", [...CONTAINERS, 0, "resources", "requests", "cpu"], 1],
  ["memory in other words", [...CONTAINERS, 0, "resources", "requests", "memory"], "1Gi"],
  ["fields that are null or undefined", ["spec", "paused"], null],
  ["labels that are undefined", ["metadata", "labels", "none"], undefined],
  ["a creation time", ["metadata", "creationTimestamp"], null],
];

/** What makes another object of it, and what the server must hold then. */
const OTHER: readonly (readonly [name: string, path: readonly (string | number)[], value: unknown])[] = [
  ["a scalar", ["spec", "replicas"], 3],
  ["a label more", ["metadata", "labels", "more"], "x"],
  ["a label less", ["metadata", "labels", "tier"], undefined],
  ["all labels less", ["metadata", "labels"], {}],
  ["an env variable", [...CONTAINERS, 0, "env", 1, "value"], "3"],
  ["an env variable less", [...CONTAINERS, 0, "env"], [{ name: "B", value: "2" }]],
  ["another order of containers", CONTAINERS, deployment("x").spec.template.spec.containers.toReversed()],
  ["a port's protocol", [...CONTAINERS, 0, "ports"], [{ containerPort: 80, protocol: "SCTP" }]],
  ["a port less", [...CONTAINERS, 0, "ports"], [{ containerPort: 80 }]],
  ["an atomic list", [...CONTAINERS, 0, "args"], ["--quiet"]],
  ["an atomic map", ["spec", "template", "spec", "nodeSelector"], { disk: "slow" }],
  ["a quantity", [...CONTAINERS, 0, "resources", "requests", "cpu"], "1001m"],
  ["a container less", CONTAINERS, deployment("x").spec.template.spec.containers.slice(0, 1)],
  ["an empty value", [...CONTAINERS, 0, "env", 2, "value"], "x"],
];

async function nothingTwice(world: WriteWorld, objects: readonly KubeObject[]): Promise<void> {
  await using first = await world.start();
  await applied(first, world.other, ...objects);
  first.sent.length = 0;
  assert.deepEqual(
    await first.kube.apply(...objects),
    objects.map(() => "unchanged"),
  );
  assert.deepEqual(first.sent, []);
  // Where the server wrote a value in its own way, that is learned from one answer.
  await using second = await world.start();
  await second.kube.apply(...objects);
  second.sent.length = 0;
  assert.deepEqual(
    await second.kube.apply(...objects),
    objects.map(() => "unchanged"),
  );
  assert.deepEqual(second.sent, []);
}

export const applyCases: readonly WriteCase[] = [
  {
    name: "what is applied twice is written once, in this process and after a restart",
    async run(world, namespace) {
      const objects = [
        service(namespace),
        configMap(namespace, "settings", { a: "1", empty: "" }, { labels: {}, annotations: {} }),
        apply.owned(await owner(world, namespace), deploymentWithout(namespace)),
      ];
      await using first = await world.start();
      assert.deepEqual(await applied(first, world.other, ...objects), ["created", "created", "created"]);
      assert.deepEqual(
        first.told.map(({ kind, key, verb, before }) => [kind, key, verb, before]),
        [
          ["services", `${namespace}/web`, "apply", ""],
          ["configmaps", `${namespace}/settings`, "apply", ""],
          ["deployments", `${namespace}/web`, "apply", ""],
        ],
      );
      await using second = await world.start();
      for (const process of [first, second]) {
        process.sent.length = 0;
        assert.deepEqual(await process.kube.apply(...objects), ["unchanged", "unchanged", "unchanged"]);
        assert.deepEqual(process.sent, []);
      }
    },
  },
  {
    name: "what the server adds inside of an applied value is learned from one answer, for all objects",
    async run(world, namespace) {
      await nothingTwice(world, [deployment(namespace), deployment(namespace, "web-2")]);
      await using third = await world.start();
      await third.kube.apply(deployment(namespace), deployment(namespace, "web-2"));
      assert(third.sent.length <= 1, `${third.sent.length} applies for two objects of one kind`);
    },
  },
  {
    name: "within one reconcile the answer to an apply counts before the cache has seen it",
    async run(world, namespace) {
      await using process = await world.start();
      const wanted = configMap(namespace, "settings", { a: "1" });
      assert.deepEqual(await process.kube.apply(wanted, wanted, wanted), ["created", "unchanged", "unchanged"]);
      assert.deepEqual(process.sent, ["apply"]);
    },
  },
  ...SAME.map(
    ([name, path, value]): WriteCase => ({
      name: `nothing is sent for ${name}`,
      async run(world, namespace) {
        await using process = await world.start();
        await applied(process, world.other, deploymentWithout(namespace));
        process.sent.length = 0;
        const wanted = changedIn(deploymentWithout(namespace), path, value);
        assert.deepEqual(await process.kube.apply(wanted), ["unchanged"]);
        assert.deepEqual(process.sent, []);
      },
    }),
  ),
  ...OTHER.map(
    ([name, path, value]): WriteCase => ({
      name: `one apply is sent for ${name}, also after a restart, and none then`,
      async run(world, namespace) {
        {
          await using first = await world.start();
          await applied(first, world.other, deploymentWithout(namespace));
        }
        await using process = await world.start();
        const wanted = changedIn(deploymentWithout(namespace), path, value);
        assert.deepEqual(await applied(process, world.other, wanted), ["changed"]);
        process.sent.length = 0;
        assert.deepEqual(await process.kube.apply(wanted), ["unchanged"]);
        assert.deepEqual(process.sent, []);
      },
    }),
  ),
  {
    name: "what somebody changed in an owned field of a child is taken back; what is not ours stays",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      const child = apply.owned(await owner(world, namespace), deploymentWithout(namespace));
      await applied(process, other, child);
      const target = at(namespace, "apps/v1", "deployments", "web");
      const patch = { metadata: { labels: { foreign: "yes" } }, spec: { minReadySeconds: 3 } };
      await process.seen({ ...(await other.patch(target, "merge", patch)), ...KIND.deployment });
      process.sent.length = 0;
      assert.deepEqual(await process.kube.apply(child), ["unchanged"]);
      const drift = { metadata: { labels: { tier: "x" } }, spec: { replicas: 9 } };
      await process.seen({ ...(await other.patch(target, "merge", drift)), ...KIND.deployment });
      assert.deepEqual(await applied(process, other, child), ["changed"]);
      assert.deepEqual(process.sent, ["apply"]);
      const live = (await other.get(target)) as unknown as { metadata: AnyObject; spec: AnyObject };
      assert.deepEqual(live.metadata.labels, { app: "web", tier: "web", foreign: "yes" });
      assert.deepEqual([live.spec.replicas, live.spec.minReadySeconds], [2, 3]);
    },
  },
  {
    name: "what an apply replaced is told where it is sure, and somebody faster costs a second request",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      await applied(process, other, configMap(namespace, "settings", { a: "1" }));
      const target = at(namespace, "v1", "configmaps", "settings");
      const before = String((await other.get(target)).metadata?.resourceVersion);
      await applied(process, other, configMap(namespace, "settings", { a: "2" }));
      assert.deepEqual([process.told[1].before, process.sent], [before, ["apply", "apply"]]);
      // Not waited for: the cache is behind.
      await other.patch(target, "merge", { metadata: { labels: { foreign: "yes" } } });
      await process.kube.apply(configMap(namespace, "settings", { a: "3" }));
      const sure = process.sent.length === 3;
      assert.equal(process.told[2].before === undefined, !sure);
      const live = await other.get(target);
      assert.deepEqual([live.data, live.metadata?.labels], [{ a: "3" }, { foreign: "yes" }]);
    },
  },
  {
    name: "an owned field that somebody removed comes back, also when that happened while we were down",
    async run(world, namespace) {
      const { other } = world;
      const child = apply.owned(await owner(world, namespace), deploymentWithout(namespace));
      {
        await using process = await world.start();
        await applied(process, other, child);
      }
      const target = at(namespace, "apps/v1", "deployments", "web");
      await other.patch(target, "merge", { metadata: { labels: { tier: null } } });
      await using process = await world.start();
      assert.deepEqual(await process.kube.apply(child), ["changed"]);
      const live = await other.get(target);
      assert.deepEqual(live.metadata?.labels, { app: "web", tier: "web" });
    },
  },
  {
    name: "a field that we applied once and do not want any more is removed after a restart too",
    async run(world, namespace) {
      const { other } = world;
      {
        await using process = await world.start();
        await applied(process, other, configMap(namespace, "settings", { a: "1", old: "x" }));
      }
      await using process = await world.start();
      assert.deepEqual(await process.kube.apply(configMap(namespace, "settings", { a: "1" })), ["changed"]);
      const live = await other.get(at(namespace, "v1", "configmaps", "settings"));
      assert.deepEqual(live.data, { a: "1" });
    },
  },
  {
    name: "a deleted child is made again",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      const child = apply.owned(await owner(world, namespace), configMap(namespace, "settings", { a: "1" }));
      await applied(process, other, child);
      await other.delete(at(namespace, "v1", "configmaps", "settings"));
      await process.gone("v1", "ConfigMap", `${namespace}/settings`);
      process.sent.length = 0;
      assert.deepEqual(await process.kube.apply(child), ["created"]);
      assert.deepEqual(process.sent, ["apply"]);
    },
  },
  {
    name: "a conflict over an object that is not our child names manager and fields, and force takes them over",
    async run(world, namespace) {
      const { other } = world;
      await using process = await world.start();
      const target = { apiVersion: "v1", plural: "configmaps", namespace };
      await process.seen({
        ...(await other.create(target, configMap(namespace, "theirs", { a: "1" }))),
        ...KIND.configMap,
      });
      const mine = configMap(namespace, "theirs", { a: "2", b: "3" });
      const error = await refusal(process.kube.apply(mine));
      assert.equal(error.code, "RECONCILE_CONFLICT");
      assert.match(
        error.message,
        /"webapp" cannot apply ConfigMap ".*\/theirs": others manage \.data\.a \("someone"\)/,
      );
      assert.deepEqual([error.facts.managers, error.facts.fields], [["someone"], [".data.a"]]);
      assert.deepEqual((await other.get({ ...target, name: "theirs" })).data, { a: "1" });
      assert.deepEqual(await process.kube.with({ force: true }).apply(mine), ["changed"]);
      assert.deepEqual((await other.get({ ...target, name: "theirs" })).data, { a: "2", b: "3" });
    },
  },
  {
    name: "a child of somebody else is not touched",
    async run(world, namespace) {
      await using process = await world.start();
      const mine = await owner(world, namespace);
      const theirs = {
        ...mine,
        metadata: { ...mine.metadata, name: "other", uid: "11111111-1111-4111-8111-111111111111" },
      };
      await applied(process, world.other, apply.owned(theirs, configMap(namespace, "settings", { a: "1" })));
      process.sent.length = 0;
      const error = await refusal(process.kube.apply(apply.owned(mine, configMap(namespace, "settings", { a: "2" }))));
      assert.equal(error.code, "RECONCILE_ALREADY_OWNED");
      assert.match(error.message, /belongs to Gadget "other" and cannot belong to Gadget "owner" too/);
      assert.deepEqual(process.sent, []);
    },
  },
  {
    name: "a dry run stores nothing and is told to nobody; a fence lets nothing out",
    async run(world, namespace) {
      await using process = await world.start();
      const wanted = configMap(namespace, "settings", { a: "1" });
      await process.kube.with({ dryRun: true }).apply(wanted);
      assert.deepEqual([process.sent, process.told], [["apply"], []]);
      const target = at(namespace, "v1", "configmaps", "settings");
      assert.equal((await refusal(world.other.get(target))).code, "KUBE_NOT_FOUND");
      process.fence = new Error("no longer");
      await assert.rejects(process.kube.apply(wanted), /no longer/);
      assert.deepEqual(process.sent, ["apply"]);
    },
  },
  {
    name: "the data of a secret may be given as text, and is compared as the server keeps it",
    async run(world, namespace) {
      const wanted = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "token", namespace },
        stringData: { token: "grüße" },
      };
      await using process = await world.start();
      await applied(process, world.other, wanted);
      assert.deepEqual(await process.kube.apply(wanted), ["unchanged"]);
      const live = await world.other.get(at(namespace, "v1", "secrets", "token"));
      assert.deepEqual(live.data, { token: Buffer.from("grüße").toString("base64") });
    },
  },
];

const KIND = {
  deployment: { apiVersion: "apps/v1", kind: "Deployment" },
  configMap: { apiVersion: "v1", kind: "ConfigMap" },
} as const;

/** Without what the server completes inside of an atomic value: `fieldRef` gets an apiVersion. */
function deploymentWithout(namespace: string): KubeObject {
  const { env } = deployment(namespace).spec.template.spec.containers[0];
  return changedIn(deployment(namespace), [...CONTAINERS, 0, "env"], env.slice(0, 3));
}
