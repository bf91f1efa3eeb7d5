import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WriteStream } from "node:tty";
import { fileURLToPath } from "node:url";
import { nearest } from "../core/nearest.ts";
import { type CommandSpec, commandHelp, listOption, parseOptions, textOption } from "./command.ts";
import { painted } from "./screen.ts";

const command: CommandSpec = {
  name: "try",
  maxArguments: 1,
  about: "for this test",
  options: {
    output: { value: "FORM", about: "text or json", oneOf: ["text", "json"] },
    kinds: { value: "LIST", about: "kinds", repeat: true },
    inline: { about: "a switch" },
  },
  examples: ["fairlead try"],
  load: () => Promise.reject(new Error("not loaded in this test")),
};

const BIN = fileURLToPath(new URL("./bin.ts", import.meta.url));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function fairlead(...args: string[]): Promise<Ended> {
  return fairleadWith({}, ...args);
}

function fairleadWith(more: Readonly<Record<string, string>>, ...args: string[]): Promise<Ended> {
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [BIN, ...args],
      { timeout: 60_000, env: { ...env, ...more } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
      },
    );
  });
}

test("reads options, lists and arguments", () => {
  const parsed = parseOptions(command, [
    "--output",
    "json",
    "--kinds",
    "pods,services",
    "--kinds=jobs",
    "--inline",
    "x",
  ]);
  assert.equal(textOption(parsed, "output"), "json");
  assert.deepEqual(listOption(parsed, "kinds"), ["pods", "services", "jobs"]);
  assert.deepEqual([parsed.values.inline, parsed.arguments], [true, ["x"]]);
});

test("refuses wrong options with the nearest name", () => {
  const cases: [string[], string, RegExp][] = [
    [["--outptu", "json"], "CLI_UNKNOWN_OPTION", /has no option "--outptu", did you mean "output"\?/],
    [["--zzzzzz"], "CLI_UNKNOWN_OPTION", /see fairlead try --help/],
    [["--output", "jsno"], "CLI_BAD_VALUE", /is not one of text, json, did you mean "json"\?/],
    [["--output"], "CLI_BAD_VALUE", /argument missing/],
    [
      ["--output", "-1"],
      "CLI_BAD_VALUE",
      /^--output needs a value; one that begins with "-" is written --output=VALUE$/,
    ],
    [["--inline=yes"], "CLI_BAD_VALUE", /does not take an argument/],
    [["x", "yy"], "CLI_BAD_ARGUMENT", /does not take the argument "yy"; see fairlead try --help/],
  ];
  for (const [args, code, message] of cases) {
    assert.throws(() => parseOptions(command, args), { code, message }, args.join(" "));
  }
});

test("help names every option and an example", () => {
  const help = commandHelp(command);
  for (const part of ["--output FORM", "--kinds LIST", "--inline", "--help", "$ fairlead try", "exit codes"]) {
    assert.ok(help.includes(part), part);
  }
});

test("the nearest name is one that a slip of the fingers could mean", () => {
  const known = ["pods", "services", "deployments"];
  assert.deepEqual(
    ["pdos", "sevices", "deploymnets", "nodes", "x"].map((word) => nearest(word, known)),
    ["pods", "services", "deployments", undefined, undefined],
  );
});

test("the program ends with 2 for wrong use and says what is wrong", async () => {
  const cases: [string[], RegExp][] = [
    [["rnu"], /unknown command "rnu", did you mean "run"\?/],
    [["run", "--knids", "pods"], /did you mean "kinds"\? \(CLI_UNKNOWN_OPTION\)/],
    [["run", "--kinds", "pod"], /did you mean "pods"\? \(CONFIG_UNKNOWN_KIND\)/],
    [["run", "--for", "soon"], /CONFIG_BAD_DURATION/],
    [["store", "show"], /needs "stats" or "dump"/],
    [["store", "stast"], /did you mean "stats"\? \(CLI_BAD_ARGUMENT\)/],
    [["run", "now"], /fairlead run does not take the argument "now"/],
    [["completion"], /needs "bash" or "zsh" or "fish"/],
    [["demo", "--pods", "many"], /not a whole number/],
    [["rbac", "--name", "A b"], /--name "A b" cannot be a name in Kubernetes/],
    [["rbac", "--namespace", "a/b"], /--namespace "a\/b" cannot be a name in Kubernetes/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await fairlead(...args);
    assert.match(stderr, message, args.join(" "));
    assert.equal(code, 2, args.join(" "));
  }
});

test("help of a command is the same both ways; of the program it names every command", async () => {
  const [before, after, all] = [await fairlead("help", "run"), await fairlead("run", "--help"), await fairlead("help")];
  assert.deepEqual([before.code, after.code, all.code], [0, 0, 0]);
  assert.equal(before.stdout, after.stdout);
  assert.match(before.stdout, /--config FILE.*examples:\n {2}\$ fairlead run/s);
  for (const name of [
    "run",
    "check",
    "plugins",
    "plugin",
    "rbac",
    "print",
    "demo",
    "inventory",
    "store",
    "version",
    "completion",
  ]) {
    assert.match(all.stdout, new RegExp(`^ {2}${name} `, "m"));
  }
});

test("colours are for terminals, and never where NO_COLOR is set", async () => {
  const isColoured = async (env: Record<string, string>): Promise<boolean[]> => {
    const [help, wrong] = [await fairleadWith(env, "run", "--help"), await fairleadWith(env, "rnu")];
    return [help.stdout, wrong.stderr].map((text) => text.includes("\u001b["));
  };
  assert.deepEqual(await isColoured({}), [false, false]);
  assert.deepEqual(await isColoured({ FORCE_COLOR: "1" }), [true, true]);
  assert.deepEqual(await isColoured({ NO_COLOR: "1" }), [false, false]);
  const stream = Object.assign(Object.create(WriteStream.prototype), { isTTY: true });
  const line = "  pods      watching  12  3";
  const was = { ...process.env };
  try {
    delete process.env.NO_COLOR;
    process.env.FORCE_COLOR = "1";
    assert.equal(painted(line, stream), "  pods      \u001b[32mwatching\u001b[39m  12  3");
    delete process.env.FORCE_COLOR;
    process.env.NO_COLOR = "1";
    assert.equal(painted(line, stream), line);
  } finally {
    process.env = was;
  }
});

test("a wrong kubeconfig is told with its code, as JSON where JSON was asked for", async () => {
  const text = await fairlead("run", "--kubeconfig", "/nowhere/kubeconfig");
  assert.equal(text.code, 1);
  assert.match(text.stderr, /\/nowhere\/kubeconfig.*\(KUBE_[A-Z_]+\)/);
  const json = await fairlead("run", "--kubeconfig", "/nowhere/kubeconfig", "--output", "json");
  const line: unknown = JSON.parse(json.stderr.trim().split("\n").at(-1) ?? "");
  assert.ok(typeof line === "object" && line !== null && "code" in line && String(line.code).startsWith("KUBE_"));
});

test("the demo follows a living cluster and ends with its figures", async () => {
  const { code, stdout, stderr } = await fairlead("demo", "--for", "2s", "--output", "json", "--pods", "50");
  assert.equal(code, 0, stderr);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line): Record<string, unknown> => JSON.parse(line));
  const types = new Set(lines.map((line) => line.type));
  for (const type of ["progress", "synced", "status", "end"]) {
    assert.ok(types.has(type), `no "${type}" line`);
  }
  const end = lines.at(-1) ?? {};
  assert.equal(end.type, "end");
  assert.equal(end.drift, 0);
  for (const figure of ["events", "reconnects", "cpuMs", "residentMb", "longestStallMs"]) {
    assert.equal(typeof end[figure], "number", figure);
  }
  const { objects } = end;
  assert.ok(typeof objects === "object" && objects !== null && "pods" in objects && Number(objects.pods) > 20);
});

test("output that cannot be written is a failure with a reason, and lost messages change no exit code", async (t) => {
  const unwritable = "</dev/null"; // opened for reading: like a full disk, on every system
  const to = (stdout: string, stderr: string, ...args: string[]): Promise<number> => {
    const script = `exec "$0" "$@" 1${stdout} 2${stderr}`;
    return new Promise((resolve) => {
      const child = execFile("/bin/sh", ["-c", script, process.execPath, BIN, ...args], () =>
        resolve(child.exitCode ?? -1),
      );
    });
  };
  const folder = mkdtempSync(join(tmpdir(), "fairlead-full-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const said = join(folder, "said");
  assert.equal(await to(unwritable, `>${said}`, "completion", "bash"), 1);
  assert.match(readFileSync(said, "utf8"), /^fairlead: the output is not complete: .*EBADF.* \(CLI_OUTPUT_FAILED\)\n$/);
  assert.equal(await to(`>${said}`, unwritable, "frob"), 2);
});
