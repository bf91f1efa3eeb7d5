import { fork } from "node:child_process";
import { once } from "node:events";
import { createController } from "../core/controller/create-controller.ts";
import { FairleadError } from "../core/errors.ts";
import { commonOptions, DEFAULT_KINDS, followOptionsOf, kindsNamed, numberOption } from "./cluster-options.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import type { DemoClusterOptions, DemoClusterReady } from "./demo-cluster.ts";
import { follow } from "./follow.ts";

/**
 * `fairlead demo`: follows a simulated cluster. The cluster is a process of its own, so that the figures shown are
 * those of the controller alone; it ends when this process does, however that happens.
 */
export async function demo(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const title = "a simulated cluster";
  const options: DemoClusterOptions = {
    pods: numberOption(parsed, "pods") ?? 300,
    rate: numberOption(parsed, "rate", 0) ?? 20,
    seed: numberOption(parsed, "seed") ?? 1,
  };
  const extension = import.meta.url.slice(-2);
  const child = fork(new URL(`./demo-cluster.${extension}`, import.meta.url), [JSON.stringify(options)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    const ready = await Promise.race([
      once(child, "message").then(([message]) => message as DemoClusterReady), // demo-cluster.ts sends nothing else
      once(child, "exit").then(([code]) => {
        throw new FairleadError(
          "DEMO_CLUSTER_FAILED",
          `the simulated cluster ended with code ${code} before it was ready`,
        );
      }),
    ]);
    const cluster = { kubeconfig: { text: ready.kubeconfig } };
    const path = textOption(parsed, "config");
    if (path !== undefined) {
      const { runConfigured } = await import("./configured.ts");
      await runConfigured({ path, title, cluster }, parsed, context);
      return 0;
    }
    const controller = createController({
      cluster,
      kinds: await kindsNamed([...DEFAULT_KINDS, "nodes", "endpointslices"]),
      ...commonOptions(parsed, context),
    });
    await follow(controller, followOptionsOf(parsed, context, title), context);
  } finally {
    child.kill("SIGKILL");
  }
  return 0;
}
