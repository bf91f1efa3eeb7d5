import { codeOf } from "../errors.ts";
import { createKubeClient, type KubeClient, type KubeObject, type ResourceName } from "../kube/client.ts";
import { type ClusterSource, resolveCluster } from "../kube/cluster-config.ts";
import { createDiscovery } from "../kube/discovery.ts";
import { connect } from "../kube/http-transport.ts";
import type { ObjectInput } from "./object.ts";

/** Names an object of any kind. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** An object, or just its name. */
export type Named = ObjectName | ObjectInput;

/** Changes a cluster as a person would: over HTTP, whichever API server it is. */
export interface TestClient {
  /** All verbs. */
  readonly kube: KubeClient;
  /** Creates or replaces, the status aside. Its namespace is made where there is none. */
  put(object: ObjectInput): Promise<KubeObject>;
  /** Merge patch. */
  patch(name: Named, patch: object): Promise<KubeObject>;
  /** False when it was not there. */
  delete(name: Named): Promise<boolean>;
  get<T extends object = KubeObject>(name: Named): Promise<T | undefined>;
  list(apiVersion: string, kind: string, namespace?: string): Promise<KubeObject[]>;
  /** Deletes what `put` has made, definitions aside, and waits for it to be gone; what does not go in time is left. */
  clean(timeoutMs: number): Promise<void>;
  /** Forgets what it knows of the kinds that are served. */
  forgetKinds(): void;
  close(): Promise<void>;
}

const TRIES = 5;
const LOOK_MS = 100;

/** Connects to a cluster. */
export async function openTestClient(source: ClusterSource): Promise<TestClient> {
  const transport = connect(await resolveCluster(source), { userAgent: "fairlead-testing" });
  const kube = createKubeClient(transport, { fieldManager: "test" });
  const discovery = createDiscovery(kube);
  const target = async (named: Named): Promise<ResourceName> => {
    const { apiVersion, kind } = named;
    const { namespace, name } = "metadata" in named ? named.metadata : named;
    const { plural, namespaced } = await discovery.resolve(apiVersion, kind);
    return { apiVersion, plural, name, ...(namespaced ? { namespace: namespace ?? "default" } : {}) };
  };

  const made: ObjectInput[] = [];

  async function gone(objects: readonly ObjectInput[], endAt: number): Promise<void> {
    for (const object of objects) {
      await orAbsent(kube.delete(await target(object)));
    }
    for (const object of objects) {
      while (performance.now() < endAt && (await orAbsent(kube.get(await target(object)))) !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
  }

  async function put(object: ObjectInput): Promise<KubeObject> {
    const { metadata } = object;
    const at = await target(object);
    const { name: _name, ...collection } = at;
    for (let tries = 1; ; tries++) {
      const before = await orAbsent(kube.get(at));
      try {
        if (before === undefined) {
          const created = await kube.create(collection, object);
          made.push(object);
          return created;
        }
        // What is not given stays as it is: the finalizers of others, for one.
        const { uid, resourceVersion } = before.metadata ?? {};
        return await kube.update(at, {
          ...object,
          metadata: { ...before.metadata, ...metadata, uid, resourceVersion },
        });
      } catch (error) {
        const code = codeOf(error);
        if (code === "KUBE_NOT_FOUND" && before === undefined && at.namespace !== undefined) {
          made.push(await makeNamespace(kube, at.namespace));
        } else if (tries >= TRIES || (code !== "KUBE_CONFLICT" && code !== "KUBE_ALREADY_EXISTS")) {
          throw error;
        }
      }
    }
  }

  return {
    kube,
    put,
    patch: async (name, patch) => kube.patch(await target(name), "merge", patch),
    delete: async (name) => (await orAbsent(kube.delete(await target(name)))) !== undefined,
    // Whoever asks knows what it is.
    get: async <T extends object>(name: Named) => (await orAbsent(kube.get(await target(name)))) as T | undefined,
    async list(apiVersion, kind, namespace) {
      const { plural, namespaced } = await discovery.resolve(apiVersion, kind);
      const within = namespaced && namespace !== undefined ? { namespace } : {};
      const objects: KubeObject[] = [];
      for await (const object of kube.list({ apiVersion, plural, ...within })) {
        // The items of a list do not say what they are.
        objects.push({ apiVersion, kind, ...object });
      }
      return objects;
    },
    async clean(timeoutMs) {
      const endAt = performance.now() + timeoutMs;
      const isNamespace = ({ kind }: ObjectInput): boolean => kind === "Namespace";
      const objects = made.splice(0).filter(({ kind }) => kind !== "CustomResourceDefinition");
      await gone(
        objects.filter((object) => !isNamespace(object)),
        endAt,
      );
      await gone(objects.filter(isNamespace), endAt);
    },
    forgetKinds: () => discovery.invalidate(),
    close: () => transport.close(),
  };
}

async function makeNamespace(kube: KubeClient, name: string): Promise<ObjectInput> {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  try {
    await kube.create({ apiVersion: "v1", plural: "namespaces" }, namespace);
  } catch (error) {
    if (codeOf(error) !== "KUBE_ALREADY_EXISTS") {
      throw error;
    }
  }
  return namespace;
}

async function orAbsent(call: Promise<KubeObject>): Promise<KubeObject | undefined> {
  try {
    return await call;
  } catch (error) {
    if (codeOf(error) === "KUBE_NOT_FOUND") {
      return undefined;
    }
    throw error;
  }
}
