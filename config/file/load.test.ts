import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { codeOf } from "../../core/errors.ts";
import { toControllerOptions } from "./controller-options.ts";
import { effectiveConfig } from "./effective.ts";
import { expandVariables } from "./environment.ts";
import { loadConfig, readConfig } from "./load.ts";
import { problemLine } from "./problem.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-load-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = "apiVersion: fairlead/v1\nkinds: [pods]\n";

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return name;
}

async function problemsIn(name: string, variables: Record<string, string> = {}): Promise<string[]> {
  const { problems, config } = await readConfig(name, { workingFolder: folder, variables });
  assert.equal(config === undefined, problems.length > 0, "there is a configuration exactly when nothing is wrong");
  return problems.map(problemLine);
}

test("files that are no text are refused", async () => {
  assert.deepEqual(await problemsIn(write("latin.yaml", Buffer.from(`${HEAD}# caf\xe9\n`, "latin1"))), [
    "latin.yaml:1:1  file latin.yaml is not UTF-8 text; save it as UTF-8",
  ]);
  assert.deepEqual(await problemsIn(write("utf16.yaml", Buffer.from(`\ufeff${HEAD}`, "utf16le"))), [
    "utf16.yaml:1:1  file utf16.yaml is not UTF-8 text; save it as UTF-8",
  ]);
  assert.deepEqual(await problemsIn(write("control.yaml", `${HEAD}# \u0007\n`)), [
    "control.yaml:1:1  file control.yaml holds the control character U+0007; it is not a text file",
  ]);
});

test("a file of 1 MiB is read, a larger one refused", async () => {
  const filled = (bytes: number): string => `${HEAD}#${" ".repeat(bytes - HEAD.length - 2)}\n`;
  assert.deepEqual(await problemsIn(write("full.yaml", filled(1 << 20))), []);
  assert.deepEqual(await problemsIn(write("over.yaml", filled((1 << 20) + 1))), [
    "over.yaml:1:1  file over.yaml is larger than 1 MiB; split it with include:",
  ]);
});

test("pipes, folders, missing files and circles of links are refused without waiting", async () => {
  execFileSync("mkfifo", [join(folder, "pipe.yaml")]);
  mkdirSync(join(folder, "folder.yaml"));
  symlinkSync("circle.yaml", join(folder, "circle.yaml"));
  assert.deepEqual(
    (
      await Promise.all(["pipe.yaml", "folder.yaml", "circle.yaml", "none.yaml"].map((name) => problemsIn(name)))
    ).flat(),
    [
      "pipe.yaml:1:1  file pipe.yaml is not a regular file",
      "folder.yaml:1:1  file folder.yaml is a folder, not a file",
      "circle.yaml:1:1  file circle.yaml cannot be read: its symbolic links go in a circle",
      "none.yaml:1:1  file none.yaml does not exist",
    ],
  );
});

test("files made to exhaust a reader end quickly", async () => {
  const hostile: Record<string, string> = {
    brackets: "[".repeat(1_000_000),
    dashes: "- ".repeat(500_000),
    questions: "? ".repeat(500_000),
    commas: `[${",".repeat(1_000_000)}]`,
    closing: "]\n".repeat(500_000),
    anchors: "&a ".repeat(300_000),
    aliases: `a: &a 1\nb: [${"*a,".repeat(300_000)}]`,
    keys: Array.from({ length: 80_000 }, (_, i) => `k${i}: 1`).join("\n"),
    tables: "{a: ".repeat(250_000),
    documents: "---\n".repeat(250_000),
    key: `${HEAD}${"k".repeat(1_000_000)}: 1\n`,
    level: `${HEAD}log: { level: ${"x".repeat(1_000_000)} }\n`,
    kind: `apiVersion: fairlead/v1\nkinds: [${"k".repeat(1_000_000)}]\n`,
    use: `apiVersion: fairlead/v1\nplugins:\n  - use: ${"u".repeat(1_000_000)}\n  - use: ./${"u".repeat(100_000)}\n`,
    option: `apiVersion: fairlead/v1\nplugins:\n  - use: inventory\n    options: { ${"o".repeat(1_000_000)}: 1 }\n`,
  };
  for (const [name, text] of Object.entries(hostile)) {
    const began = performance.now();
    const problems = await problemsIn(write(`${name}.yaml`, text));
    assert.ok(problems.length > 0 && problems.length < 50, `${name}: ${problems.length} problems`);
    assert.ok(
      problems.every((line) => line.length < 2500),
      `${name}: a line is too long`,
    );
    assert.ok(performance.now() - began < 30_000, `${name} took ${performance.now() - began} ms`);
  }
});

test("any text is read or refused, and nothing throws", async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "apiVersion: fairlead/v1\n",
      "kinds: [pods]\n",
      "plugins:\n",
      "  - use: ",
      "inventory",
      "options: ",
    ),
    fc.constantFrom(
      "&a ",
      "*a",
      "<<: ",
      "{",
      "}",
      "[",
      "]",
      '"',
      "'",
      "|\n",
      "- ",
      ": ",
      "? ",
      "!x ",
      `\${A}`,
      "${",
      "#",
    ),
    fc.constantFrom("\n", "  ", "\t", "null", "1", "true", "include: any.yaml\n", "cluster:\n", "log: ", "%YAML 1.1\n"),
    fc.string({ maxLength: 5 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
      const problems = await problemsIn(write("any.yaml", pieces.join("")), { A: "a-secret-value" });
      assert.doesNotMatch(problems.join("\n"), /a-secret-value/);
    }),
    { numRuns: 600 },
  );
});

test("variables are put in as written, and what is no variable is refused", () => {
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,5}$/);
  const text = fc.string({ maxLength: 8 }).filter((value) => !/[$}]/.test(value));
  const part = fc.oneof(
    text.map((value) => ({ written: value, meant: value })),
    fc.tuple(name, text).map(([key, value]) => ({ written: `\${NO_${key}:-${value}}`, meant: value })),
    fc.constant({ written: `$\${`, meant: `\${` }),
    fc.constant({ written: `\${GIVEN}`, meant: "$given}" }),
  );
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const expanded = expandVariables(parts.map(({ written }) => written).join(""), { GIVEN: "$given}" });
      assert.ok(expanded.kind === "text");
      assert.equal(expanded.text, parts.map(({ meant }) => meant).join(""));
    }),
  );
});

test("loadConfig rejects with one error that has every problem", async () => {
  write("wrong.yaml", "apiVersion: fairlead/v1\nkindz: [pods]\nlog: { level: loud }\n");
  await assert.rejects(loadConfig("wrong.yaml", { workingFolder: folder }), (error) => {
    assert.equal(codeOf(error), "CONFIG_INVALID");
    assert.match(
      String(error),
      /wrong\.yaml has 2 problems:\nwrong\.yaml:2:1 {2}kindz .*\nwrong\.yaml:3:15 {2}log\.level /,
    );
    return true;
  });
});

test("the controller gets paths and times that it can use, and nobody is shown a secret", async () => {
  write("token", "from-a-file\n");
  write("ca.pem", "PEM\n");
  write(
    "whole.yaml",
    `${HEAD}cluster:
  server: "https://\${HOST}:6443"
  token: file:token
  caFile: ./ca.pem
  proxyUrl: http://me:hidden@192.0.2.3:3128
  namespaces: { allow: [shop] }
plugins:
  - use: inventory
    setupTimeoutMs: 1m
    dryRun: true
  - use: inventory
    enabled: false
audit: { everyMs: 5m }
status: { token: "\${STATUS}" }
`.replace("  - use: inventory\n    enabled: false\n", ""),
  );
  const config = await loadConfig("whole.yaml", {
    workingFolder: folder,
    variables: { HOST: "192.0.2.1", STATUS: "top-secret" },
  });
  const options = toControllerOptions(config);
  assert.equal(options.cluster?.server, "https://192.0.2.1:6443");
  assert.equal(options.cluster?.tokenFile, join(folder, "token"));
  assert.equal(options.cluster?.token, undefined);
  assert.equal(options.cluster?.ca, "PEM\n");
  assert.equal(options.auditEveryMs, 300_000);
  assert.deepEqual(options.namespaces, { allow: ["shop"], deny: [] });
  assert.equal(options.status?.token, "top-secret");
  assert.deepEqual(
    options.plugins.map(({ use, setupTimeoutMs, dryRun, isolation }) => ({
      module: String(use).split("/").slice(-2).join("/"),
      setupTimeoutMs,
      dryRun,
      isolation,
    })),
    [{ module: "inventory/index.ts", setupTimeoutMs: 60_000, dryRun: true, isolation: "inline" }],
  );
  const shown = JSON.stringify(effectiveConfig(config));
  assert.doesNotMatch(shown, /top-secret|hidden|192\.0\.2\.1/);
  assert.equal(config.redact("GET https://192.0.2.1:6443 top-secret"), "GET [redacted] [redacted]");
});

test("a disabled plugin is checked and not run", async () => {
  write("disabled.yaml", `${HEAD}plugins:\n  - { use: inventory, enabled: false }\n`);
  const config = await loadConfig("disabled.yaml", { workingFolder: folder });
  assert.equal(config.plugins.length, 1);
  assert.deepEqual(toControllerOptions(config).plugins, []);
});

test("a plugin that hangs while it loads is told after its time", async () => {
  write("hangs.mjs", "await new Promise(() => {});\nexport default {};\n");
  write("hangs.yaml", "apiVersion: fairlead/v1\nplugins:\n  - use: ./hangs.mjs\n");
  const { problems } = await readConfig("hangs.yaml", { workingFolder: folder, timeoutMs: 50 });
  assert.deepEqual(problems.map(problemLine), [
    'hangs.yaml:3:10  plugins[0].use  plugin "./hangs.mjs" did not load within 50 ms',
  ]);
});

test("a schema that never answers is told after its time", async () => {
  write(
    "silent.mjs",
    `const validate = () => new Promise(() => {});
     export default { name: "silent", apiVersion: "fairlead/v1", options: { "~standard": { version: 1, vendor: "x", validate } }, setup() {} };
`,
  );
  write("silent.yaml", "apiVersion: fairlead/v1\nplugins:\n  - use: ./silent.mjs\n");
  const { problems } = await readConfig("silent.yaml", { workingFolder: folder, timeoutMs: 50 });
  assert.deepEqual(problems.map(problemLine), [
    'silent.yaml:3:10  plugins[0].use  the options\' schema of plugin "./silent.mjs" did not answer within 50 ms',
  ]);
});

test("64 files are read, one more is refused", async () => {
  const chain = (files: number): string => {
    for (let i = 1; i < files; i++) {
      write(`part-${i}.yaml`, i === files - 1 ? "log: { level: debug }\n" : `include: part-${i + 1}.yaml\n`);
    }
    return write("chain.yaml", `${HEAD}include: part-1.yaml\n`);
  };
  assert.deepEqual(await problemsIn(chain(64)), []);
  assert.deepEqual(await problemsIn(chain(65)), ["part-63.yaml:1:10  include  more than 64 files"]);
});
