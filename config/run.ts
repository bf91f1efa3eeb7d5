import { createController } from "../core/controller/create-controller.ts";
import { controllerOptions, followOptionsOf } from "./cluster-options.ts";
import type { CommandContext, ParsedOptions } from "./command.ts";
import { findConfig } from "./config-path.ts";
import { follow } from "./follow.ts";

/** `fairlead run`: runs a configuration, or without one follows the cluster of the kubeconfig or the service account. */
export async function run(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const title = "the cluster";
  const path = findConfig(parsed);
  if (path !== undefined) {
    const { runConfigured } = await import("./configured.ts");
    await runConfigured({ path, title }, parsed, context);
    return 0;
  }
  const how = followOptionsOf(parsed, context, title);
  const controller = createController(await controllerOptions(parsed, context));
  await follow(controller, how, context);
  return 0;
}
