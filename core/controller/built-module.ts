import { existsSync } from "node:fs";

/**
 * The module that a plugin means: a published plugin has been built, and what it names as `./sum.ts` is `./sum.js` beside it.
 * A file that is there is taken as it is.
 */
export function builtModule(module: URL): URL {
  if (module.protocol !== "file:" || !/\.m?ts$/.test(module.pathname) || existsSync(module)) {
    return module;
  }
  const built = new URL(module);
  built.pathname = module.pathname.replace(/ts$/, "js");
  return existsSync(built) ? built : module;
}
