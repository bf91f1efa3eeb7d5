import { createController } from "../../core/index.ts";
import {
  cronJobs,
  daemonSets,
  deployments,
  jobs,
  pods,
  replicaSets,
  services,
  statefulSets,
} from "../../core/kinds/index.ts";

const META = ["labels", "owners"] as const;

// The fields that the peers keep, no more and no less; name, namespace, uid, version and times are in every row.
const KINDS = [
  // The peers have no field selector, so ended pods are followed here too.
  pods
    .where({ fieldSelector: "" })
    .select(...META, "phase", "podIP", "podIPs", "hostIP", "nodeName", "ready", "containers.name", "containers.image"),
  services.select(...META, "clusterIP", "clusterIPs", "type", "ports", "selector"),
  deployments.select(...META, "desiredReplicas", "replicas", "readyReplicas"),
  replicaSets.select(...META, "desiredReplicas", "replicas", "readyReplicas"),
  statefulSets.select(...META, "desiredReplicas", "replicas", "readyReplicas"),
  daemonSets.select(...META, "desiredNumberScheduled", "numberReady"),
  jobs.select(...META, "active", "succeeded", "failed"),
  cronJobs.select(...META, "schedule", "suspended"),
] as const;

type State = "synced" | "mark" | "end";

/** What test/bench/core.ts reads, one JSON object a line: the same lines as the peers write. */
async function main(): Promise<void> {
  const mode = process.argv[2] === "inline" ? "inline" : "thread";
  const { KUBECONFIG: kubeconfig, BENCH_SPAWNED_AT_MS: spawnedAt } = process.env;
  const controller = createController({ cluster: { kubeconfig }, kinds: KINDS, ingest: mode });
  // The peers have a handler on every kind that counts; so has this.
  let changes = 0;
  for (const kind of KINDS) {
    controller.on(kind, (batch) => {
      for (const _ of batch) {
        changes++;
      }
    });
  }
  await controller.start();
  // client-go says "synced" when its handlers have seen all objects; so does this.
  while (changes < objectsOf(KINDS.map((kind) => controller.store.status(kind.name)))) {
    await new Promise((resolve) => setImmediate(resolve));
  }

  const say = (state: State, more: Readonly<Record<string, number>> = {}): void => {
    const cpu = process.cpuUsage();
    const states = KINDS.map((kind) => controller.store.status(kind.name));
    const objects = objectsOf(states);
    const events = states.reduce((sum, status) => sum + status.events, 0);
    console.log(JSON.stringify({ state, ...more, objects, events, changes, cpu_ms: (cpu.user + cpu.system) / 1000 }));
  };
  // Before the first line: who reads it may send a signal at once, and an unhandled SIGUSR1 would start Node's inspector.
  process.on("SIGUSR1", () => say("mark"));
  process.once("SIGTERM", async () => {
    say("end");
    await controller.stop();
  });
  const nowMs = performance.timeOrigin + performance.now();
  say("synced", { synced_ms: spawnedAt === undefined ? performance.now() : nowMs - Number(spawnedAt) });
}

function objectsOf(states: readonly { readonly objects: number }[]): number {
  return states.reduce((sum, status) => sum + status.objects, 0);
}

await main();
