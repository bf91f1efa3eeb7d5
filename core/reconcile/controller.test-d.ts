import { z } from "zod";
import { createController } from "../controller/create-controller.ts";
import { deployments, pods, replicaSets, services } from "../kinds/index.ts";
import { apply, condition, controller, defineResource, mapping, predicates, terminal } from "./index.ts";

const WebApp = defineResource({
  group: "apps.example.org",
  version: "v1",
  kind: "WebApp",
  plural: "webapps",
  spec: z.strictObject({ image: z.string(), replicas: z.int().default(1) }),
  status: z.object({ readyReplicas: z.int().default(0) }),
});

// The example of the guide, as its author writes it: no casts.
const webapp = controller("webapp")
  .for(WebApp)
  .owns(deployments, { fields: ["readyReplicas"] })
  .owns(services)
  .reconcile(async (app, { kube }) => {
    await kube.apply(apply.owned(app, { apiVersion: "v1", kind: "Service", metadata: { name: app.metadata.name } }));
    const ready: number = kube.cached(deployments, app.key)?.status.readyReplicas ?? 0;
    return { status: { readyReplicas: ready, conditions: [condition("Available", ready > 0)] } };
  });
void createController({ controllers: [webapp] });

// What an object and a status are follows from the schemas.
controller("typed")
  .for(WebApp)
  .reconcile((app) => {
    const image: string = app.spec.image;
    const replicas: number = app.spec.replicas;
    const ready: number | undefined = app.status?.readyReplicas;
    // @ts-expect-error no such field
    void app.spec.imgae;
    // @ts-expect-error a number
    const text: string = app.spec.replicas;
    void [image, replicas, ready, text];
  });
controller("status")
  .for(WebApp)
  // @ts-expect-error readyReplicas is a number
  .reconcile(async () => ({ status: { readyReplicas: "1" } }));
controller("requeue")
  .for(WebApp)
  // @ts-expect-error a time is a number or a text
  .reconcile(() => ({ requeueAfter: true }));
controller("results")
  .for(WebApp)
  .reconcile(() => ({ requeueAfter: "30s" }));
controller("nothing")
  .for(WebApp)
  .reconcile(() => {});
controller("sometimes")
  .for(WebApp)
  .reconcile(async (app) => (app.spec.replicas > 1 ? { requeueAfter: 5 } : undefined));
controller("terminal")
  .for(WebApp)
  .reconcile(() => {
    throw terminal("never");
  });

// Fields that a kind does not have cannot be asked for.
controller("fields")
  .for(WebApp)
  // @ts-expect-error no such field
  .owns(deployments, { fields: ["readyReplica"] });

// A built-in kind shows the fields that were selected; mappings and predicates see views of their own kind.
controller("pods")
  .for(pods.select("phase", "labels"), { when: ({ new: pod }) => pod?.status.phase !== "Succeeded" })
  .watches(services, (service) => service.spec.selector.app ?? [])
  .watches(pods, mapping.ownerChain(replicaSets, deployments))
  .watches(
    services,
    mapping.byIndex(pods, "podIP", (service) => service.spec.clusterIP),
  )
  .when(predicates.or(predicates.generation(), predicates.labels()))
  .deadline("2m")
  .concurrency(4)
  .runOn("every")
  .deleted(({ key }, { log }) => log.info({ key }, "gone"))
  .reconcile((pod, { store, attempt }) => {
    const phase: string | undefined = pod.status.phase;
    // @ts-expect-error not selected
    void pod.spec.nodeName;
    const count: number = store.read((view) => view.services.size);
    // @ts-expect-error nobody looks at nodes
    void store.read((view) => view.nodes.size);
    void [phase, count, attempt];
  });
controller("numbers")
  .for(WebApp)
  .watches(
    services,
    // @ts-expect-error pods have no such index
    mapping.byIndex(pods, "label", (service) => service.key),
  )
  // @ts-expect-error a mapping gives keys
  .watches(services, () => [1]);
// @ts-expect-error only "leader" and "every"
controller("run-on").for(WebApp).runOn("follower");
// @ts-expect-error a definition is not ended by that
void createController({ controllers: [controller("half").for(WebApp)] });

// A controller of keys is given the request.
controller("keys")
  .keys()
  .watches(pods, (pod) => pod.key)
  .reconcile((request) => {
    const name: string = request.name;
    // @ts-expect-error there is no object
    void request.spec;
    void name;
  });
