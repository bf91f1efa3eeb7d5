import { z } from "zod";
import { createController } from "../../core/index.ts";
import { configMaps, deployments, services } from "../../core/kinds/index.ts";
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

const WORKERS = 10;
const LOOK_MS = 5;

/** Counts reconciles, and the objects that were reconciled without an error. */
class Tally {
  readonly seen = new Set<string>();
  count = 0;
  running = 0;
  lastAtMs = 0;

  async around<T>(key: string, work: () => Promise<T> | T): Promise<T> {
    this.count++;
    this.running++;
    try {
      const result = await work();
      this.seen.add(key);
      return result;
    } finally {
      this.running--;
      this.lastAtMs = performance.timeOrigin + performance.now();
    }
  }

  say(state: "synced" | "mark" | "end", more: Readonly<Record<string, number>> = {}): void {
    const cpu = process.cpuUsage();
    const cpuMs = (cpu.user + cpu.system) / 1000;
    console.log(JSON.stringify({ state, ...more, objects: this.seen.size, events: this.count, cpu_ms: cpuMs }));
  }

  /** Once all objects were seen and nothing has happened for so long. */
  async until(objects: number, quietMs: number): Promise<number> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const nowMs = performance.timeOrigin + performance.now();
      if (this.seen.size >= objects && this.running === 0 && nowMs - this.lastAtMs >= quietMs) {
        return this.lastAtMs;
      }
    }
  }
}

function noop(tally: Tally) {
  return controller("noop")
    .for(configMaps.select("immutable"))
    .concurrency(WORKERS)
    .reconcile((object) => tally.around(object.key, () => undefined));
}

function webapp(tally: Tally) {
  return controller("webapp")
    .for(WebApp)
    .owns(deployments, { fields: ["readyReplicas"] })
    .owns(services)
    .concurrency(WORKERS)
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

/** What test/bench/reconcile.ts reads, one JSON object a line: the same lines as the peer writes. */
async function main(): Promise<void> {
  const { KUBECONFIG, BENCH_SPAWNED_AT_MS = "0", BENCH_JOB, BENCH_NAMESPACE = "default" } = process.env;
  const tally = new Tally();
  const operator = createController({
    cluster: { kubeconfig: KUBECONFIG },
    namespaces: { allow: [BENCH_NAMESPACE] },
    controllers: [BENCH_JOB === "noop" ? noop(tally) : webapp(tally)],
    ingest: process.argv[2] === "inline" ? "inline" : "thread",
  });
  process.on("SIGUSR1", () => tally.say("mark"));
  process.once("SIGTERM", async () => {
    tally.say("end");
    await operator.stop();
    process.exit();
  });
  await operator.start();
  const at = await tally.until(
    Number(process.env.BENCH_OBJECTS),
    Number.parseFloat(process.env.BENCH_QUIET ?? "1") * 1000,
  );
  tally.say("synced", { synced_ms: at - Number(BENCH_SPAWNED_AT_MS) });
}

await main();
