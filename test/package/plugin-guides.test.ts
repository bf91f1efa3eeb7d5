import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { toControllerOptions } from "../../config/file/controller-options.ts";
import { loadConfig } from "../../config/file/load.ts";
import { newPlugin } from "../../config/plugin-new.ts";
import { createController } from "../../core/controller/create-controller.ts";
import { createApiServer } from "../../core/testing/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const GUIDES = ["write-a-plugin", "test-a-plugin", "publish-a-plugin"] as const;

const folder = mkdtempSync(join(tmpdir(), "fairlead-plugin-guides-"));
const plugin = join(folder, "team-labels");

/** Code blocks of a guide in one language. */
function blocks(guide: (typeof GUIDES)[number], language: string): string[] {
  const page = readFileSync(join(ROOT, `docs/guide/${guide}.md`), "utf8");
  return [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, found, text]) =>
    found === language ? [text] : [],
  );
}

function run(args: readonly string[]): string {
  const { NODE_TEST_CONTEXT, NODE_OPTIONS, ...env } = process.env;
  try {
    return execFileSync(process.execPath, [...args], { cwd: plugin, encoding: "utf8", env, stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string }; // as execFileSync throws
    throw new Error(`node ${args.join(" ")} failed:\n${stdout}\n${stderr}`);
  }
}

before(async () => {
  await newPlugin("team-labels", plugin);
  for (const guide of GUIDES) {
    for (const code of blocks(guide, "ts")) {
      const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
      assert.ok(name, `a block of ${guide} does not begin with the name of its file`);
      writeFileSync(join(plugin, name), code);
    }
  }
  mkdirSync(join(plugin, "node_modules/@types"), { recursive: true });
  symlinkSync(ROOT, join(plugin, "node_modules/fairlead"));
  for (const name of ["zod", "@types/node", "undici-types"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(plugin, "node_modules", name));
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the code of the guides compiles, and its tests pass", () => {
  run([join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "."]);
  const report = run(["--test", "--test-reporter=tap"]);
  assert.match(report, /^# fail 0$/m);
  for (const promise of [
    "copies the label from the namespace",
    "runs once a day",
    "after a crash",
    "worker: runs again",
  ]) {
    assert.match(report, new RegExp(`^ok .*${promise}`, "m"));
  }
});

test("the package.json of the guide is what `fairlead plugin new` writes", () => {
  const [shown] = blocks("publish-a-plugin", "json");
  assert.partialDeepStrictEqual(JSON.parse(readFileSync(join(plugin, "package.json"), "utf8")), JSON.parse(shown));
});

for (const guide of ["write-a-plugin", "publish-a-plugin"] as const) {
  test(`the fairlead.yaml of ${guide} runs the plugin`, async () => {
    run([join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"]);
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    rmSync(join(folder, "node_modules/fairlead-plugin-team-labels"), { force: true });
    symlinkSync(plugin, join(folder, "node_modules/fairlead-plugin-team-labels"));
    const [yaml] = blocks(guide, "yaml");
    const file = join(folder, `${guide}.yaml`);
    writeFileSync(file, yaml);
    await using server = await createApiServer();
    const configured = toControllerOptions(await loadConfig(file));
    await using controller = await createController({
      ...configured,
      cluster: { kubeconfig: { text: server.kubeconfig() } },
    }).start();
    assert.deepEqual(
      controller.plugins().map(({ name, state, isolation }) => `${name} ${state} ${isolation}`),
      [`team-labels running ${guide === "publish-a-plugin" ? "worker" : "inline"}`],
    );
  });
}
