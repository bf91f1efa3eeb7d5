import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fairlead-package-"));
let packed: string[] = [];

function inFolder(command: string, args: readonly string[]): string {
  return execFileSync(command, [...args], { cwd: folder, encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } });
}

before(() => {
  const output = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: ROOT, encoding: "utf8" });
  const parsed: unknown = JSON.parse(output);
  const [report] = (Array.isArray(parsed) ? parsed : Object.values(parsed as object)) as [
    { filename: string; files: { path: string }[] },
  ]; // npm's documented output; an object keyed by package name since npm 11
  packed = report.files.map((file) => file.path);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  inFolder("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", report.filename]);
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("the package holds built code and the template of plugins, and no tests or benches of its own", () => {
  const strangers = packed.filter(
    (path) =>
      !/^(dist\/(core|plugins|config|sandbox)\/|plugins\/(template\/|[a-z-]+\/(README\.md|[a-z-]+\.yaml))|(package|schema)\.json|README\.md|LICENSE)/.test(
        path,
      ),
  );
  assert.deepEqual(strangers, []);
  assert.deepEqual(
    packed.filter((path) => path.startsWith("dist/") && path.includes(".test.")),
    [],
  );
});

test("an installed package follows a cluster of the in-process server", () => {
  writeFileSync(
    join(folder, "follow.mjs"),
    `import { createController } from "fairlead";
     import { pods } from "fairlead/kinds";
     import { createApiServer } from "fairlead/testing";
     const server = await createApiServer({});
     server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
     server.objects.apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "cart-1", namespace: "shop", labels: { app: "cart" } },
       spec: { containers: [{ name: "web", image: "example.org/cart:1" }] }, status: { phase: "Running", podIP: "10.0.0.7" } });
     {
       await using cluster = await createController({ cluster: { kubeconfig: { text: server.kubeconfig() } }, kinds: [pods.select("podIP", "labels")] }).start();
       console.log(cluster.store.read((view) => view.pods.byLabel("app", "cart").map((pod) => pod.status.podIP)).join());
     }
     await server.stop();`,
  );
  assert.equal(inFolder(process.execPath, ["follow.mjs"]).trim(), "10.0.0.7");
});

test("the installed program answers --help and version", () => {
  assert.match(inFolder("npx", ["--no-install", "fairlead", "--help"]), /usage: fairlead COMMAND/);
  assert.match(inFolder("npx", ["--no-install", "fairlead", "version"]), /^fairlead \d+\.\d+\.\d+, node \d+/);
});

test("an installed package loads a configuration for an embedder, and has its schema for editors", () => {
  writeFileSync(join(folder, "fairlead.yaml"), "apiVersion: fairlead/v1\nplugins:\n  - use: inventory\n");
  writeFileSync(
    join(folder, "configured.mjs"),
    `import { loadConfig, toControllerOptions } from "fairlead/config";
     import schema from "fairlead/schema.json" with { type: "json" };
     const { plugins } = toControllerOptions(await loadConfig("fairlead.yaml"));
     console.log(plugins.length, plugins[0].use.pathname.split("/").slice(-2).join("/"), schema.title);`,
  );
  assert.equal(inFolder(process.execPath, ["configured.mjs"]).trim(), "1 inventory/index.js fairlead.yaml");
});

test("types of the installed package refuse a field that was not selected", () => {
  writeFileSync(
    join(folder, "typed.ts"),
    `import { createController } from "fairlead";
     import { pods } from "fairlead/kinds";
     const cluster = createController({ kinds: [pods.select("phase")] });
     export const phases = cluster.store.read((view) => view.pods.all().map((pod) => pod.status.phase));
     // @ts-expect-error podIP was not selected
     export const addresses = cluster.store.read((view) => view.pods.all().map((pod) => pod.status.podIP));
     // What loadConfig gives, or an embedder has, may be undefined.
     const port: { port: number } | undefined = [{ port: 0 }].at(0);
     const maxBytes: number | undefined = undefined;
     export const optional = createController({ kinds: [pods], status: port, maxBytes });
     void optional.start({ signal: undefined });`,
  );
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  inFolder(process.execPath, [
    tsc,
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--lib",
    "es2024,esnext.disposable",
    "--skipLibCheck",
    "--types",
    "",
    "typed.ts",
  ]);
});
