import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { ingestThreadFile } from "./ingest-file.ts";

const CONTROLLER = new URL("../controller/create-controller.ts", import.meta.url).href;
const KINDS = new URL("../kinds/index.ts", import.meta.url).href;

test("the module of the thread is beside this one", () => {
  assert.ok(existsSync(ingestThreadFile()));
});

test("in a bundle, where no module is beside it, the error says how to bundle", () => {
  const error = { code: "WATCH_NO_THREAD", message: /\/nowhere\/ingest-thread\.js.*--packages=external/ };
  assert.throws(() => ingestThreadFile("file:///nowhere/service.js"), error);
  // As it is in a bundle of CommonJS.
  assert.throws(() => ingestThreadFile(""), { code: "WATCH_NO_THREAD" });
});

test("a process that may not have workers is told so", async () => {
  const program = `
    const { createController } = await import(${JSON.stringify(CONTROLLER)});
    const { pods } = await import(${JSON.stringify(KINDS)});
    const cluster = { server: "http://127.0.0.1:1" };
    await createController({ cluster, kinds: [pods] }).start().catch((error) => console.log(error.code, error.message));`;
  const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.match(stdout, /^WATCH_NO_THREAD the ingest thread cannot be made .*--allow-worker/);
});
