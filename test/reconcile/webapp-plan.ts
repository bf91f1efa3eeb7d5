import type { Random } from "../../core/testing/index.ts";
import { webapps } from "../../docs/examples/webapp/webapp.ts";
import { type Action, mustEqual, type Plan } from "./schedules.ts";
import { webApp } from "./webapp-scenarios.ts";
import { type AnyObject, namespace } from "./world.ts";

const NAMES = ["cart", "web", "api"] as const;
const HOSTS = [undefined, "a.example.org", "b.example.org"] as const;
const CHILDREN = [
  { apiVersion: "apps/v1", kind: "Deployment" },
  { apiVersion: "v1", kind: "Service" },
  { apiVersion: "networking.k8s.io/v1", kind: "Ingress" },
] as const;
const WEBAPP = { apiVersion: "apps.example.org/v1", kind: "WebApp" } as const;

interface Wanted {
  readonly image: string;
  readonly replicas: number;
  readonly host: string | undefined;
}

/** What people want, and what the directory outside of the cluster holds. */
export interface WebAppModel {
  readonly wanted: Map<string, Wanted>;
}

/** Random schedules for the WebApp controller of the example. One plan for each run: the directory is its own. */
export function webAppPlan({ arePodsReady = true }: { readonly arePodsReady?: boolean } = {}): Plan<WebAppModel> {
  const directory = new Map<string, string>();
  const outside = {
    enter: async (key: string, url: string) => void directory.set(key, url),
    remove: async (key: string) => void directory.delete(key),
  };
  return {
    options: () => ({ controllers: [webapps(outside)], objects: [namespace("shop")], clock: Date.UTC(2026, 0, 1) }),
    model: () => ({ wanted: new Map() }),
    next: (random, model) => random.pick(ACTIONS)(random, model),
    async check(cluster, { wanted }) {
      const names = [...wanted.keys()].sort();
      const apps: AnyObject[] = [...(await cluster.list(WEBAPP.apiVersion, WEBAPP.kind, "shop"))];
      mustEqual(
        "the WebApps",
        apps.map(({ metadata }) => metadata.name),
        names,
      );
      for (const { apiVersion, kind } of CHILDREN) {
        const children: AnyObject[] = [...(await cluster.list(apiVersion, kind, "shop"))];
        const owners = names.filter((name) => kind !== "Ingress" || wanted.get(name)?.host !== undefined);
        mustEqual(
          `every ${kind}`,
          children.map(({ metadata }) => metadata.name),
          owners,
        );
        for (const child of children) {
          const app = apps.find(({ metadata }) => metadata.name === child.metadata.name);
          mustEqual(
            `the owner of ${kind} ${child.metadata.name}`,
            child.metadata.ownerReferences?.map(({ uid }: AnyObject) => uid),
            [app.metadata.uid],
          );
        }
        if (kind === "Deployment") {
          mustEqual(
            "the Deployments",
            children.map(({ spec }) => [
              spec.template.spec.containers.map(({ image }: AnyObject) => image),
              spec.replicas,
            ]),
            names.map((name) => [[wanted.get(name)?.image], wanted.get(name)?.replicas]),
          );
        } else if (kind === "Service") {
          mustEqual(
            "the ports",
            children.map(({ spec }) => spec.ports.map(({ port, targetPort }: AnyObject) => [port, targetPort])),
            names.map(() => [[80, "http"]]),
          );
        } else {
          mustEqual(
            "the hosts",
            children.map(({ spec }) => spec.rules.map(({ host }: AnyObject) => host)),
            owners.map((name) => [wanted.get(name)?.host]),
          );
        }
      }
      for (const { metadata, status } of apps) {
        const { replicas, host } = wanted.get(metadata.name) ?? { replicas: 0, host: undefined };
        const url = host === undefined ? `http://${metadata.name}.shop.svc` : `http://${host}`;
        mustEqual(
          `the status of ${metadata.name}`,
          [status.observedGeneration, status.readyReplicas, status.url],
          [metadata.generation, arePodsReady ? replicas : 0, url],
        );
      }
      mustEqual(
        "the directory",
        [...directory.keys()].sort(),
        names.map((name) => `shop/${name}`),
      );
      for (const { metadata, status } of apps) {
        mustEqual(`the entry of ${metadata.name}`, directory.get(`shop/${metadata.name}`), status.url);
      }
    },
  };
}

type Maker = (random: Random, model: WebAppModel) => Action;

const app = (name: string) => ({ ...WEBAPP, namespace: "shop", name });

const write: Maker = (random, { wanted }) => {
  const name = random.pick(NAMES);
  const spec = { image: `example.org/app:${random.below(4)}`, replicas: 1 + random.below(3), host: random.pick(HOSTS) };
  wanted.set(name, spec);
  return async ({ client }) => {
    const there: AnyObject = await client.get(app(name));
    if (there?.metadata.deletionTimestamp === undefined) {
      await client.put(webApp(name, spec));
    } else {
      // It is on its way out, and its controller may be away: people look for it to be gone, and leave a new one for later.
      wanted.delete(name);
    }
  };
};

const scale: Maker = (random, { wanted }) => {
  if (wanted.size === 0) {
    return async () => {};
  }
  const [name, before] = random.pick([...wanted]);
  const replicas = 1 + random.below(5);
  wanted.set(name, { ...before, replicas });
  return ({ client }) => client.patch(app(name), { spec: { replicas } });
};

const remove: Maker = (random, { wanted }) => {
  const name = random.pick(NAMES);
  wanted.delete(name);
  return ({ client }) => client.delete(app(name));
};

const removeChild: Maker = (random) => {
  const child = { ...random.pick(CHILDREN), namespace: "shop", name: random.pick(NAMES) };
  return ({ client }) => client.delete(child);
};

const editChild: Maker = (random) => {
  const name = random.pick(NAMES);
  const [which, patch] = random.pick([
    [CHILDREN[0], { spec: { replicas: 40 + random.below(10) } }],
    [CHILDREN[1], { spec: { ports: [{ name: "http", port: 80, targetPort: 9000 + random.below(9) }] } }],
    [CHILDREN[2], { spec: { rules: [{ host: "wrong.example.org" }] } }],
    [CHILDREN[0], { metadata: { labels: { "app.kubernetes.io/name": null } } }],
  ] as const);
  return async ({ client }) => {
    if ((await client.get({ ...which, namespace: "shop", name })) !== undefined) {
      await client.patch({ ...which, namespace: "shop", name }, patch).catch(() => {});
    }
  };
};

const ACTIONS: readonly Maker[] = [write, write, write, scale, scale, remove, removeChild, editChild, editChild];
