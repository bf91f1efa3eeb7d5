import { z } from "zod";
import { deployments, services } from "../../core/kinds/index.ts";
import { apply, condition, controller, defineResource } from "../../core/reconcile/index.ts";

/** The same fields as the one of the peer. */
const WebApp = defineResource({
  group: "bench.example.org",
  version: "v1",
  kind: "WebApp",
  plural: "webapps",
  spec: z.strictObject({ image: z.string(), replicas: z.int(), port: z.int() }),
  status: z.object({ readyReplicas: z.int().optional() }),
});

type App = NonNullable<(typeof WebApp)["objectType"]>;

/** Counts what is done for a key. */
interface Counting {
  around<T>(key: string, work: () => Promise<T> | T): Promise<T>;
}

/** Keeps a Deployment and a Service for every WebApp, as the peer does. */
export function webapp(tally: Counting, workers: number) {
  return controller("webapp")
    .for(WebApp)
    .owns(deployments, { fields: ["readyReplicas"] })
    .owns(services)
    .concurrency(workers)
    .reconcile((app, { kube }) =>
      tally.around(app.key, async () => {
        await kube.apply(apply.owned(app, deploymentFor(app)), apply.owned(app, serviceFor(app)));
        const ready = kube.cached(deployments, app.key)?.status.readyReplicas ?? 0;
        const available = condition("Available", ready > 0, ready > 0 ? "ReplicasReady" : "NoReplicas");
        return {
          status: { readyReplicas: ready, observedGeneration: app.metadata.generation, conditions: [available] },
        };
      }),
    );
}

function deploymentFor(app: App) {
  const { name, namespace } = app.metadata;
  const { image, replicas, port } = app.spec;
  const labels = { "app.kubernetes.io/name": name };
  const container = { name: "app", image, ports: [{ name: "http", containerPort: port }] };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
}

function serviceFor(app: App) {
  const { name, namespace } = app.metadata;
  const labels = { "app.kubernetes.io/name": name };
  const ports = [{ name: "http", port: 80, targetPort: "http" }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels },
    spec: { selector: labels, ports },
  };
}
