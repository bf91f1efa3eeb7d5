import { type Controller, type ControllerOptions, createController } from "fairlead";
import { pods, services } from "fairlead/kinds";
import fastify, { type FastifyInstance } from "fastify";

/** What the service reads. Nothing else is watched, and no other field is kept. */
const kinds = [pods.select("phase", "podIP", "ready", "labels"), services.select("clusterIP", "selector")] as const;

/** A web service and the cluster that it follows. */
export interface ClusterService {
  readonly app: FastifyInstance;
  readonly cluster: Controller<typeof kinds>;
}

/** Options of the service; the cluster defaults to that of the kubeconfig, or of the pod. */
export interface ServiceOptions extends Pick<ControllerOptions, "cluster" | "namespaces" | "ingest"> {
  /** Lines of Fastify and of Fairlead go to the same pino logger. Default: none. */
  readonly logger?: boolean;
}

/** Builds the service. Nothing is opened before `app.listen()` and `cluster.start()`; `app.close()` ends both. */
export function createService({ logger = false, ...options }: ServiceOptions = {}): ClusterService {
  const app = fastify({ logger });
  const cluster = createController({ ...options, kinds, log: app.log });

  app.get<{ Params: { app: string } }>("/apps/:app", async (request) => {
    // All that a callback sees is of one moment; what leaves it is plain data.
    return cluster.store.read((view) => ({
      pods: view.pods.byLabel("app", request.params.app).map((pod) => ({
        name: pod.key,
        phase: pod.status.phase,
        address: pod.status.podIP,
        ready: pod.ready,
      })),
    }));
  });

  app.get<{ Params: { namespace: string; name: string } }>("/services/:namespace/:name", async (request, reply) => {
    const { namespace, name } = request.params;
    const found = cluster.store.read((view) => view.services.get(`${namespace}/${name}`)?.toJSON());
    return found ?? (await reply.code(404).send({ error: `there is no service "${namespace}/${name}"` }));
  });

  app.get("/readyz", async (_request, reply) => {
    const waiting = cluster.store.kinds.filter((kind) => !cluster.store.status(kind).synced);
    return await reply.code(waiting.length === 0 ? 200 : 503).send({ waiting });
  });

  app.addHook("onClose", () => cluster.stop());
  return { app, cluster };
}
