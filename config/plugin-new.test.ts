import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newPlugin } from "./plugin-new.ts";

const root = mkdtempSync(join(tmpdir(), "fairlead-plugin-new-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("names the package and the plugin, and leaves nothing of the template's own place", async () => {
  const folder = join(root, "audit");
  const made = await newPlugin("@acme/pod-audit", folder);
  assert.equal(made.packageName, "@acme/fairlead-plugin-pod-audit");
  assert.equal(made.name, "pod-audit");
  assert.deepEqual(readdirSync(folder).sort(), [...made.files].sort());
  const texts = made.files.map((path) => readFileSync(join(folder, path), "utf8")).join("\n");
  assert.doesNotMatch(texts, /\.\.\/\.\.\/|template/);
  assert.match(texts, /name: "pod-audit"/);
  assert.match(texts, /use: "@acme\/fairlead-plugin-pod-audit"/);
  assert.match(texts, /fairlead_pod_audit_reported_total/);
  assert.match(texts, /from "fairlead\/plugin"/);
  const manifest: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const own: { version: string } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  assert.partialDeepStrictEqual(manifest, {
    name: "@acme/fairlead-plugin-pod-audit",
    peerDependencies: { fairlead: `^${own.version}` },
    peerDependenciesMeta: { fairlead: { optional: true } },
  });
});

test("takes a name with or without the prefix", async () => {
  assert.equal((await newPlugin("audit", join(root, "a"))).packageName, "fairlead-plugin-audit");
  assert.equal((await newPlugin("fairlead-plugin-audit", join(root, "b"))).name, "audit");
});

for (const name of ["", "Audit", "pod_audit", "../audit", "@acme", "@acme/", "fairlead-plugin-", "a".repeat(64)]) {
  test(`refuses the name "${name.slice(0, 20)}"`, async () => {
    const folder = join(root, "refused");
    await assert.rejects(newPlugin(name, folder), { code: "CLI_BAD_VALUE" });
    assert.equal(readdirSync(root).includes("refused"), false);
  });
}

test("writes into no folder that has files in it", async () => {
  const folder = mkdtempSync(join(root, "full-"));
  writeFileSync(join(folder, "index.ts"), "mine");
  await assert.rejects(newPlugin("audit", folder), { code: "CLI_FOLDER_NOT_EMPTY" });
  assert.equal(readFileSync(join(folder, "index.ts"), "utf8"), "mine");
});
