import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { generatedPages } from "./docs.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), "utf8");

test("generated reference pages are current", () => {
  for (const { path, text } of generatedPages()) {
    assert.equal(readFileSync(path, "utf8"), text, `${path.pathname} is stale: npm run docs`);
  }
});

test("every error code of the code is explained, and no other", () => {
  const used = new Set<string>();
  const sources = globSync("{core,config,sandbox}/**/*.ts", { cwd: ROOT }).filter((path) => !path.endsWith(".test.ts"));
  for (const path of sources) {
    for (const [, code] of read(path).matchAll(
      /"((?:CLI|CONFIG|CONTROLLER|CRD|DEMO|ELECTION|FAULT|HOOK|INGEST|KIND|KUBE|METRIC|PLUGIN|RECONCILE|RESOURCE|RPC|SECRET|SERVICE|SHARD|STATUS|STORE|TASK|TESTING|THREAD|WATCH|WIRE)_[A-Z0-9_]+)"/g,
    )) {
      used.add(code);
    }
  }
  const explained = [...read("docs/reference/errors.md").matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, code]) => code);
  assert.deepEqual([...new Set(explained)].sort(), [...used].sort());
});

test("links between the pages lead somewhere", () => {
  const pages = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md", { cwd: ROOT })];
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      if (!existsSync(new URL(target, new URL(page, ROOT)))) {
        broken.push(`${page} -> ${target}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});
