import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PodFeed } from "./loop-feed.ts";
import { type FromServer, monotonicMs, type ToServer } from "./loop-messages.ts";
import type { PodSize } from "./loop-pods.ts";

class LoopServer {
  #feed: PodFeed | undefined;
  #folder = "";

  async load(pods: number, size: PodSize, podsPerSecond?: number): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), "fairlead-bench-"));
    this.#feed = await PodFeed.start(pods, size, podsPerSecond);
    const kubeconfig = join(this.#folder, "kubeconfig.yaml");
    await writeFile(kubeconfig, this.#feed.kubeconfig, { mode: 0o600 });
    say({ kind: "loaded", kubeconfig });
  }

  /** One update a millisecond at 1,000 a second, made up for when a timer comes late. */
  async churn(ratePerSecond: number, forMs: number): Promise<void> {
    const versions: string[] = [];
    const sentAtMs: number[] = [];
    const startedAtMs = monotonicMs();
    const wanted = Math.round((ratePerSecond * forMs) / 1000);
    while (versions.length < wanted) {
      const due = Math.min(wanted, Math.floor(((monotonicMs() - startedAtMs) * ratePerSecond) / 1000));
      while (versions.length < due) {
        sentAtMs.push(monotonicMs());
        versions.push(this.#feed?.update() ?? "");
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    say({ kind: "churned", versions, sentAtMs, madeRate: versions.length / ((monotonicMs() - startedAtMs) / 1000) });
  }

  async stop(): Promise<void> {
    await this.#feed?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function say(message: FromServer): void {
  process.send?.(message);
}

const server = new LoopServer();
// Only loop.ts talks on this channel, in these types.
process.on("message", async (message: ToServer) => {
  switch (message.kind) {
    case "load":
      await server.load(message.pods, message.size, message.podsPerSecond);
      return;
    case "churn":
      await server.churn(message.ratePerSecond, message.forMs);
      return;
    case "stop":
      await server.stop();
      process.disconnect?.();
  }
});
