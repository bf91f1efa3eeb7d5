import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createApiServer, type Rule } from "../core/testing/index.ts";

const BIN = fileURLToPath(new URL("./bin.ts", import.meta.url));
const SAMPLE = fileURLToPath(new URL("../test/config/plugins/sample.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fairlead-check-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function fairlead(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const child = execFile(
    process.execPath,
    [BIN, ...args],
    { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...env }, timeout: 60_000 },
    (_, out, err) => resolve({ code: child.exitCode, out, err }),
  );
  return promise;
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

const WATCH: readonly string[] = ["list", "watch"];
const EVENTS: Rule = { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] };

test("check tells mistakes of the file and missing rights together, and exits with 2", async () => {
  const rules: Rule[] = [{ apiGroups: [""], resources: ["pods"], verbs: WATCH }, EVENTS];
  await using server = await createApiServer({ tokens: { t: { name: "sa", rules } } });
  write("kubeconfig", server.kubeconfig("t"));
  write(
    "both.yaml",
    `apiVersion: fairlead/v1
cluster: { kubeconfig: kubeconfig, namespaces: { allow: [shop] } }
plugins:
  - use: ${SAMPLE}
    setupTimoutMs: 5s
kinds: { nodes: [labels] }
`,
  );
  const ended = await fairlead(["check", "--config", "both.yaml"]);
  assert.deepEqual(
    ended.out.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  ")),
    [
      'both.yaml:5:5  plugins[0].setupTimoutMs  unknown key "setupTimoutMs", did you mean "setupTimeoutMs"?',
      "cluster  kinds  may not list, watch nodes in the cluster: fairlead rbac prints the missing rule",
      'cluster  plugin "sample"  may not create configmaps in namespace "shop": fairlead rbac prints the missing rule',
      'cluster  plugin "sample"  may not list, watch services in namespace "shop": fairlead rbac prints the missing rule',
      "4 problems",
      "",
    ],
  );
  assert.deepEqual([ended.code, ended.err], [2, ""]);
});

test("check is content when the cluster grants what is needed, cluster-wide or by namespace", async () => {
  const rules: Rule[] = [
    { apiGroups: [""], resources: ["pods", "services"], verbs: WATCH },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["create"] },
    EVENTS,
  ];
  const shop = rules.map((rule) => ({ ...rule, namespace: "shop" }));
  await using server = await createApiServer({
    tokens: { all: { name: "all", rules }, shop: { name: "shop", rules: shop } },
  });
  const cases = { all: '["*"]', shop: "[shop]" };
  for (const [user, allow] of Object.entries(cases)) {
    write("kubeconfig", server.kubeconfig(user));
    write(
      "fairlead.yaml",
      `apiVersion: fairlead/v1\ncluster: { kubeconfig: kubeconfig, namespaces: { allow: ${allow} } }\nplugins:\n  - use: ${SAMPLE}\n`,
    );
    const ended = await fairlead(["check"]);
    assert.deepEqual(ended, { code: 0, out: "fairlead.yaml is fine, and the cluster grants what it needs\n", err: "" });
  }
  write("kubeconfig", server.kubeconfig("shop"));
  write("wide.yaml", `apiVersion: fairlead/v1\ncluster: { kubeconfig: kubeconfig }\nplugins:\n  - use: ${SAMPLE}\n`);
  const wide = await fairlead(["check", "--config", "wide.yaml"]);
  assert.match(wide.out, /plugin "sample" {2}may not list, watch pods in the cluster: /);
  assert.equal(wide.code, 2);
});

test("check tells rights on Leases that an election and shards lack, and is content with those that fairlead rbac prints", async () => {
  const pods: Rule = { apiGroups: [""], resources: ["pods"], verbs: WATCH };
  const group = ["coordination.k8s.io"];
  const candidate: Rule[] = [
    { apiGroups: group, resources: ["leases"], verbs: ["create"], namespace: "shop" },
    { apiGroups: group, resources: ["leases"], resourceNames: ["ours"], verbs: ["get", "update"], namespace: "shop" },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"], namespace: "shop" },
  ];
  await using server = await createApiServer({
    tokens: { none: { name: "none", rules: [pods] }, right: { name: "right", rules: [pods, ...candidate] } },
  });
  write("kubeconfig", server.kubeconfig("none"));
  const head = "apiVersion: fairlead/v1\ncluster: { kubeconfig: kubeconfig }\nkinds: [pods]\n";
  write("leads.yaml", `${head}leaderElection: { lease: ours, namespace: shop }\n`);
  write("shares.yaml", `${head}shards: { namespace: shop }\n`);
  const [lacking, sharing] = [
    await fairlead(["check", "--config", "leads.yaml"]),
    await fairlead(["check", "--config", "shares.yaml"]),
  ];
  assert.match(lacking.out, /^cluster {2}leaderElection {2}may not get, update leases in namespace "shop": /m);
  assert.match(lacking.out, /^cluster {2}leaderElection {2}may not create leases in namespace "shop": /m);
  assert.match(
    sharing.out,
    /^cluster {2}shards {2}may not get, list, create, update, delete leases in namespace "shop": /m,
  );
  assert.deepEqual([lacking.code, sharing.code], [2, 2]);
  write("kubeconfig", server.kubeconfig("right"));
  assert.equal((await fairlead(["check", "--config", "leads.yaml"])).code, 0);
});

test("check tells selectors that the server does not understand", async () => {
  await using server = await createApiServer();
  write("kubeconfig", server.kubeconfig());
  const selectors = `pods: { labelSelector: "a in (b" }, services: { labelSelector: "app=cart" }, nodes: { fieldSelector: "spec.color=red" }`;
  write("selectors.yaml", `apiVersion: fairlead/v1\ncluster: { kubeconfig: kubeconfig }\nkinds: { ${selectors} }\n`);
  const ended = await fairlead(["check", "--config", "selectors.yaml"]);
  assert.match(ended.out, /^cluster {2}kinds {2}a selector of pods is refused by the server: .+$/m);
  assert.match(ended.out, /^cluster {2}kinds {2}a selector of nodes is refused by the server: .+$/m);
  assert.match(ended.out, /\n2 problems\n$/);
  assert.equal(ended.code, 2);
});

test("check tells custom kinds that the cluster does not have", async () => {
  await using server = await createApiServer();
  write("kubeconfig", server.kubeconfig());
  const widgets = `{ apiVersion: example.org/v1, kind: Widget, namespaced: true, fields: { size: { type: int, path: spec.size } } }`;
  write(
    "custom.yaml",
    `apiVersion: fairlead/v1\ncluster: { kubeconfig: kubeconfig }\nkinds: { widgets: ${widgets} }\n`,
  );
  const ended = await fairlead(["check", "--config", "custom.yaml"]);
  assert.match(ended.out, /^cluster {2}kinds {2}the server does not serve example\.org\/v1 Widget; .*install its CRD/m);
  assert.equal(ended.code, 2);
});

test("check tells files that the status server could not start with", async () => {
  write("empty-token", "\n");
  write("garbage.pem", "garbage");
  write(
    "status.yaml",
    `apiVersion: fairlead/v1
kinds: [pods]
status:
  token: file:empty-token
  tls: { certFile: garbage.pem, keyFile: garbage.pem }
`,
  );
  const ended = await fairlead(["check", "--config", "status.yaml", "--offline"]);
  assert.match(
    ended.out,
    /^status\.yaml:4:10 +status\.token +status\.token cannot be used: ".*empty-token" is empty$/m,
  );
  assert.match(
    ended.out,
    /^status\.yaml:5:8 +status\.tls +status\.tls cannot be used: ".*garbage\.pem" holds no certificate/m,
  );
  assert.equal(ended.code, 2);
});

test("check gives one JSON object a line", async () => {
  write("json.yaml", "apiVersion: fairlead/v1\nkinds: [podds]\n");
  const ended = await fairlead(["check", "--config", "json.yaml", "--offline", "--output", "json"]);
  assert.deepEqual(
    ended.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [
      {
        type: "problem",
        file: "json.yaml",
        line: 2,
        column: 9,
        path: "kinds[0]",
        message: 'no built-in kind is called "podds", did you mean "pods"?',
      },
      { type: "checked", problems: 1 },
    ],
  );
  assert.equal(ended.code, 2);
});

test("check says that the cluster cannot be asked, and --offline does not ask", async () => {
  const server = await createApiServer();
  write("kubeconfig", server.kubeconfig());
  await server.stop();
  write("gone.yaml", "apiVersion: fairlead/v1\nkinds: [pods]\ncluster: { kubeconfig: kubeconfig }\n");
  const asked = await fairlead(["check", "--config", "gone.yaml"]);
  assert.match(
    asked.out,
    /^cluster {2}permissions cannot be checked: .*\(KUBE_UNREACHABLE\); --offline leaves them out\n1 problem\n$/,
  );
  assert.equal(asked.code, 2);
  const offline = await fairlead(["check", "--config", "gone.yaml", "--offline"]);
  assert.deepEqual(offline, { code: 0, out: "gone.yaml is fine\n", err: "" });
});

test("a plugin that ends the process, or leaves a timer, does not make check succeed or hang", async () => {
  write("exits.mjs", "process.exit(0);\n");
  write("exits.yaml", "apiVersion: fairlead/v1\nplugins:\n  - use: ./exits.mjs\n");
  const exits = await fairlead(["check", "--config", "exits.yaml", "--offline"]);
  assert.deepEqual([exits.code, exits.out], [1, ""]);
  assert.match(exits.err, /^fairlead: the program was ended from within \(code 0\): .*\(CLI_ENDED_BY_PLUGIN\)\n$/);
  write(
    "timer.mjs",
    'setInterval(() => {}, 1000);\nexport default { name: "timer", apiVersion: "fairlead/v1", setup() {} };\n',
  );
  write("timer.yaml", "apiVersion: fairlead/v1\nplugins:\n  - use: ./timer.mjs\n");
  const timer = await fairlead(["check", "--config", "timer.yaml", "--offline"]);
  assert.deepEqual(timer, { code: 0, out: "timer.yaml is fine\n", err: "" });
});

test("print shows what would run, as YAML and JSON, without secrets", async () => {
  write(
    "print.yaml",
    `apiVersion: fairlead/v1
plugins:
  - use: ${SAMPLE}
    isolation: worker
    options: { token: "\${TOKEN}", zone: "\${ZONE}", upstreams: [{ host: "db.\${ZONE}" }] }
status: { token: written-out }
`,
  );
  const env = { TOKEN: "top-secret", ZONE: "hidden.example" };
  const yaml = await fairlead(["print", "--config", "print.yaml"], env);
  assert.equal(yaml.code, 0);
  assert.match(yaml.out, /zone: "\$\{ZONE\}"\n/);
  assert.match(yaml.out, /token: "\[redacted\]"\n/);
  const json = await fairlead(["print", "--config", "print.yaml", "--output", "json"], env);
  const shown = JSON.parse(json.out);
  assert.deepEqual(shown.plugins[0].options, {
    listen: "0.0.0.0:5353",
    zone: `\${ZONE}`,
    ttlSeconds: 5,
    mode: "safe",
    token: `\${TOKEN}`,
    upstreams: [{ host: `db.\${ZONE}`, port: 53, timeoutMs: 1000 }],
    aliases: {},
  });
  assert.doesNotMatch(yaml.out + json.out, /top-secret|hidden\.example|written-out/);
  const bad = await fairlead(["print", "--config", "print.yaml"]);
  assert.equal(bad.code, 2);
  assert.match(bad.err, /environment variable "TOKEN" is not set/);
});
