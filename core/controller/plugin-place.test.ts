import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { harness, pod } from "../testing/index.ts";

const FAILING = `export default {
  name: "failing", apiVersion: "fairlead/v1", needs: { pods: ["phase"] },
  setup({ hooks }) {
    hooks.changes("pods").tap(() => { undefined.phase; });
    hooks.synced.tap(() => { undefined.synced; });
  },
};`;

async function moduleWith(
  t: { after(end: () => Promise<void>): void },
  text: string,
  packageType = "module",
): Promise<{ readonly path: string; readonly url: URL }> {
  const folder = await mkdtemp(join(tmpdir(), "plugin-place-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: packageType }));
  const path = join(folder, "index.js");
  await writeFile(path, text);
  return { path, url: pathToFileURL(path) };
}

for (const isolation of ["inline", "worker"] as const) {
  test(`${isolation}: what a plugin throws is logged with its file and line`, async (t) => {
    const { path, url } = await moduleWith(t, FAILING);
    await using h = await harness(url, { isolation, objects: [pod("shop/cart")] });
    const told = h.logs().filter(({ fields }) => "at" in fields);
    assert.deepEqual(
      told.map(({ message, fields: { where, hook, at } }) => [message, where ?? hook, String(at).replace(/\d+$/, "")]),
      [
        ["plugin failed", "changes:pods", `${path}:4:`],
        ["a tap failed", "synced", `${path}:5:`],
      ],
    );
  });

  test(`${isolation}: a set-up that throws tells where`, async (t) => {
    const { path, url } = await moduleWith(
      t,
      'export default {\n  name: "failing", apiVersion: "fairlead/v1",\n  setup(context) { context.nothing.at(); },\n};',
    );
    await assert.rejects(harness(url, { isolation }), (error: { code: string; facts: { at: string } }) => {
      assert.deepEqual([error.code, error.facts.at.replace(/\d+$/, "")], ["PLUGIN_SETUP_FAILED", `${path}:3:`]);
      return true;
    });
  });
}

test("a module that cannot be read tells its line, or what makes an ES module of it", async (t) => {
  const broken = await moduleWith(t, "export default {\n  name apiVersion\n};");
  await assert.rejects(harness(broken.url), {
    code: "PLUGIN_LOAD_FAILED",
    message: `${broken.url.href} cannot be loaded: Unexpected identifier 'apiVersion'; node --check ${broken.path} shows where`,
  });
  await writeFile(`${broken.path}.ts`, "const name: string = '';\nexport default {\n  name apiVersion\n};");
  await assert.rejects(harness(new URL(`${broken.url.href}.ts`)), {
    code: "PLUGIN_LOAD_FAILED",
    message: new RegExp(`Unexpected token .* at ${broken.path}.ts:3$`, "s"),
  });
  const common = await moduleWith(t, "export default {};", "commonjs");
  await assert.rejects(harness(common.url), {
    code: "PLUGIN_LOAD_FAILED",
    message: `${common.url.href} cannot be loaded: Unexpected token 'export'; write "type": "module" into the package.json above it, or name it .mjs or .mts`,
  });
});
