import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fakeCluster } from "../../core/testing/index.ts";
import { webapps } from "../../docs/examples/webapp/webapp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLE = join(ROOT, "docs/examples/webapp");
const folder = mkdtempSync(join(tmpdir(), "fairlead-webapp-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("every block of code of the guide is a part of the example", () => {
  const page = readFileSync(join(ROOT, "docs/guide/write-a-controller.md"), "utf8");
  const blocks = [...page.matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)];
  assert.equal(
    blocks.length,
    [...page.matchAll(/^```ts$/gm)].length,
    "a block does not begin with the name of its file",
  );
  assert.ok(blocks.length >= 8, `${blocks.length} blocks`);
  for (const [, file, code] of blocks) {
    const source = readFileSync(join(EXAMPLE, file), "utf8");
    assert.ok(source.includes(code.trimEnd()), `not in ${file}:\n${code}`);
  }
});

/** Runs the tool of a package in the folder of the example. */
function run(args: readonly string[]): string {
  const { NODE_TEST_CONTEXT, NODE_OPTIONS, ...env } = process.env;
  try {
    return execFileSync(process.execPath, [...args], { cwd: folder, encoding: "utf8", env, stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string }; // as execFileSync throws
    throw new Error(`node ${args.join(" ")} failed:\n${stdout}\n${stderr}`);
  }
}

test("as a package of its own the example compiles, its tests pass, and its definition is printed", {
  timeout: 170_000,
}, () => {
  cpSync(EXAMPLE, folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "name": "webapp-operator", "private": true, "type": "module" }');
  mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
  symlinkSync(ROOT, join(folder, "node_modules/fairlead"));
  for (const name of ["zod", "@types/node", "undici-types"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  }
  const strict = ["--strict", "--noEmit", "--skipLibCheck", "--allowImportingTsExtensions", "--module", "nodenext"];
  const target = ["--target", "es2024", "--lib", "es2024,esnext.disposable", "--types", "node"];
  run([join(ROOT, "node_modules/typescript/bin/tsc"), ...strict, ...target, "main.ts", "webapp.test.ts"]);
  assert.match(run(["--test", "--test-reporter=tap"]), /^# fail 0$/m);
  const crd = run([join(ROOT, "dist/config/bin.js"), "crd", "resource.ts", "--output", "json"]);
  assert.match(crd, /"webapps\.apps\.example\.org"/);
});

test("every metric of the dashboard exists", async () => {
  const text = readFileSync(join(ROOT, "docs/reference/dashboards/controllers.json"), "utf8");
  const board: unknown = JSON.parse(text);
  const expressions = [...JSON.stringify(board).matchAll(/"(?:expr|query)":"((?:[^"\\]|\\.)*)"/g)].map(
    ([, one]) => one,
  );
  // What stands before a selector, or is asked of label_values.
  const used = new Set(
    expressions
      .flatMap((one) => [...one.matchAll(/([a-z_:]+)(?:\{|, )/g)].map(([, name]) => name))
      .filter((name) => name.includes("_")),
  );
  assert.ok(used.size >= 15, `only ${[...used].join(", ")}`);
  const objects = [{ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } }];
  await using cluster = await fakeCluster({ controllers: [webapps()], objects });
  const told = await cluster.controller.metrics();
  const known = new Set(
    [...told.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
      type === "histogram" ? [`${name}_bucket`] : [name],
    ),
  );
  // Told only where somebody is elected; the page is generated from the program.
  const page = readFileSync(join(ROOT, "docs/reference/metrics.md"), "utf8");
  assert.deepEqual(
    [...used].filter(
      (name) => !known.has(name) && !(name.startsWith("leader_election_") && page.includes(`\`${name}\``)),
    ),
    [],
  );
});
