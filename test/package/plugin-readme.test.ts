import assert from "node:assert/strict";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { toControllerOptions } from "../../config/file/controller-options.ts";
import { loadConfig } from "../../config/file/load.ts";
import { createController } from "../../core/controller/create-controller.ts";
import { describePlugin } from "../../core/controller/plugin-load.ts";
import { createApiServer } from "../../core/testing/index.ts";

const ROOT = new URL("../../", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "fairlead-readme-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const SECTIONS = ["Options", "What it reads and writes", "Metrics", "Health"];

for (const path of globSync("plugins/*/README.md", { cwd: ROOT }).sort()) {
  const name = path.split("/")[1];
  const readme = readFileSync(new URL(path, ROOT), "utf8");

  test(`${name}: its README has the sections that every plugin's has, and every metric by its full name`, () => {
    const sections = [...readme.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    assert.deepEqual(
      sections.filter((title) => SECTIONS.includes(title)),
      SECTIONS,
    );
    const source = globSync(`plugins/${name}/*.ts`, { cwd: ROOT })
      .map((file) => readFileSync(new URL(file, ROOT), "utf8"))
      .join("\n");
    const declared = [...source.matchAll(/metrics\.(?:counter|gauge|histogram)\("(\w+)"/g)].map(([, metric]) => metric);
    const told = [...readme.matchAll(new RegExp(`^\\| \`fairlead_${name.replaceAll("-", "_")}_(\\w+)\``, "gm"))];
    assert.deepEqual(told.map(([, metric]) => metric).sort(), declared.sort());
  });

  for (const [at, [, yaml]] of [...readme.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].entries()) {
    test(`${name}: block ${at + 1} of its README runs`, async () => {
      const file = join(folder, `${name}-${at}.yaml`);
      // The template is no built-in plugin: whoever copies it has a package of their own.
      const text = yaml.replace("use: template", `use: ${new URL("plugins/template/index.ts", ROOT).pathname}`);
      writeFileSync(file, text);
      const configured = toControllerOptions(await loadConfig(file));
      await using server = await createApiServer();
      await using controller = await createController({
        ...configured,
        cluster: { kubeconfig: { text: server.kubeconfig() } },
      }).start();
      const { declaration } = await describePlugin(new URL(`plugins/${name}/index.ts`, ROOT));
      assert.deepEqual(
        controller.plugins().map((plugin) => [plugin.name, plugin.state]),
        [[declaration.name, "running"]],
      );
    });
  }
}
