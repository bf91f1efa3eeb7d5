import { existsSync } from "node:fs";
import { FairleadError } from "../errors.ts";

/**
 * The module of the ingest thread: beside this file, both unbuilt and built; the ending is that of this file. Throws
 * WATCH_NO_THREAD where it is not there, as in a service that was bundled into one file.
 */
export function ingestThreadFile(own = ownUrl()): URL {
  const file = own === "" ? undefined : new URL(`./ingest-thread${own.endsWith(".ts") ? ".ts" : ".js"}`, own);
  if (file === undefined || (file.protocol === "file:" && !existsSync(file))) {
    throw new FairleadError(
      "WATCH_NO_THREAD",
      `the module of the ingest thread is not there (${file?.pathname ?? "no import.meta.url"}); when you bundle, ` +
        'leave "fairlead" out of the bundle (esbuild: --packages=external), or set ingest: "inline"',
    );
  }
  return file;
}

/** Empty where a bundler that writes CommonJS has left `import.meta` empty. */
function ownUrl(): string {
  // Its type does not know of such bundles.
  return (import.meta.url as string | undefined) ?? "";
}

/** What is wrong when the thread cannot be made at all, as without the permission to. */
export function noThread(cause: unknown): FairleadError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new FairleadError(
    "WATCH_NO_THREAD",
    `the ingest thread cannot be made (${detail.replace(/\.+$/, "")}); allow workers to the process (node ` +
      '--allow-worker), or set ingest: "inline"',
    { cause },
  );
}
