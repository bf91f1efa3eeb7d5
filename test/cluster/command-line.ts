import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Cluster } from "./cluster.ts";
import { essences, makeNamespace, onServer } from "./following.ts";

const BIN = fileURLToPath(new URL("../../config/bin.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  readonly stderr: string;
}

/** Runs the program; with `onSynced` something is done to it when it is. */
async function fairlead(args: readonly string[], onSynced?: (child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  let isSynced = false;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    if (!isSynced && stdout.includes('"type":"synced"')) {
      isSynced = true;
      onSynced?.(child);
    }
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  const lines = stdout.split("\n").filter((line) => line !== "");
  return { code, lines: lines.map((line) => JSON.parse(line)), stderr };
}

/** Tests of `fairlead run` and `fairlead store`; they run beside others that use the same cluster(). */
export function commandLineTests(cluster: () => Cluster): void {
  const json = ["--output", "json"];

  test("run --for ends with 0 and the figures", async () => {
    const namespace = "command-line";
    await makeNamespace(cluster(), namespace);
    for (const name of ["one", "two"]) {
      await cluster().send("POST", `/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name } });
    }
    const what = ["--kinds", "configmaps,pods", "--namespaces", namespace];
    const args = ["run", "--kubeconfig", cluster().kubeconfigPath, "--for", "3s", ...what, ...json];
    const { code, lines, stderr } = await fairlead(args);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.ok(lines.some(({ type }) => type === "synced"));
    const last = lines.at(-1);
    assert.equal(last?.type, "end");
    assert.deepEqual(last?.objects, { configmaps: 2, pods: 0 });
    for (const figure of ["events", "reconnects", "drift", "cpuMs", "residentMb", "longestStallMs"]) {
      assert.equal(typeof last?.[figure], "number", figure);
    }
  });

  test("SIGTERM ends it like the end of its time", async () => {
    const args = ["run", "--kubeconfig", cluster().kubeconfigPath, "--kinds", "pods", ...json];
    const { code, lines, stderr } = await fairlead(args, (child) => child.kill("SIGTERM"));
    assert.deepEqual([code, stderr, lines.at(-1)?.type], [0, "", "end"]);
  });

  test("a wrong kubeconfig or kind is told with its code", async () => {
    const run = (...args: readonly string[]) => fairlead(["run", "--for", "3s", ...args, ...json]);
    const [absent, context, kind] = await Promise.all([
      run("--kubeconfig", join(cluster().folder, "no-such-file")),
      run("--kubeconfig", cluster().kubeconfigPath, "--context", "no-such-context"),
      run("--kubeconfig", cluster().kubeconfigPath, "--kinds", "podz"),
    ]);
    assert.deepEqual(
      [absent, context, kind].map(({ code, stderr }) => [code, JSON.parse(stderr).code]),
      [
        [1, "KUBE_BAD_CONFIG"],
        [1, "KUBE_BAD_CONFIG"],
        [2, "CONFIG_UNKNOWN_KIND"],
      ],
    );
  });

  test("store stats and store dump show what is inside", async () => {
    const at = ["--kubeconfig", cluster().kubeconfigPath, "--kinds", "configmaps"];
    const [stats, dump] = await Promise.all([
      fairlead(["store", "stats", ...at, ...json]),
      fairlead(["store", "dump", "configmaps", "--kubeconfig", cluster().kubeconfigPath, "--namespace", "kube-system"]),
    ]);
    assert.deepEqual([stats.code, dump.code, stats.stderr, dump.stderr], [0, 0, "", ""]);
    const kinds = Reflect.get(Object(stats.lines[0]), "kinds");
    assert.ok(Reflect.get(Object(Reflect.get(Object(kinds), "configmaps")), "objects") > 0);
    assert.deepEqual(essences(dump.lines), await onServer(cluster(), "configmaps", "kube-system"));
  });
}
