import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseOptions } from "../../config/command.ts";
import { commands } from "../../config/commands.ts";
import { problemLine, readConfig } from "../../config/index.ts";
import { createApiServer } from "../../core/testing/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const folder = mkdtempSync(join(tmpdir(), "fairlead-guides-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const run = promisify(execFile);

/** The code blocks of a page in one language. */
function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , text]) => text);
}

/** Words of a line as a shell sees them: quotes taken off, up to a comment, a pipe or a redirection. */
function words(line: string): string[] {
  const found = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare,
  );
  const end = found.findIndex((word) => /^(#|\||>|2>&1|&&)/.test(word));
  return end < 0 ? found : found.slice(0, end);
}

test("every fairlead line of the pages is one that the program takes", () => {
  const wrong: string[] = [];
  let count = 0;
  for (const page of ["README.md", ...globSync("docs/guide/*.md", { cwd: ROOT })]) {
    for (const line of blocks(page, "console").join("").split("\n")) {
      const args = /^\$ (?:npx fairlead|fairlead|npm run fairlead --|npm run (?=demo --)) ?(.*)/.exec(line)?.[1];
      if (args === undefined) {
        continue;
      }
      const [name, ...rest] = words(args.replace(/^demo -- /, "demo "));
      const command = commands.find((known) => known.name === name);
      count++;
      try {
        assert.ok(command, `no command "${name}"`);
        parseOptions(command, rest);
      } catch (error) {
        wrong.push(`${page}: ${line}: ${error}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(count > 15, `${count} lines were found`);
});

test("every fairlead.yaml of first run, troubleshooting and DNS is taken as it is", async () => {
  let count = 0;
  for (const page of ["docs/guide/first-run.md", "docs/guide/troubleshoot.md", "docs/guide/dns.md"]) {
    for (const text of blocks(page, "yaml").filter((block) => block.includes("apiVersion: fairlead/"))) {
      const file = join(folder, `page-${count++}.yaml`);
      writeFileSync(file, text);
      const { problems } = await readConfig(file, { load: "all" });
      assert.deepEqual(problems.map(problemLine), [], page);
    }
  }
  assert.equal(count, 6);
});

test("what troubleshooting says that the program says, it says", () => {
  const sources = globSync("{core,config,sandbox}/**/*.ts", { cwd: ROOT }).filter((path) => !/\.test(-|\.)/.test(path));
  const program = sources.map(read).join("\n");
  const unknown: string[] = [];
  const messages = [...read("docs/guide/troubleshoot.md").matchAll(/^\| (.*?) \| /gm)].flatMap(([, cell]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code),
  );
  for (const message of messages) {
    for (const part of message.split("…").map((piece) => piece.replace(/^[^a-zA-Z]+|[^a-zA-Z]+$/g, ""))) {
      if (part !== "" && !program.includes(part)) {
        unknown.push(`"${part}" of "${message}"`);
      }
    }
  }
  assert.deepEqual(unknown, []);
  assert.ok(messages.length > 30, `${messages.length} messages were found`);
});

test("the code of the page on embedding runs, and its types hold", async () => {
  await using server = await createApiServer();
  mkdirSync(join(folder, "node_modules", "@types"), { recursive: true });
  symlinkSync(ROOT, join(folder, "node_modules", "fairlead"));
  for (const name of ["pino", "prom-client", "@types/node", "undici-types"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  }
  const frame = `
    import type { PluginContext } from "fairlead/plugin";
    import { pino } from "pino";
    import { Registry } from "prom-client";
    const yourPinoLogger = pino({ level: "silent" });
    const yourRegistry = new Registry();
    const told: unknown[] = [];
    const forget = (key: string): unknown => told.push(key);
    const remember = (key: string, address: string | undefined): unknown => told.push(key, address);
    const alarm = forget as (plugin: string, code: string) => unknown;\n`;
  const program = `${frame}${blocks("docs/guide/embed.md", "ts").join("\n")}\nconsole.log(addresses.length, watched.plugins()[0]?.state);
    await cluster.stop();\n`;
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "embed.ts"), program);
  writeFileSync(join(folder, "kubeconfig"), server.kubeconfig());
  writeFileSync(join(folder, "fairlead.yaml"), "apiVersion: fairlead/v1\nplugins: [{ use: inventory }]\n");
  const env = { ...process.env, KUBECONFIG: join(folder, "kubeconfig") };
  const { stdout } = await run(process.execPath, ["embed.ts"], { cwd: folder, env, timeout: 60_000 });
  assert.equal(stdout, "0 running\n");
  const strict = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2024"];
  const args = [...strict, "--lib", "es2024,esnext.disposable", "--types", "node", "embed.ts"];
  await run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), ...args], { cwd: folder }).catch(
    ({ stdout }: { stdout: string }) => assert.fail(stdout),
  );
});
