import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FAULTY_PLUGINS } from "./faulty-plugins.test-support.ts";

const MODULE = fileURLToPath(new URL("./conformance-of-faulty.test-support.ts", import.meta.url));

/** Names of the tests that failed, out of the TAP that the suite prints in a process of its own. */
async function failuresOf(plugin: string): Promise<string[]> {
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const run = promisify(execFile)(process.execPath, ["--test-force-exit", "--test-reporter=tap", MODULE, plugin], {
    env,
    timeout: 60_000,
  });
  const { stdout } = await run.catch((error: { readonly stdout: string }) => error);
  assert.match(stdout, /^# tests [1-9]/m, "the suite did not run to its end");
  return [...stdout.matchAll(/^not ok \d+ - conformance[^:]*: (.*)$/gm)].map(([, name]) => name);
}

for (const name of Object.keys(FAULTY_PLUGINS)) {
  test(`the suite finds what is wrong: ${name}`, async () => {
    const failures = await failuresOf(name);
    assert.ok(failures.includes(name), `found only: ${failures.join("; ")}`);
  });
}

test("the suite finds writes that are not covered by permissions", async () => {
  assert.deepEqual(await failuresOf("presumptuous"), ["follows additions, changes and deletions without an error"]);
});

test("the suite finds rejections that nobody handles", async () => {
  const failures = await failuresOf("careless");
  assert.ok(failures.includes("stays up when the API server refuses its writes"), failures.join("; "));
});
