import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { codeOf, messageOf } from "../core/errors.ts";
import { builtInPlugins, findPlugin } from "./plugin-source.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-source-"));
const nested = join(folder, "deploy", "prod");
mkdirSync(nested, { recursive: true });
after(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, content: unknown): void {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, typeof content === "string" ? content : JSON.stringify(content));
}

function packageOf(name: string, manifest: object, files: readonly string[]): void {
  put(`node_modules/${name}/package.json`, { name, version: "1.2.3", ...manifest });
  for (const file of files) {
    put(`node_modules/${name}/${file}`, "export default {};\n");
  }
}

/** Where a plugin was found, relative to the test's folder. */
function found(use: string, from = nested): string {
  const { kind, url, version } = findPlugin(use, from);
  return [kind, relative(folder, fileURLToPath(url)), version].filter((part) => part !== undefined).join(" ");
}

function refusal(use: string, from = nested): string {
  try {
    return found(use, from);
  } catch (error) {
    assert.equal(codeOf(error), "CONFIG_UNKNOWN_PLUGIN");
    return messageOf(error);
  }
}

test("built-in plugins are those with a module, without the template", () => {
  const names = builtInPlugins();
  assert.ok(names.includes("inventory"), names.join());
  assert.ok(!names.includes("template"));
  assert.equal(findPlugin("inventory", nested).kind, "built-in");
});

test("packages are found upwards by full, short and scoped names", () => {
  packageOf("fairlead-plugin-audit", { exports: "./main.js" }, ["main.js"]);
  packageOf("@acme/fairlead-plugin-audit", { main: "lib/main.js" }, ["lib/main.js"]);
  packageOf("@acme/fairlead-plugin", {}, ["index.js"]);
  packageOf("@acme/other", { exports: { ".": "./other.js" } }, ["other.js"]);
  packageOf("some-package", { exports: "./some.js" }, ["some.js"]);
  const audit = "package node_modules/fairlead-plugin-audit/main.js 1.2.3";
  assert.equal(found("fairlead-plugin-audit"), audit);
  assert.equal(found("audit"), audit);
  const scoped = "package node_modules/@acme/fairlead-plugin-audit/lib/main.js 1.2.3";
  assert.equal(found("@acme/fairlead-plugin-audit"), scoped);
  assert.equal(found("@acme/audit"), scoped);
  assert.equal(found("@acme"), "package node_modules/@acme/fairlead-plugin/index.js 1.2.3");
  assert.equal(found("@acme/other"), "package node_modules/@acme/other/other.js 1.2.3");
  assert.equal(found("some-package"), "package node_modules/some-package/some.js 1.2.3");
});

test("the nearest package wins, and a built-in name before any package", () => {
  put("deploy/node_modules/fairlead-plugin-near/package.json", { name: "fairlead-plugin-near", version: "2.0.0" });
  put("deploy/node_modules/fairlead-plugin-near/index.js", "export default {};\n");
  packageOf("fairlead-plugin-near", {}, ["index.js"]);
  packageOf("fairlead-plugin-inventory", {}, ["index.js"]);
  assert.equal(found("near"), "package deploy/node_modules/fairlead-plugin-near/index.js 2.0.0");
  assert.equal(found("near", folder), "package node_modules/fairlead-plugin-near/index.js 1.2.3");
  assert.equal(findPlugin("inventory", nested).kind, "built-in");
  assert.equal(found("fairlead-plugin-inventory"), "package node_modules/fairlead-plugin-inventory/index.js 1.2.3");
});

test("the entry of a package is the one that an import takes", () => {
  const cases: readonly [string, unknown, string][] = [
    ["a", { import: "./esm.js", require: "./cjs.js" }, "esm.js"],
    ["b", { ".": { types: "./t.d.ts", node: { import: "./esm.js" }, default: "./other.js" } }, "esm.js"],
    ["c", { ".": [{ browser: "./no.js" }, { default: "./esm.js" }] }, "esm.js"],
    ["d", { "./package.json": "./package.json", ".": { default: "./esm.js" } }, "esm.js"],
    ["e", { "module-sync": "./esm.js", default: "./other.js" }, "esm.js"],
  ];
  for (const [name, exports, entry] of cases) {
    packageOf(`fairlead-plugin-entry-${name}`, { exports, main: "old.js" }, ["esm.js", "cjs.js", "other.js", "old.js"]);
    assert.equal(found(`entry-${name}`), `package node_modules/fairlead-plugin-entry-${name}/${entry} 1.2.3`);
  }
});

test("a package that cannot be imported says why", () => {
  packageOf("fairlead-plugin-closed", { exports: { "./sub": "./sub.js" } }, ["sub.js"]);
  packageOf("fairlead-plugin-unbuilt", { exports: "./dist/index.js" }, []);
  packageOf("fairlead-plugin-required", { exports: { require: "./cjs.js" } }, ["cjs.js"]);
  put("node_modules/fairlead-plugin-torn/package.json", "{");
  const none = (name: string): string =>
    `package "fairlead-plugin-${name}" cannot be imported: its package.json has no "exports" or "main" to import`;
  assert.equal(refusal("closed"), none("closed"));
  assert.equal(refusal("required"), none("required"));
  assert.equal(refusal("torn"), none("torn"));
  assert.equal(
    refusal("unbuilt"),
    'package "fairlead-plugin-unbuilt" is broken: its entry ./dist/index.js does not exist; build it or install it again',
  );
});

test("paths count from the folder of the file", () => {
  put("deploy/plugins/one.ts", "export default {};\n");
  put("deploy/plugins/two/index.js", "export default {};\n");
  put("deploy/plugins/three/package.json", { name: "three", version: "0.1.0", exports: "./src/three.js" });
  put("deploy/plugins/three/src/three.js", "export default {};\n");
  assert.equal(found("../plugins/one.ts"), "path deploy/plugins/one.ts");
  assert.equal(found(join(folder, "deploy/plugins/one.ts")), "path deploy/plugins/one.ts");
  assert.equal(found(`file://${join(folder, "deploy/plugins/one.ts")}`), "path deploy/plugins/one.ts");
  assert.equal(found("../plugins/two"), "path deploy/plugins/two/index.js");
  assert.equal(found("../plugins/three/"), "path deploy/plugins/three/src/three.js 0.1.0");
  assert.equal(refusal("../plugins/on.ts"), 'file "../plugins/on.ts" does not exist, did you mean "one.ts"?');
  assert.equal(refusal("./none/at/all"), 'file "./none/at/all" does not exist');
});

test("what cannot be found comes with the nearest name or the command that installs it", () => {
  assert.equal(
    refusal("inventroy"),
    'no plugin is called "inventroy", did you mean "inventory"? If not: npm install fairlead-plugin-inventroy',
  );
  assert.equal(
    refusal("@acme/fairlead-plugin-none"),
    'package "@acme/fairlead-plugin-none" is not installed: npm install @acme/fairlead-plugin-none',
  );
  assert.equal(
    refusal("fairlead-plugin-none"),
    'package "fairlead-plugin-none" is not installed: npm install fairlead-plugin-none',
  );
});

test("names that are none are refused before anything is looked up", () => {
  for (const use of [
    "",
    " ",
    "A",
    "a b",
    "@",
    "@a/",
    "@a/b/c",
    "a/b",
    "..\\x",
    "https://example.org/x.js",
    "node:fs",
    "a\0b",
  ]) {
    assert.match(refusal(use), /is no name of a plugin|is not installed/, JSON.stringify(use));
  }
  assert.match(refusal("file://elsewhere/x.js"), /is no usable file: URL/);
  assert.match(refusal("template"), /fairlead-plugin-template/);
  assert.match(refusal("./a\0b"), /does not exist/);
});
