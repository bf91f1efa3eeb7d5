import assert from "node:assert/strict";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Registry } from "prom-client";
import { z } from "zod";
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

  const declared = new Set<string>();

  test(`${name}: its README has the sections that every plugin's has`, () => {
    const sections = [...readme.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    assert.deepEqual(
      sections.filter((title) => SECTIONS.includes(title)),
      SECTIONS,
    );
  });

  test(`${name}: its README tells every option`, async () => {
    const { default: plugin } = await import(new URL(`plugins/${name}/index.ts`, ROOT).href);
    // Options of our own plugins are made with zod.
    const { properties = {} } = z.toJSONSchema(plugin.options, { io: "input", unrepresentable: "any" });
    const table = /^## Options$([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";
    const told = [...table.slice(0, endOfTable(table)).matchAll(/^\| `(\w+)` /gm)].map(([, option]) => option);
    assert.deepEqual(told.sort(), Object.keys(properties).sort());
  });

  for (const [at, [, yaml]] of [...readme.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].entries()) {
    test(`${name}: block ${at + 1} of its README runs`, async () => {
      const file = join(folder, `${name}-${at}.yaml`);
      // The template is no built-in plugin: whoever copies it has a package of their own.
      const text = yaml.replace("use: template", `use: ${new URL("plugins/template/index.ts", ROOT).pathname}`);
      writeFileSync(file, text);
      const configured = toControllerOptions(await loadConfig(file));
      await using server = await createApiServer();
      const registry = new Registry();
      await using controller = await createController({
        ...configured,
        cluster: { kubeconfig: { text: server.kubeconfig() } },
        metrics: { registry },
      }).start();
      const { declaration } = await describePlugin(new URL(`plugins/${name}/index.ts`, ROOT));
      assert.deepEqual(
        controller.plugins().map((plugin) => [plugin.name, plugin.state]),
        [[declaration.name, "running"]],
      );
      for (const { name: metric } of registry.getMetricsAsArray()) {
        declared.add(metric);
      }
    });
  }

  test(`${name}: its README tells every metric by its full name`, () => {
    const prefix = `fairlead_${name.replaceAll("-", "_")}_`;
    const told = [...readme.matchAll(new RegExp(`^\\| \`(${prefix}\\w+|coredns_\\w+)\``, "gm"))].map(
      ([, metric]) => metric,
    );
    const own = [...declared].filter((metric) => metric.startsWith(prefix) || metric.startsWith("coredns_"));
    assert.deepEqual(told.sort(), own.sort());
  });
}

/** The first table of a text ends at the first line that follows it and is none of it. */
function endOfTable(text: string): number {
  const end = /^\|.*\n(?!\|)/m.exec(text);
  return end === null ? text.length : end.index + end[0].length;
}
