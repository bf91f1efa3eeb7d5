import type { Logger, ObjectReference, PluginHooks } from "../../core/api/index.ts";

/**
 * Asks the taps of `workloadRoot` who owns an object of a kind that is not watched. They answer at once, on the main thread:
 * in a thread of its own the plugin follows the kinds that it watches, and says so.
 */
export function ownersAbove(
  hook: PluginHooks<unknown>["workloadRoot"],
  log: Logger,
): (object: ObjectReference) => ObjectReference | undefined {
  let isHere = true;
  return ({ apiVersion, kind, namespace, name, uid }) => {
    if (!isHere) {
      return undefined;
    }
    try {
      return hook.ask({ apiVersion, kind, namespace, name, uid });
    } catch (error) {
      isHere = false;
      log.info(
        { detail: error instanceof Error ? error.message : String(error) },
        "custom owners are not followed to what owns them",
      );
      return undefined;
    }
  };
}
