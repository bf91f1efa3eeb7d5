import { setTimeout as delay } from "node:timers/promises";
import { createController } from "../../core/index.ts";
import { customResourceDefinitions } from "../../core/kinds/apiextensions.ts";
import { deployments } from "../../core/kinds/apps.ts";
import { configMaps, secrets, services } from "../../core/kinds/core.ts";
import { defineCustomKind } from "../../core/kinds/custom.ts";
import { type AnyKind, declare } from "../../core/kinds/kind.ts";
import type { ClusterSource } from "../../core/kube/access.ts";
import type { KubeClient, KubeObject } from "../../core/kube/client.ts";
import { createKubeClient } from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { connect } from "../../core/kube/http-transport.ts";
import { silentLogger } from "../../core/log.ts";
import { createReconcileKubes, type ReconcileKube } from "../../core/reconcile/kube.ts";
import type { OwnWrite } from "../../core/reconcile/own-write.ts";
import { ownedKind } from "../../core/reconcile/owned-kind.ts";
import { realClock } from "../../core/watch/clock.ts";
import { childKinds } from "./child-kinds.ts";
import { GADGETS } from "./write-objects.ts";

/** The field manager of the cases. */
export const MANAGER = "webapp";

/** Kinds that the cases follow. */
const KINDS = [
  ownedKind(deployments, ["readyReplicas"], MANAGER),
  ownedKind(services, [], MANAGER),
  ownedKind(configMaps, [], MANAGER),
  ownedKind(secrets, [], MANAGER),
  defineCustomKind({
    apiVersion: "test.example.org/v1",
    kind: "Gadget",
    plural: "gadgets",
    namespaced: true,
    fields: {},
    keep: "slim",
  }),
];

/** Every kind of children that operators make, as a custom resource is followed. */
const CHILD_KINDS = childKinds.map(({ apiVersion, kind, plural }) => {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const fields = { apiVersion, kind, plural, name: `${plural}.${group || version}`, namespaced: true, fields: {} };
  return ownedKind(declare({ ...fields, indexes: {} }, false), [], MANAGER);
});

const LIMIT_MS = 10_000;

/** A process with a controller, its cache, and everything that it has written. */
export interface WriteProcess extends AsyncDisposable {
  readonly kube: ReconcileKube;
  /** Verbs of the writes that were sent, refused ones too. */
  readonly sent: string[];
  /** Writes that were told of. */
  readonly told: OwnWrite[];
  /** A reason by which no more writes may be sent. */
  fence: Error | undefined;
  /** Waits until the cache has seen this state, or that the object is gone. */
  seen(object: KubeObject): Promise<void>;
  gone(apiVersion: string, kind: string, key: string): Promise<void>;
  /** What the store holds of a gadget. */
  gadget(key: string): GivenGadget;
}

/** A gadget as a reconcile would get it. */
export interface GivenGadget {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
  };
  readonly status?: Readonly<Record<string, unknown>>;
}

/** One server, with a client of somebody else. */
export interface WriteWorld {
  /** Not counted; its field manager is "someone". */
  readonly other: KubeClient;
  /** A process with an empty memory, its caches complete. */
  start(): Promise<WriteProcess>;
  /** The same over all kinds of `child-kinds.ts`. */
  startChildren(): Promise<WriteProcess>;
}

/** Connects to a server; `close` when it is over. */
export async function writeWorld(cluster: ClusterSource): Promise<WriteWorld & { close(): Promise<void> }> {
  const access = await resolveCluster(cluster);
  const transport = connect(access);
  const other = createKubeClient(transport, { fieldManager: "someone" });
  await other.create(
    { apiVersion: customResourceDefinitions.apiVersion, plural: "customresourcedefinitions" },
    GADGETS,
  );
  await untilServed(other);
  const client = createKubeClient(transport);
  return {
    other,
    start: () => startProcess(cluster, client, KINDS),
    startChildren: () => startProcess(cluster, client, CHILD_KINDS),
    close: () => transport.close(),
  };
}

async function untilServed(client: KubeClient): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      await client.json({ method: "GET", path: "/apis/test.example.org/v1/gadgets" });
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        throw error;
      }
      await delay(50);
    }
  }
}

async function startProcess(
  cluster: ClusterSource,
  client: KubeClient,
  kinds: readonly AnyKind[],
): Promise<WriteProcess> {
  const controller = await createController({ cluster, kinds, ingest: "inline" }).start();
  const sent: string[] = [];
  const told: OwnWrite[] = [];
  const { store } = controller;
  const kubes = createReconcileKubes({
    controller: MANAGER,
    fieldManager: MANAGER,
    client: counted(client, sent),
    store,
    kinds,
    clock: realClock,
    log: silentLogger,
  });
  const started: WriteProcess = {
    kube: kubes.open({
      signal: new AbortController().signal,
      fence: () => {
        if (started.fence !== undefined) {
          throw started.fence;
        }
      },
      wrote: (write) => told.push(write),
    }),
    sent,
    told,
    fence: undefined,
    seen: ({ apiVersion, kind, metadata = {} }) =>
      until(() => {
        const name = kinds.find((one) => one.apiVersion === apiVersion && one.kind === kind)?.name ?? "";
        const key = `${metadata.namespace}/${metadata.name}`;
        const version = store.read((view) => view.kind(name).get(key)?.metadata.resourceVersion);
        return version === metadata.resourceVersion;
      }),
    gone: (apiVersion, kind, key) =>
      until(() => {
        const name = kinds.find((one) => one.apiVersion === apiVersion && one.kind === kind)?.name ?? "";
        return store.read((view) => !view.kind(name).has(key));
      }),
    // The cases store nothing else there.
    gadget: (key) =>
      store.read((view) => view.kind("gadgets.test.example.org").get(key)?.toJSON()) as unknown as GivenGadget,
    [Symbol.asyncDispose]: () => controller.stop(),
  };
  return started;
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > deadline) {
      throw new Error("the cache did not come to that state");
    }
    await delay(5);
  }
}

/** The client, with the verb of every write kept. */
function counted(client: KubeClient, sent: string[]): KubeClient {
  const count =
    <Given extends readonly unknown[], Answer>(verb: string, call: (...given: Given) => Answer) =>
    (...given: Given): Answer => {
      sent.push(verb);
      return call(...given);
    };
  return {
    ...client,
    create: count("create", client.create),
    update: count("update", client.update),
    patch: count("patch", client.patch),
    apply: count("apply", client.apply),
    delete: count("delete", client.delete),
  };
}
