import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseDocument } from "yaml";
import { z } from "zod";
import { readConfig } from "../../config/file/load.ts";
import { FOLDER, foundIn } from "./cases.ts";

const ROOT = new URL("../../", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "fairlead-docs-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What an editor does with schema.json. */
const editor = z.fromJSONSchema(JSON.parse(readFileSync(new URL("schema.json", ROOT), "utf8")));

function editorAccepts(path: string): boolean {
  const text = readFileSync(new URL(path, FOLDER), "utf8").replace(/^\uFEFF/, "");
  return editor.safeParse(parseDocument(text, { merge: true }).toJS()).success;
}

test("schema.json accepts every good file", () => {
  const good = readdirSync(new URL("good/", FOLDER)).filter((name) => name.endsWith(".yaml"));
  assert.deepEqual(
    good.filter((name) => !editorAccepts(`good/${name}`)),
    [],
  );
});

test("schema.json refuses what an editor can know", () => {
  const names = [
    "missing-api-version",
    "wrong-api-version",
    "unknown-key",
    "null-section",
    "section-as-list",
    "plugin-as-text",
    "plugin-without-use",
    "plugin-unknown-isolation",
    "plugin-required-is-text",
    "kind-bad-keep",
    "kind-false",
    "log-level",
    "namespaces-bad-glob",
    "status-port",
    "status-tls-without-key",
    "ingest-unknown",
    "dry-run-text",
  ];
  assert.deepEqual(
    names.filter((name) => editorAccepts(`bad/${name}.yaml`)),
    [],
  );
});

test("every YAML block of the page on fairlead.yaml is a configuration", async () => {
  const page = readFileSync(new URL("docs/reference/config.md", ROOT), "utf8");
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, block]) => block);
  assert.ok(blocks.length >= 2);
  for (const [i, block] of blocks.entries()) {
    writeFileSync(join(folder, `${i}.yaml`), block);
    const read = await readConfig(`${i}.yaml`, { workingFolder: folder, variables: {}, load: "all" });
    assert.deepEqual(foundIn(read), []);
  }
});
