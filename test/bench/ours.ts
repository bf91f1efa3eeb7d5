import { createController } from "../../core/index.ts";
import {
  cronjobs,
  daemonsets,
  deployments,
  jobs,
  pods,
  replicasets,
  services,
  statefulsets,
} from "../../core/kinds/index.ts";

// The fields that the peers keep, no more and no less; name, namespace, uid, version and deletion are in every row.
const KINDS = [
  // The peers have no field selector, so ended pods are followed here too.
  pods
    .where({ fieldSelector: "" })
    .select("labels", "owners", "phase", "podIP", "hostIP", "nodeName", "ready", "containers"),
  services.select("labels", "owners", "clusterIP", "clusterIPs", "type", "ports", "selector"),
  deployments.select("labels", "owners", "replicas", "readyReplicas"),
  replicasets.select("labels", "owners", "replicas", "readyReplicas"),
  statefulsets.select("labels", "owners", "replicas", "readyReplicas"),
  daemonsets.select("labels", "owners", "desired", "ready"),
  jobs.select("labels", "owners", "active", "succeeded", "failed"),
  cronjobs.select("labels", "owners", "schedule", "suspend"),
] as const;

type State = "synced" | "mark" | "end";

/** What test/bench/core.ts reads, one JSON object a line: the same lines as the peers write. */
async function main(): Promise<void> {
  const mode = process.argv[2] === "inline" ? "inline" : "thread";
  const { KUBECONFIG: kubeconfig, BENCH_SPAWNED_AT_MS: spawnedAt } = process.env;
  const controller = await createController({ cluster: { kubeconfig }, kinds: KINDS, ingest: mode });
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

  const say = (state: State, more: Readonly<Record<string, number>> = {}): void => {
    const cpu = process.cpuUsage();
    let objects = 0;
    let events = 0;
    for (const kind of KINDS) {
      const status = controller.store.status(kind.name);
      objects += status.objects;
      events += status.events;
    }
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

await main();
