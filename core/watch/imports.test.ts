import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Everything that a module loads when it is imported: files, and names of packages and built-in modules. */
async function loadedBy(entry: URL, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(entry.href)) {
    return found;
  }
  found.add(entry.href);
  const source = await readFile(fileURLToPath(entry), "utf8");
  for (const [, name] of source.matchAll(/^(?:import|export)(?!\s+type\b)\s+(?:[\w*{}\s,$]+?\sfrom\s+)?"([^"]+)";/gm)) {
    if (name.startsWith(".")) {
      await loadedBy(new URL(name, entry), found);
    } else {
      found.add(name);
    }
  }
  return found;
}

test("the ingest thread loads no package, and of ours only what reads, decodes and writes", async () => {
  const root = new URL("../../", import.meta.url).href;
  const found = [...(await loadedBy(new URL("./ingest-thread.ts", import.meta.url)))];
  const packages = found.filter((name) => !name.startsWith("file:") && !name.startsWith("node:"));
  assert.deepEqual(packages, []);
  const folders = new Set(
    found.filter((name) => name.startsWith(root)).map((name) => name.slice(root.length).split("/", 2).join("/")),
  );
  const allowed = ["core/errors.ts", "core/log.ts", "core/kinds", "core/kube", "core/store", "core/watch", "core/wire"];
  assert.deepEqual(
    [...folders].filter((folder) => !allowed.includes(folder) && !folder.startsWith("sandbox/")),
    [],
  );
  assert.ok(
    found.some((name) => name.endsWith("/wire/decoder.ts")),
    "the walk finds nothing",
  );
  assert.ok(!found.some((name) => /test-support|kinds\/(index|kind|field|built-in)\.ts$/.test(name)));
});

test("the walk sees a package where there is one", async () => {
  const found = await loadedBy(new URL("./machine-property.test.ts", import.meta.url));
  assert.ok(found.has("fast-check"));
});
