import { createController } from "../core/controller/create-controller.ts";
import { controllerOptions, followOptionsOf } from "./cluster-options.ts";
import type { CommandContext, ParsedOptions } from "./command.ts";
import { follow } from "./follow.ts";

/** `fairlead run`: follows the cluster of the kubeconfig or the service account. */
export async function run(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const how = followOptionsOf(parsed, context, "the cluster");
  const controller = createController(await controllerOptions(parsed, context));
  await follow(controller, how, context);
  return 0;
}
