import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { createApiServer } from "../core/testing/index.ts";

const BIN = fileURLToPath(new URL("./bin.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fairlead-commands-"));
after(() => rmSync(folder, { recursive: true, force: true }));

writeFileSync(
  join(folder, "restarts.js"),
  `export default { name: "restarts", apiVersion: "fairlead/v1", needs: { pods: ["restarts", "phase"] },
    permissions: [{ apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"] }], provides: ["restarts"], setup() {} };`,
);
writeFileSync(
  join(folder, "fairlead.yaml"),
  `apiVersion: fairlead/v1
cluster: { namespaces: { allow: [shop] } }
kinds: { pods: [phase], configmaps: [labels] }
plugins:
  - use: ./restarts.js
    isolation: worker
    required: false
`,
);
const NAMED = ["--config", join(folder, "fairlead.yaml")];

function fairlead(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1" };
    execFile(process.execPath, [BIN, ...args], { timeout: 60_000, cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

test("plugins lists the built-in ones, each with a sentence", async () => {
  const { code, stdout } = await fairlead("plugins", "--output", "json");
  const { plugins } = JSON.parse(stdout);
  assert.equal(code, 0);
  assert.ok(plugins.some(({ name }: { name: string }) => name === "inventory"));
  const text = await fairlead("plugins");
  assert.match(text.stdout, /^plugin +about\n(.*\n)*inventory/);
});

test("plugins --config tells what each asks for, and who asked for which field", async () => {
  const { code, stdout, stderr } = await fairlead("plugins", ...NAMED, "--output", "json");
  assert.deepEqual([code, stderr], [0, ""]);
  const { plugins, kinds } = JSON.parse(stdout);
  const [{ name, from, isolation, required, needs, provides }] = plugins;
  assert.deepEqual(
    { name, from, isolation, required, needs, provides },
    {
      name: "restarts",
      from: "path",
      isolation: "worker",
      required: false,
      needs: { pods: ["restarts", "phase"] },
      provides: ["restarts"],
    },
  );
  assert.deepEqual(
    kinds.map(({ kind, fields }: { kind: string; fields: object }) => [kind, fields]),
    [
      ["configmaps", { labels: ["(kinds)"] }],
      ["pods", { phase: ["restarts", "(kinds)"], restarts: ["restarts"] }],
    ],
  );
  assert.ok(kinds.every(({ leastBytes }: { leastBytes: number }) => leastBytes >= 48 && leastBytes < 100));
  const text = await fairlead("plugins", ...NAMED);
  assert.match(text.stdout, /^restarts +path +worker +no +restarts +-$/m);
  assert.match(text.stdout, /^pods +>= \d+ +restarts +phase, restarts$/m);
  assert.match(text.stdout, /^ +\(kinds\) +phase$/m);
});

test("plugins --measure runs them once, without a write that lasts, and tells hooks and sizes", async () => {
  await using server = await createApiServer();
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  for (const name of ["cart-1", "cart-2"]) {
    const spec = { containers: [{ name: "web", image: "example.org/cart:1" }] };
    server.objects.apply({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "shop" }, spec });
  }
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, server.kubeconfig());
  writeFileSync(
    join(folder, "writer.mjs"),
    `export default { name: "writer", apiVersion: "fairlead/v1", needs: { pods: ["phase"] },
      permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create"] }],
      setup({ hooks, kube }) {
        hooks.stop.tap(() => {});
        hooks.start.tap(async () => {
          await kube.create({ apiVersion: "v1", plural: "configmaps", namespace: "shop" },
            { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "mark", namespace: "shop" } });
        });
      } };`,
  );
  writeFileSync(
    join(folder, "measured.yaml"),
    `apiVersion: fairlead/v1\ncluster: { kubeconfig: ${kubeconfig} }\nplugins: [{ use: ./writer.mjs }]\n`,
  );
  const args = ["plugins", "--config", join(folder, "measured.yaml"), "--measure"];
  const { code, stdout, stderr } = await fairlead(...args, "--output", "json");
  assert.deepEqual([code, stderr], [0, ""]);
  const { plugins, kinds } = JSON.parse(stdout);
  assert.deepEqual(plugins[0].hooks, ["start", "stop"]);
  assert.equal(kinds[0].objects, 2);
  assert.ok(kinds[0].bytes >= 2 * kinds[0].leastBytes, stdout);
  const writes = server.requests.count({ method: "POST", path: /configmaps/ });
  assert.deepEqual(
    [writes, server.requests.count({ method: "POST", path: /configmaps/, query: /dryRun=All/ })],
    [1, 1],
  );
  const text = await fairlead(...args);
  assert.match(text.stdout, /^writer .* start, stop$/m);
  assert.match(text.stdout, /^pods +2 +\d+ +writer +phase$/m);
});

test("rbac prints YAML that is applied as it is, or one JSON list of the same", async () => {
  const { code, stdout, stderr } = await fairlead("rbac", ...NAMED, "--namespace", "system", "--name", "watcher");
  assert.deepEqual([code, stderr], [0, ""]);
  const documents = parseAllDocuments(stdout);
  assert.ok(Array.isArray(documents));
  const objects = documents.map((document) => document.toJS());
  assert.deepEqual(
    objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`),
    ["ServiceAccount system/watcher", "Role shop/watcher", "RoleBinding shop/watcher"],
  );
  const json = await fairlead("rbac", ...NAMED, "--namespace", "system", "--name", "watcher", "--output", "json");
  assert.deepEqual(JSON.parse(json.stdout).items, objects);
});

test("a command that needs a configuration says where it looked, and finds the one in its folder", async () => {
  const found = await fairlead("rbac");
  assert.equal(found.code, 0, found.stderr);
  const { code, stderr } = await fairlead("rbac", "--config", "other.yaml");
  assert.equal(code, 2);
  assert.match(stderr, /other\.yaml.*does not exist \(CONFIG_INVALID\)/s);
});

test("plugin new makes a folder, once", async () => {
  const { code, stdout, stderr } = await fairlead("plugin", "new", "@acme/pod-audit");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /made @acme\/fairlead-plugin-pod-audit in \.\/pod-audit/);
  assert.ok(existsSync(join(folder, "pod-audit", "package.json")));
  assert.match((await fairlead("plugin", "new", "pod-audit")).stderr, /CLI_FOLDER_NOT_EMPTY/);
  assert.match((await fairlead("plugin", "new")).stderr, /needs a name.*CLI_BAD_ARGUMENT/);
  assert.match((await fairlead("plugin", "make", "x")).stderr, /needs "new"/);
});
