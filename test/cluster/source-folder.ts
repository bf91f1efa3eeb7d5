import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of these sources in the checkout, whether this file runs from there or was compiled into dist/. */
export function sourceFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.replace(/([\\/])dist[\\/]test[\\/]cluster$/, "$1test$1cluster");
}

/** Path of a module of this folder that is started as a program of its own: the source, or what was compiled from it. */
export function programModule(name: string): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return join(dirname(fileURLToPath(import.meta.url)), name + extension);
}
