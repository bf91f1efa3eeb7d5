import { createController } from "../../core/index.ts";
import { configMaps } from "../../core/kinds/core.ts";
import { controller } from "../../core/reconcile/index.ts";

const WORKERS = 10;
/** Each look wakes the process up: often enough for the wait for quiet, seldom enough not to be measured itself. */
const LOOK_MS = 100;

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

/** What test/bench/reconcile.ts reads, one JSON object a line: the same lines as the peer writes. */
async function main(): Promise<void> {
  const { KUBECONFIG, BENCH_SPAWNED_AT_MS = "0", BENCH_JOB, BENCH_NAMESPACE = "default" } = process.env;
  const tally = new Tally();
  const operator = createController({
    cluster: { kubeconfig: KUBECONFIG },
    namespaces: { allow: [BENCH_NAMESPACE] },
    // Who defines no resource loads no schemas.
    controllers: [BENCH_JOB === "noop" ? noop(tally) : (await import("./reconcile-webapp.ts")).webapp(tally, WORKERS)],
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
