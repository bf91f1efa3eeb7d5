import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { commands } from "./commands.ts";
import { completionScript, SHELLS } from "./completion.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-completion-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const files = new Map(
  SHELLS.map((shell) => {
    const file = join(folder, `fairlead.${shell}`);
    writeFileSync(file, completionScript(shell, commands));
    return [shell, file];
  }),
);
writeFileSync(join(folder, "one.yaml"), "");

function run(shell: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(shell, [...args], { cwd: folder, encoding: "utf8", timeout: 20_000 });
  assert.deepEqual([status, stderr], [0, ""], shell);
  return stdout;
}

const exists = (shell: string): boolean => spawnSync(shell, ["--version"]).error === undefined;

/** What bash offers for the last of the words. */
function offered(...words: readonly string[]): string[] {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const script = `source "$1"; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _fairlead; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run("bash", ["-c", script, "bash", files.get("bash") ?? ""])
    .split("\n")
    .filter((line) => line !== "");
}

test("bash completes commands, options, their values, first arguments and files", () => {
  assert.deepEqual(offered("fairlead", "ru"), ["run"]);
  assert.deepEqual(offered("fairlead", "run", "--out"), ["--output"]);
  assert.deepEqual(offered("fairlead", "run", "--output", "j"), ["json"]);
  assert.deepEqual(offered("fairlead", "run", "--output", "=", "j"), ["json"]);
  assert.deepEqual(offered("fairlead", "run", "--output", "="), ["text", "json"]);
  assert.deepEqual(offered("fairlead", "store", "st"), ["stats"]);
  assert.deepEqual(offered("fairlead", "run", "--kubeconfig", "o"), ["one.yaml"]);
  assert.deepEqual(offered("fairlead", "run", "--for", ""), []);
  assert.deepEqual(offered("fairlead", "nothing", ""), []);
});

test("every command and option of the table is in every script", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, commands);
    for (const command of commands) {
      for (const name of [command.name, ...Object.keys(command.options)]) {
        assert.ok(script.includes(name), `${shell}: ${name} of ${command.name}`);
      }
    }
  }
  assert.throws(() => completionScript("tcsh", commands), { code: "CLI_BAD_ARGUMENT", message: /bash, zsh, fish/ });
});

for (const shell of SHELLS.filter(exists)) {
  test(`${shell} finds no mistake in its script`, () => {
    run(shell, ["-n", files.get(shell) ?? ""]);
  });
}

if (exists("fish")) {
  test("fish completes commands, options and their values", () => {
    const ask = (line: string): string[] =>
      run("fish", ["-c", `source '${files.get("fish")}'; complete -C '${line}'`])
        .trim()
        .split("\n")
        .map((offer) => offer.split("\t")[0]);
    assert.deepEqual(ask("fairlead ru"), ["run"]);
    assert.deepEqual(ask("fairlead run --outp"), ["--output"]);
    assert.deepEqual(ask("fairlead run --output "), ["json", "text"]);
    assert.ok(ask("fairlead store ").includes("stats"));
  });
}
