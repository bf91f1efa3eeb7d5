import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiServer, createApiServer } from "../../core/testing/index.ts";
import { type FromServer, monotonicMs, type ToServer } from "./loop-messages.ts";
import { benchNamespaces, benchPod, type PodSize } from "./loop-pods.ts";

const TURN_EVERY = 500;

class LoopServer {
  #server: ApiServer | undefined;
  #folder = "";
  #pods = 0;
  #size: PodSize = "full";
  #round = 0;
  #next = 0;

  async load(pods: number, size: PodSize): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), "fairlead-bench-"));
    const server = await createApiServer({});
    this.#server = server;
    this.#pods = pods;
    this.#size = size;
    for (const name of benchNamespaces()) {
      server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    for (let at = 0; at < pods; at++) {
      server.objects.apply(benchPod(at, size));
      if (at % TURN_EVERY === 0) {
        await nextTurn();
      }
    }
    const kubeconfig = join(this.#folder, "kubeconfig.yaml");
    await writeFile(kubeconfig, server.kubeconfig(), { mode: 0o600 });
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
        const sent = monotonicMs();
        versions.push(this.#update());
        sentAtMs.push(sent);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    say({ kind: "churned", versions, sentAtMs, madeRate: versions.length / ((monotonicMs() - startedAtMs) / 1000) });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #update(): string {
    if (this.#server === undefined) {
      return "";
    }
    if (this.#next === 0) {
      this.#round++;
    }
    const stored = this.#server.objects.apply(benchPod(this.#next, this.#size, this.#round));
    this.#next = (this.#next + 1) % this.#pods;
    return stored.metadata.resourceVersion;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function say(message: FromServer): void {
  process.send?.(message);
}

const server = new LoopServer();
// Only loop.ts talks on this channel, in these types.
process.on("message", async (message: ToServer) => {
  switch (message.kind) {
    case "load":
      await server.load(message.pods, message.size);
      return;
    case "churn":
      await server.churn(message.ratePerSecond, message.forMs);
      return;
    case "stop":
      await server.stop();
      process.disconnect?.();
  }
});
