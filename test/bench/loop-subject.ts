import { monitorEventLoopDelay } from "node:perf_hooks";
import { createController } from "../../core/index.ts";
import { pods } from "../../core/kinds/index.ts";
import { type FromSubject, type LoopDelay, monotonicMs, type ToSubject } from "./loop-messages.ts";

const RESOLUTION_MS = 1;

// What an embedder would ask for: identity, labels, owners, where a pod runs and how it is.
const followed = pods.select(
  "phase",
  "podIP",
  "hostIP",
  "nodeName",
  "ready",
  "labels",
  "owners",
  "containers.name",
  "containers.image",
);

interface Following {
  readonly objects: number;
  stop(): Promise<void>;
}

class Subject {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #versions: string[] = [];
  #seenAtMs: number[] = [];
  #following: Following | undefined;

  async start(kubeconfig: string, mode: "thread" | "inline" | "none"): Promise<void> {
    this.#delay.enable();
    const startedAtMs = monotonicMs();
    if (mode !== "none") {
      this.#following = await this.#follow(kubeconfig, mode);
    }
    say({
      kind: "synced",
      tookMs: monotonicMs() - startedAtMs,
      objects: this.#following?.objects ?? 0,
      delay: this.#delaySoFar(),
    });
  }

  reset(): void {
    this.#delay.reset();
    this.#versions = [];
    this.#seenAtMs = [];
  }

  report(): void {
    const cpu = process.cpuUsage();
    say({
      kind: "report",
      delay: this.#delaySoFar(),
      cpuMs: (cpu.user + cpu.system) / 1000,
      versions: this.#versions,
      seenAtMs: this.#seenAtMs,
    });
  }

  async stop(): Promise<void> {
    this.#delay.disable();
    await this.#following?.stop();
  }

  async #follow(kubeconfig: string, mode: "thread" | "inline"): Promise<Following> {
    const controller = createController({ cluster: { kubeconfig }, kinds: [followed], ingest: mode });
    controller.on(followed, (batch) => {
      const nowMs = monotonicMs();
      for (const change of batch) {
        if (change.op === "updated" || change.op === "resync") {
          this.#versions.push(change.new.metadata.resourceVersion);
          this.#seenAtMs.push(nowMs);
        }
      }
    });
    await controller.start();
    return { objects: controller.store.read((view) => view.pods.size), stop: () => controller.stop() };
  }

  #delaySoFar(): LoopDelay {
    const above = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    const none = this.#delay.count === 0;
    return {
      p50Ms: none ? 0 : above(this.#delay.percentile(50)),
      p99Ms: none ? 0 : above(this.#delay.percentile(99)),
      maxMs: none ? 0 : above(this.#delay.max),
    };
  }
}

function say(message: FromSubject): void {
  process.send?.(message);
}

const subject = new Subject();
// Only loop.ts talks on this channel, in these types.
process.on("message", async (message: ToSubject) => {
  switch (message.kind) {
    case "start":
      await subject.start(message.kubeconfig, message.mode);
      return;
    case "reset":
      subject.reset();
      return;
    case "report":
      subject.report();
      return;
    case "stop":
      await subject.stop();
      process.disconnect?.();
  }
});
