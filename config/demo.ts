import { fork } from "node:child_process";
import { once } from "node:events";
import { createController } from "../core/controller/create-controller.ts";
import { FairleadError } from "../core/errors.ts";
import { commonOptions, DEFAULT_KINDS, followOptionsOf, kindsNamed, numberOption } from "./cluster-options.ts";
import type { CommandContext, ParsedOptions } from "./command.ts";
import type { DemoClusterOptions, DemoClusterReady } from "./demo-cluster.ts";
import { follow } from "./follow.ts";

/**
 * `fairlead demo`: follows a simulated cluster. The cluster is a process of its own, so that the figures shown are
 * those of the controller alone; it ends when this process does, however that happens.
 */
export async function demo(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const how = followOptionsOf(parsed, context, "a simulated cluster");
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
    const controller = createController({
      cluster: { kubeconfig: { text: ready.kubeconfig } },
      kinds: await kindsNamed([...DEFAULT_KINDS, "nodes", "endpointslices"]),
      ...commonOptions(parsed, context),
    });
    await follow(controller, how, context);
  } finally {
    child.kill("SIGKILL");
  }
  return 0;
}
