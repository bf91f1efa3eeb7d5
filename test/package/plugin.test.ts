import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Of those who use the types; the newest is the one that this repository is built with. */
const OLDEST_TYPESCRIPT = "5.8";
const INSTALL = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"];

const folder = mkdtempSync(join(tmpdir(), "fairlead-plugin-"));
const site = join(folder, "site");
const audit = join(site, "audit");

/** Runs a program as its user would; its output is in the error when it fails. */
function run(cwd: string, command: string, args: readonly string[]): string {
  // A test runner inside of a test would report to the outer one.
  const { NODE_TEST_CONTEXT, NODE_OPTIONS, ...env } = process.env;
  try {
    return execFileSync(command, [...args], { cwd, encoding: "utf8", env, stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string }; // as execFileSync throws
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}\n${stderr}`);
  }
}

function pack(cwd: string): { readonly file: string; readonly paths: readonly string[] } {
  const output = run(cwd, "npm", ["pack", "--json", "--pack-destination", folder]);
  // Scripts may print before; npm's own answer begins a line.
  const parsed: unknown = JSON.parse(output.slice(output.search(/^[[{]/m)));
  const [report] = (Array.isArray(parsed) ? parsed : Object.values(parsed as object)) as [
    { filename: string; files: { path: string }[] },
  ]; // npm's documented output; an object keyed by package name since npm 11
  return { file: join(folder, report.filename), paths: report.files.map((file) => file.path).sort() };
}

let fairlead = "";

before(() => {
  fairlead = pack(ROOT).file;
  mkdirSync(site);
  writeFileSync(join(site, "package.json"), JSON.stringify({ type: "module", private: true }));
  run(site, "npm", [...INSTALL, fairlead]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the package and its types are in order for whoever imports it", () => {
  const bin = join(ROOT, "node_modules/.bin");
  run(ROOT, join(bin, "publint"), ["--strict", fairlead]);
  run(ROOT, join(bin, "attw"), [fairlead, "--profile", "esm-only", "--format", "ascii", "--no-color"]);
});

test("a plugin that `fairlead plugin new` makes passes its tests and can be packed", () => {
  run(site, "npx", ["--no-install", "fairlead", "plugin", "new", "audit"]);
  run(audit, "npm", [...INSTALL, "--save-dev", fairlead, `oldest@npm:typescript@${OLDEST_TYPESCRIPT}`]);
  assert.match(run(audit, "npm", ["test"]), /fail 0/);
  const packed = pack(audit);
  assert.deepEqual(packed.paths, ["README.md", "dist/index.d.ts", "dist/index.js", "package.json"]);
  run(site, "npm", [...INSTALL, packed.file]);
});

test("its types hold with the oldest and the newest TypeScript, and refuse a field that is not needed", () => {
  const source = readFileSync(join(audit, "index.ts"), "utf8");
  writeFileSync(
    join(audit, "wrong.ts"),
    source
      .replace("pod.restarts > options.limit", "pod.status.phase")
      .replace(
        "pod === undefined ||",
        "pod === undefined ||\n            // @ts-expect-error the phase was not asked for\n            pod.status.phase === undefined ||",
      ),
  );
  // A plugin may use what a built-in one offers, with its types.
  writeFileSync(
    join(audit, "uses.ts"),
    `import type { PluginServices } from "fairlead/plugin";
     import type { InventoryHandlers } from "fairlead/plugins/inventory";
     export async function nodesOf(services: PluginServices): Promise<readonly string[]> {
       const found = await services.use<InventoryHandlers>("inventory").nodes({ limit: 10 });
       // @ts-expect-error there is no such filter
       await services.use<InventoryHandlers>("inventory").nodes({ namespace: "shop" });
       return found.items.map(({ name }) => name);
     }`,
  );
  const newest = join(ROOT, "node_modules/typescript/bin/tsc");
  for (const compiler of [join(audit, "node_modules/oldest/bin/tsc"), newest]) {
    // The declarations of the package itself are checked too.
    run(audit, process.execPath, [compiler, "-p", ".", "--skipLibCheck", "false"]);
  }
});

for (const isolation of ["inline", "worker"]) {
  test(`installed beside Fairlead it runs out of fairlead.yaml, ${isolation}`, () => {
    const yaml = ["apiVersion: fairlead/v1", "plugins:", "  - use: audit", `    isolation: ${isolation}`];
    writeFileSync(join(site, "fairlead.yaml"), [...yaml, "    options: { limit: 3 }", ""].join("\n"));
    cpSync(fileURLToPath(new URL("./plugin-site.mjs", import.meta.url)), join(site, "run.mjs"));
    const report: unknown = JSON.parse(run(site, process.execPath, ["run.mjs"]));
    assert.deepEqual(report, {
      plugins: [{ name: "audit", state: "running", isolation }],
      events: ["RestartsTooOften shop/cart-1"],
    });
  });
}
