import { createController } from "../../core/index.ts";
import { recordingLog } from "../cluster/following.ts";
import type { ConfigName } from "./cases.ts";
import { askUntil, type DnsAddress } from "./client.ts";
import { pluginOptions, type SetUp } from "./configs.ts";
import { decodeMessage } from "./message.ts";

/** Our plugin, running on a controller of its own in this process. */
export type Ours = DnsAddress & AsyncDisposable;

/** How it is started. */
export interface OursOptions {
  readonly port: number;
  /** Text of a kubeconfig. */
  readonly kubeconfig: string;
  /** As YAML would have them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** False: the cluster cannot be reached, and only the sockets are waited for. Default true. */
  readonly reachable?: boolean;
}

/** Source, or what was compiled of it: as this file is. */
const PLUGIN = new URL(`../../plugins/dns/index${import.meta.url.slice(-3)}`, import.meta.url);
const SYNC_LIMIT_MS = 30_000;

/** Starts it and waits until it answers: from the complete zone, where the cluster can be reached. */
export async function startOurs({ port, kubeconfig, options, reachable = true }: OursOptions): Promise<Ours> {
  const log = recordingLog();
  const controller = createController({
    log,
    cluster: { kubeconfig: { text: kubeconfig } },
    plugins: [{ use: PLUGIN, options }],
    startTimeoutMs: 0,
  });
  const server = { address: "127.0.0.1", port };
  const stop = async (): Promise<void> => {
    await controller.stop();
  };
  const started = controller.start();
  try {
    const isReady = (reply: Uint8Array): boolean => !reachable || decodeMessage(reply).rcode !== "SERVFAIL";
    const answers = askUntil(
      server,
      { name: "kubernetes.default.svc.cluster.local", type: "A" },
      isReady,
      SYNC_LIMIT_MS,
    );
    await Promise.race([answers, started.then(() => answers)]);
  } catch (cause) {
    const health = await controller.health();
    await stop();
    const said = [
      ...log.lines.slice(-20),
      ...health.checks.filter(({ ok }) => !ok).map((check) => JSON.stringify(check)),
    ];
    throw new Error(`the plugin did not become ready; the controller said:\n${said.join("\n")}`, { cause });
  }
  started.catch(() => undefined); // Stopped before it was ready: that is what the set-up without a cluster is for.
  return { ...server, [Symbol.asyncDispose]: stop };
}

/** The same for one of the set-ups of the cases. */
export function startSetUp(cfg: ConfigName, port: number, kubeconfig: string, setUp: SetUp): Promise<Ours> {
  return startOurs({ port, kubeconfig, options: pluginOptions(cfg, port, setUp), reachable: cfg !== "N" });
}
