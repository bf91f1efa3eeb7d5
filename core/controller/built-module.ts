import { existsSync } from "node:fs";
import { FairleadError } from "../errors.ts";

/**
 * The module that a plugin means: a published plugin has been built, and what it names as `./sum.ts` is `./sum.js` beside it.
 * A file that is there is taken as it is. Throws `code` for what is no URL.
 */
export function builtModule(module: URL, code: "TASK_BAD_MODULE" | "THREAD_BAD_MODULE"): URL {
  if (!(module instanceof URL)) {
    throw new FairleadError(
      code,
      `a module is named by a URL, not by ${JSON.stringify(module)}; write new URL("./sum.ts", import.meta.url)`,
    );
  }
  if (module.protocol !== "file:" || !/\.m?ts$/.test(module.pathname) || existsSync(module)) {
    return module;
  }
  const built = new URL(module);
  built.pathname = module.pathname.replace(/ts$/, "js");
  return existsSync(built) ? built : module;
}
