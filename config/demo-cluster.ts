import { createApiServer } from "../core/testing/api-server.ts";
import { simulate } from "../core/testing/living-cluster.ts";

/** Sent as the process's one argument, as JSON. */
export interface DemoClusterOptions {
  readonly pods: number;
  /** Changes a second. */
  readonly rate: number;
  readonly seed: number;
}

/** Sent to the parent when the cluster can be followed. */
export interface DemoClusterReady {
  readonly kubeconfig: string;
}

const PODS_PER_DEPLOYMENT = 5;
const PODS_PER_NODE = 30;

// Ends with its parent, however that one ends: the channel closes.
process.on("disconnect", () => process.exit(0));
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {}); // ctrl-c reaches the whole group; the parent decides when this one ends
}

// The parent writes this argument itself.
const options = JSON.parse(process.argv[2]) as DemoClusterOptions;
const server = await createApiServer({ seed: options.seed });
await simulate(server, {
  seed: options.seed,
  pods: options.pods,
  nodes: Math.max(3, Math.ceil(options.pods / PODS_PER_NODE)),
  deployments: Math.max(1, Math.ceil(options.pods / PODS_PER_DEPLOYMENT)),
  services: Math.max(1, Math.ceil(options.pods / PODS_PER_DEPLOYMENT)),
  ratePerSecond: options.rate,
});
process.send?.({ kubeconfig: server.kubeconfig() } satisfies DemoClusterReady);
