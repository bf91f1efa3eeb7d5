import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ApiServer, createApiServer } from "../core/testing/index.ts";
import { ProgramRun } from "./program-run.test-support.ts";

const root = mkdtempSync(join(tmpdir(), "fairlead-run-"));
let server: ApiServer;

before(async () => {
  server = await createApiServer();
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
});
after(async () => {
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Says in its log what happens to it, and ends as its options say. */
const PLUGIN = (name: string): string => `
  const options = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: value ?? {} }) } };
  export default {
    name: "${name}", apiVersion: "fairlead/v1", needs: { pods: ["phase"] }, options,
    setup({ options, log, hooks, metrics }) {
      log.debug({}, "setting up");
      if (options.waits) return new Promise(() => {});
      if (options.fails) throw new Error("does not want to");
      if (options.exits) hooks.synced.tap(() => process.exit(0));
      metrics.gauge("mark", "As set by the options.").set(options.mark ?? 0);
      log.info({ mark: options.mark, said: "the word is " + options.word }, "set up");
      hooks.stop.tap(() => {
        log.info({}, "told to stop");
        return options.hangs ? new Promise((resolve) => setTimeout(resolve, 60_000)) : undefined;
      });
    },
  };`;

/** A run of the program in a folder of its own, with two plugins. */
class Run extends ProgramRun {
  readonly folder: string;

  constructor(name: string, yaml: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    const folder = join(root, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "kubeconfig"), server.kubeconfig());
    for (const plugin of ["one", "two"]) {
      writeFileSync(join(folder, `${plugin}.mjs`), PLUGIN(plugin));
    }
    writeFileSync(join(folder, "fairlead.yaml"), `${HEAD}${yaml}`);
    super(["run", ...args], { folder, env: { ...env, KUBECONFIG: join(folder, "kubeconfig") } });
    this.folder = folder;
  }

  write(yaml: string): void {
    writeFileSync(join(this.folder, "fairlead.yaml"), `${HEAD}${yaml}`);
  }
}

const HEAD = "apiVersion: fairlead/v1\n";
const STATUS = "status: { host: 127.0.0.1, port: 0 }\n";
const ONE = (options: string): string => `  - { use: ./one.mjs, options: { ${options} } }\n`;
const TWO = (options: string): string => `  - { use: ./two.mjs, options: { ${options} } }\n`;

test("runs the plugins of fairlead.yaml in the folder and ends with 0 on SIGTERM, stopped in reverse", async () => {
  await using run = new Run("ends", `plugins:\n${ONE("mark: 1")}${TWO("mark: 2")}`);
  await run.said("cluster followed");
  run.signal("SIGTERM");
  const { code, stdout } = await run.ended;
  assert.deepEqual([code, stdout], [0, ""]);
  const told = run.lines.filter(({ plugin }) => plugin !== undefined).map(({ plugin, msg }) => `${plugin} ${msg}`);
  assert.deepEqual(told, ["one set up", "two set up", "two told to stop", "one told to stop"]);
  assert.equal(run.lines.at(-1)?.msg, "ended");
});

test("a plugin that ends the process is told as that, not as a clean end", async () => {
  await using run = new Run("exits", `plugins:\n${ONE("exits: true")}`);
  const { code, stderr } = await run.ended;
  assert.equal(code, 1);
  assert.match(stderr, /ended from within \(code 0\): a plugin called process\.exit\(\).*CLI_ENDED_BY_PLUGIN/);
});

test("a changed file restarts only what changed", async () => {
  await using run = new Run("reloads", `plugins:\n${ONE("mark: 1")}${TWO("mark: 2")}${STATUS}`);
  const { url } = await run.said("status served");
  await run.said("cluster followed");
  const before = run.lines.length;
  run.write(`plugins:\n${ONE("mark: 1")}${TWO("mark: 3")}${STATUS}`);
  await run.said("configuration reloaded", before);
  const told = run.lines.slice(before).flatMap(({ plugin, msg }) => (plugin === undefined ? [] : [`${plugin} ${msg}`]));
  assert.deepEqual(told, ["two told to stop", "two set up"]);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^fairlead_two_mark 3$/m);
  assert.match(metrics, /^fairlead_config_reloads_total\{result="taken"\} 1$/m);
  assert.match(metrics, /^fairlead_config_current 1$/m);
});

test("a bad file keeps the old one running, and log, metric and health say so until it is mended", async () => {
  await using run = new Run("bad", `plugins:\n${ONE("mark: 1")}${STATUS}`);
  const { url } = await run.said("status served");
  await run.said("cluster followed");
  const health = async (): Promise<string> => {
    const answer = await fetch(`${url}/readyz?verbose`);
    assert.equal(answer.status, 200);
    return await answer.text();
  };
  assert.match(await health(), /\[\+\]config ok\n/);
  run.write(`plugin:\n${ONE("mark: 1")}${STATUS}`);
  const { problems } = await run.said("changed configuration is not used; the old one runs on");
  assert.match(String(problems), /fairlead\.yaml:2:1 +plugin +unknown key "plugin", did you mean "plugins"\?/);
  assert.match(
    await health(),
    /\[\+\]config ok: the changed file is not used, the log tells why: fairlead\.yaml has 1 problem\n/,
  );
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^fairlead_config_reloads_total\{result="refused"\} 1$/m);
  assert.match(metrics, /^fairlead_config_current 0$/m);
  assert.match(metrics, /^fairlead_one_mark 1$/m);
  run.write(`plugins:\n${ONE("mark: 2")}${STATUS}`);
  await run.said("configuration reloaded");
  assert.match(await health(), /\[\+\]config ok\n/);
});

test("a plugin that does not start with its new options brings the old ones back", async () => {
  await using run = new Run("back", `plugins:\n${ONE("mark: 1")}${STATUS}`);
  const { url } = await run.said("status served");
  await run.said("cluster followed");
  run.write(`plugins:\n${ONE("fails: true")}${STATUS}`);
  const { code, detail } = await run.said("changed configuration is not used; the old one runs on");
  assert.equal(code, "CONFIG_RELOAD_FAILED");
  assert.match(String(detail), /does not want to/);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^fairlead_one_mark 1$/m);
});

test("SIGHUP reads the file at once; what needs a restart is said", async () => {
  await using run = new Run("hangup", `plugins:\n${ONE("mark: 1")}`);
  await run.said("cluster followed");
  run.write(`plugins:\n${ONE("mark: 2")}store: { maxBytes: 128MiB }\n`);
  run.signal("SIGHUP");
  const { parts } = await run.said("changes of the configuration need a restart");
  assert.deepEqual(parts, ["store"]);
  run.signal("SIGHUP");
  await run.said("configuration read again, nothing changed");
});

test("a SIGHUP while the configuration is read for the first time ends nothing", async () => {
  const early = join(root, "early.mjs");
  writeFileSync(early, `process.kill(process.pid, "SIGHUP");${PLUGIN("early")}`);
  await using run = new Run("early", `plugins:\n  - { use: ${early} }\n`);
  await run.said("cluster followed");
  run.signal("SIGTERM");
  assert.equal((await run.ended).code, 0);
});

test("what keeps it from starting is in the log too, for who reads nothing else", async () => {
  await using run = new Run("fails-in-the-log", `plugins:\n${ONE("fails: true")}`);
  const { code, detail, level } = await run.said("ended by an error");
  assert.deepEqual([code, level], ["PLUGIN_SETUP_FAILED", 50]);
  assert.match(String(detail), /does not want to/);
  assert.equal((await run.ended).code, 1);
});

test("flags win over the file, after a reload too", async () => {
  const silent = (plugins: string): string => `kinds: [pods]\nlog: { level: silent }\n${plugins}`;
  const flags = ["--log-level", "info", "--kinds", "configmaps", "--output", "json"];
  await using run = new Run("flags", silent(""), flags);
  await run.said("configuration read");
  run.write(silent(`plugins:\n${ONE("mark: 1")}`));
  await run.said("configuration reloaded");
  run.signal("SIGTERM");
  const { code, stdout } = await run.ended;
  assert.equal(code, 0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));
  assert.deepEqual(Object.keys(lines.at(-1).objects).sort(), ["configmaps", "pods"]);
  assert.deepEqual(Object.keys(lines.find(({ type }) => type === "synced").objects), ["configmaps"]);
});

test("values that come from the environment or a file are in no line of the log", async () => {
  const yaml = `plugins:\n${ONE(`mark: 1, word: "\${SECRET_WORD}"`)}`;
  await using run = new Run("secret", yaml, ["--log-level", "debug"], { SECRET_WORD: 'open"sesame' });
  const { said } = await run.said("set up");
  assert.equal(said, "the word is [redacted]");
  await run.said("cluster followed");
  run.signal("SIGTERM");
  assert.equal((await run.ended).stderr.includes("sesame"), false);
});

test("a change that is under way does not hold up the end", async () => {
  await using run = new Run("under-way", `plugins:\n${ONE("mark: 1")}`, ["--log-level", "debug"]);
  await run.said("cluster followed");
  const before = run.lines.length;
  run.write(`plugins:\n  - { use: ./one.mjs, setupTimeoutMs: 20s, options: { waits: true } }\n`);
  await run.said("setting up", before);
  const toldAtMs = performance.now();
  run.signal("SIGTERM");
  const { code } = await run.ended;
  assert.equal(code, 0);
  assert.ok(performance.now() - toldAtMs < 15_000);
  assert.deepEqual(
    run.lines.filter(({ level }) => level >= 50).map(({ msg }) => msg),
    [],
  );
});

test("a second signal ends at once what does not want to end", async () => {
  await using run = new Run(
    "second",
    `plugins:\n  - { use: ./one.mjs, stopTimeoutMs: 1m, options: { hangs: true } }\n`,
  );
  await run.said("cluster followed");
  run.signal("SIGTERM");
  await run.said("told to stop");
  run.signal("SIGTERM");
  assert.equal((await run.ended).code, 143);
});

test("what keeps it from starting is told with its code, and the exit code tells mistakes from failures", async () => {
  await using bad = new Run("wrong", "plugins: [{ use: ./three.mjs }]\n");
  const wrong = await bad.ended;
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /fairlead\.yaml:2:\d+.*three\.mjs.*\(CONFIG_INVALID\)/s);
  await using failing = new Run("fails", `plugins:\n${ONE("fails: true")}`);
  const failed = await failing.ended;
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /plugin "one".*does not want to.*\(PLUGIN_[A-Z_]+\)/s);
});
