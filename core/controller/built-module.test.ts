import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Plugin } from "../api/index.ts";
import { harness } from "../testing/index.ts";
import { builtModule } from "./built-module.ts";

const SUM = "export default (numbers) => numbers.reduce((sum, one) => sum + one, 0);";
const ECHO = "export default ({ post, onMessage }) => onMessage((message) => post(message));";

async function folderWith(t: { after(end: () => Promise<void>): void }, files: Record<string, string>): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), "built-module-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text);
  }
  return pathToFileURL(`${folder}/`);
}

test("a module in TypeScript that was built is its JavaScript", async (t) => {
  const folder = await folderWith(t, { "a.js": "", "b.mjs": "", "c.ts": "", "c.js": "" });
  const meant = (name: string) => builtModule(new URL(name, folder), "TASK_BAD_MODULE").href.slice(folder.href.length);
  const names = ["a.ts", "a.ts?v=1", "b.mts", "c.ts", "c.js", "gone.ts", "gone.js"];
  assert.deepEqual(names.map(meant), ["a.js", "a.js?v=1", "b.mjs", "c.ts", "c.js", "gone.ts", "gone.js"]);
  assert.equal(builtModule(new URL("data:text/javascript,x.ts"), "TASK_BAD_MODULE").href, "data:text/javascript,x.ts");
});

test("threads and tasks of a plugin run when only their built files are there", async (t) => {
  const folder = await folderWith(t, {
    "package.json": '{ "type": "module" }',
    "sum.js": SUM,
    "echo.js": ECHO,
  });
  const built = {
    name: "built",
    apiVersion: "fairlead/v1",
    provides: ["built"],
    setup({ tasks, threads, services }) {
      const echo = threads.spawn<string, string>(new URL("./echo.ts", folder));
      services.provide("built", {
        // As in JavaScript, where no type says that it must be a URL.
        badTask: (module: never) => tasks.run(module, 1),
        badThread: (module: never) => threads.spawn(module).alive,
        sum: (numbers: readonly number[]) => tasks.run(new URL("./sum.ts", folder), numbers),
        async echo(text: string) {
          await echo.ready;
          const answer = new Promise<string>((resolve) => {
            echo.onMessage(resolve);
          });
          echo.post(text);
          return await answer;
        },
      });
    },
  } satisfies Plugin;
  await using h = await harness(built);
  assert.equal(await h.call("built", "sum", [1, 2, 4]), 7);
  assert.equal(await h.call("built", "echo", "hello"), "hello");
  const message = /named by a URL, not by "\.\/sum\.ts"; write new URL\("\.\/sum\.ts", import\.meta\.url\)/;
  await assert.rejects(h.call("built", "badTask", "./sum.ts"), { code: "TASK_BAD_MODULE", message });
  await assert.rejects(h.call("built", "badThread", "./sum.ts"), { code: "THREAD_BAD_MODULE", message });
});
