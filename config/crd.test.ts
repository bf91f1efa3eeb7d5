import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { ProgramRun } from "./program-run.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-crd-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const RECONCILE = new URL("../core/reconcile/index.ts", import.meta.url).href;
const ZOD = import.meta.resolve("zod");

function write(name: string, text: string): string {
  writeFileSync(
    join(folder, name),
    `import { controller, defineResource } from "${RECONCILE}";\nimport { z } from "${ZOD}";\n${text}`,
  );
  return name;
}

async function run(...args: readonly string[]) {
  await using program = new ProgramRun(["crd", ...args], { folder });
  return await program.ended;
}

const webapp = `export const WebApp = defineResource({ group: "apps.example.org", version: "v1", kind: "WebApp", plural: "webapps",
  spec: z.strictObject({ image: z.string() }) });\n`;

test("prints the definition of what a module exports, as YAML and as JSON", async () => {
  const file = write("webapp.ts", `${webapp} export const other: number = 1;`);
  const { code, stdout, stderr } = await run(`./${file}`);
  assert.deepEqual([code, stderr], [0, ""]);
  const [document] = parseAllDocuments(stdout);
  const yaml = document.toJS();
  assert.deepEqual([yaml.kind, yaml.metadata.name], ["CustomResourceDefinition", "webapps.apps.example.org"]);
  const json = await run(file, "--output", "json");
  assert.deepEqual(JSON.parse(json.stdout), yaml);
});

test("prints the resource that a controller is for, and each resource once", async () => {
  const first = write(
    "both.ts",
    `${webapp} export const webapp = controller("webapp").for(WebApp).reconcile(() => {});`,
  );
  const second = write(
    "job.ts",
    'export default controller("jobs").for(defineResource({ group: "x.example.org", version: "v1", kind: "Job", plural: "jobs", spec: z.object({}) })).reconcile(() => {});',
  );
  const { code, stdout } = await run(first, second, first);
  assert.equal(code, 0);
  assert.deepEqual(
    parseAllDocuments(stdout).map((document) => document.toJS().metadata.name),
    ["webapps.apps.example.org", "jobs.x.example.org"],
  );
});

test("says what is wrong with the file", async () => {
  const bad = write(
    "bad.ts",
    'export const Bad = defineResource({ group: "a.b", version: "v1", kind: "Bad", plural: "bads", spec: z.object({ when: z.date() }) });',
  );
  const cases = [
    [await run(), /needs the file of a module.*\(CLI_BAD_ARGUMENT\)/],
    [await run("nowhere.ts"), /there is no file "nowhere.ts".*\(CLI_BAD_ARGUMENT\)/],
    [await run(write("none.ts", "export const a = 1;")), /exports a, and no resource.*\(CLI_NO_RESOURCE\)/],
    [await run(write("broken.ts", 'throw new Error("no luck");')), /cannot be imported: no luck.*\(CLI_LOAD_FAILED\)/],
    [
      await run(write("two.ts", `${webapp}${webapp.replaceAll("WebApp", "Other")}`)),
      /two different resources are named "webapps.apps.example.org", the last one in "two.ts".*\(RESOURCE_BAD_DEFINITION\)/,
    ],
    [await run(bad), /the spec of Bad v1 cannot be a JSON Schema: Date.*\(RESOURCE_BAD_SCHEMA\)/],
  ] as const;
  for (const [{ code, stdout, stderr }, message] of cases) {
    assert.match(stderr, message);
    assert(code === 1 || code === 2);
    assert.equal(stdout, "");
  }
});
