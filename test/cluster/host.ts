import { messageOf } from "../../core/errors.ts";
import { type ClusterOptions, startCluster } from "./cluster.ts";
import { forgetRunning, writeRunning } from "./running.ts";

// A process that holds a cluster after the command that asked for it has ended. It tells its parent over the channel how
// far it is, then lets go of it; SIGTERM ends it and the cluster.

/** What the host tells the command that started it. */
export type HostNotice =
  | { readonly kind: "progress"; readonly line: string }
  | { readonly kind: "up" }
  | { readonly kind: "failed"; readonly message: string };

function tell(notice: HostNotice): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) {
      process.send?.(notice, undefined, undefined, () => resolve());
    } else {
      resolve();
    }
  });
}

async function host(name: string, options: ClusterOptions): Promise<void> {
  let asked = false;
  let onAsked: () => void = () => {};
  const end = new Promise<void>((resolve) => {
    onAsked = resolve;
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      asked = true;
      onAsked();
    });
  }
  const giveUp = (): void => process.exit(1);
  // The command was interrupted before the cluster was up: nobody waits for it any more.
  process.once("disconnect", giveUp);
  const cluster = await startCluster({ ...options, progress: (line) => void tell({ kind: "progress", line }) });
  if (!asked) {
    await writeRunning({
      name,
      hostPid: process.pid,
      url: cluster.url,
      kubeconfigPath: cluster.kubeconfigPath,
      folder: cluster.folder,
      caPem: cluster.caPem,
      admin: cluster.admin,
      etcdPort: cluster.etcdPort,
      components: cluster.components,
      hasRealNode: cluster.realNode !== undefined,
      startedAt: new Date().toISOString(),
    });
    process.off("disconnect", giveUp);
    await tell({ kind: "up" });
    if (process.connected) {
      process.disconnect?.();
    }
    await end;
  }
  await forgetRunning(name);
  await cluster.stop();
}

const [name, options] = process.argv.slice(2);
try {
  await host(name, JSON.parse(options));
} catch (error) {
  await tell({ kind: "failed", message: messageOf(error) });
  process.exit(1); // The channel, which both sides listen on, would keep both alive.
}
