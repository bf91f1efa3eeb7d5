import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { access, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startCluster, whyNoCluster } from "./cluster.ts";
import { programModule } from "./source-folder.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);
const options = { skip: missing ?? false };
const GONE_DEADLINE_MS = 10_000;

/** Starts a cluster in a process of its own, which tells the run folder and then hangs. */
async function startElsewhere(): Promise<{ readonly child: ChildProcess; readonly folder: string }> {
  const script = `
    const { startCluster } = await import(${JSON.stringify(programModule("cluster"))});
    const cluster = await startCluster({ components: ["etcd", "apiserver"] });
    console.log(cluster.folder);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [folder] = await once(createInterface({ input: child.stdout }), "line");
  return { child, folder };
}

/** Processes whose command line names a folder. */
async function processesOf(folder: string): Promise<readonly { readonly pid: number; readonly command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.includes(folder)) {
      found.push({ pid: Number(pid), command: command.replaceAll("\0", " ") });
    }
  }
  return found;
}

async function untilEnded(folder: string): Promise<void> {
  const deadline = Date.now() + GONE_DEADLINE_MS;
  for (;;) {
    const left = await processesOf(folder);
    if (left.length === 0) {
      return;
    }
    assert.ok(Date.now() < deadline, `left behind: ${left.map(({ command }) => command.slice(0, 80)).join(", ")}`);
    await delay(50); // Processes that are not our children cannot be waited for.
  }
}

/** The supervisor removes the folder last. */
async function untilGone(folder: string): Promise<void> {
  await untilEnded(folder);
  await assert.rejects(access(folder));
}

test("a caller that is killed leaves no process and no file behind", options, async () => {
  const { child, folder } = await startElsewhere();
  const running = await processesOf(folder);
  assert.equal(running.filter(({ command }) => /^\S*(etcd|kube-apiserver|node) /.test(command)).length, 3);
  child.kill("SIGKILL");
  await untilGone(folder);
});

// Only the kernel can end the components of a supervisor that was killed, and it is asked to where this program is.
if (existsSync("/usr/bin/setpriv")) {
  test("a supervisor that is killed takes its components along", options, async () => {
    const cluster = await startCluster({ components: ["etcd", "apiserver"] });
    const supervisor = (await processesOf(cluster.folder)).find(({ command }) => command.includes("supervisor"));
    assert.ok(supervisor !== undefined);
    process.kill(supervisor.pid, "SIGKILL");
    await untilEnded(cluster.folder);
    await cluster.stop();
    await assert.rejects(access(cluster.folder));
  });
}

test("two clusters at once know nothing of each other", options, async () => {
  const components = ["etcd", "apiserver"] as const;
  const [one, two] = await Promise.all([startCluster({ components }), startCluster({ components })]);
  try {
    const maps = "/api/v1/namespaces/default/configmaps";
    await one.send("POST", maps, { metadata: { name: "only-here" } });
    assert.equal((await two.request("GET", `${maps}/only-here`)).status, 404);
    assert.notEqual(one.caPem, two.caPem);
  } finally {
    await Promise.all([one.stop(), two.stop()]);
  }
  await Promise.all([untilGone(one.folder), untilGone(two.folder)]);
});

test("the command line starts a cluster that outlives it, tells of it and stops it", options, async () => {
  const name = `test-${process.pid}`;
  const up = await cli("up", "--name", name, "--components", "etcd,apiserver");
  try {
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stdout, /^export KUBECONFIG=\//);
    const again = await cli("up", "--name", name);
    assert.deepEqual([again.code, again.stderr.includes("runs already")], [1, true]);
    const status = await cli("status");
    assert.match(status.stdout, new RegExp(`^${name}  ready  https://127\\.0\\.0\\.1:\\d+`, "m"));
  } finally {
    const down = await cli("down", "--name", name);
    assert.equal(down.code, 0, down.stderr);
  }
  const folder = up.stdout.split("=")[1].split("/kubeconfigs/")[0];
  assert.ok(folder.startsWith(tmpdir()), folder);
  await untilGone(folder);
  const gone = await cli("down", "--name", name);
  assert.deepEqual([gone.code, gone.stderr.includes(`no cluster "${name}" runs`)], [1, true]);
});

test("the command line refuses what it does not know", async () => {
  const wrong = [
    { args: ["jump"], said: '"jump" is not a command' },
    { args: ["up", "--components", "etcd,kubelet"], said: '"kubelet" is not a component' },
    { args: ["up", "--seeded", "huge"], said: '"huge" is not a shape' },
    { args: ["status", "--color"], said: "--color" },
  ];
  for (const { args, said } of wrong) {
    const { code, stderr } = await cli(...args);
    assert.notEqual(code, 0, args.join(" "));
    assert.ok(stderr.includes(said), stderr);
  }
  assert.equal((await cli("--help")).code, 0);
});

async function cli(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [programModule("cli"), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}
