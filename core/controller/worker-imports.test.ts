import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

/** Modules that an entry loads before it finds that it is not in a thread. */
async function loadedBy(entry: string): Promise<string[]> {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    await import(${JSON.stringify(new URL(entry, import.meta.url).href)}).catch(() => {});
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  return JSON.parse(stdout);
}

for (const entry of ["./worker-plugin-thread.ts", "./plugin-thread-entry.ts"]) {
  test(`${entry} loads no package, and nothing that belongs to the main thread`, async () => {
    const loaded = await loadedBy(entry);
    assert.ok(
      loaded.some((url) => url.endsWith("/store/narrow-reader.ts")),
      "the entry was not loaded",
    );
    const main = /node_modules|plugin-host|create-controller|worker-runner|core\/(hooks|watch\/engine|kube)|supervisor/;
    assert.deepEqual(
      loaded.filter((url) => main.test(url)),
      [],
    );
  });
}

test("a thread that a plugin starts loads neither what writes a store, nor the reconcile runtime, nor node:crypto", async () => {
  const loaded = await loadedBy("./plugin-thread-entry.ts");
  assert.ok(
    loaded.some((url) => url.endsWith("/store/attach-reader.ts")),
    "the entry was not loaded",
  );
  assert.deepEqual(
    loaded.filter((url) => /core\/reconcile|store-writer|allocator|node:crypto/.test(url)),
    [],
  );
});
