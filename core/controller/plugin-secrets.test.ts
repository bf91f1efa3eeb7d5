import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readSecret } from "./plugin-secrets.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "fairlead-secrets-"));
});
after(() => rmSync(folder, { recursive: true }));

test("a secret is read anew from its file or the environment", async () => {
  const path = join(folder, "token");
  writeFileSync(path, "first\n");
  assert.equal(await readSecret(`file:${path}`, {}), "first");
  writeFileSync(path, "second\r\n");
  assert.equal(await readSecret(`file:${path}`, {}), "second");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how users write it
  assert.equal(await readSecret("${TOKEN}", { TOKEN: "third" }), "third");
});

test("what cannot be read is named, and no secret shows", async () => {
  const large = join(folder, "large");
  writeFileSync(large, Buffer.alloc(1_048_577));
  await assert.rejects(readSecret(`file:${large}`, {}), { code: "SECRET_UNREADABLE" });
  await assert.rejects(readSecret(`file:${folder}`, {}), { code: "SECRET_UNREADABLE" });
  await assert.rejects(readSecret(`file:${folder}/none`, {}), { code: "SECRET_NOT_FOUND" });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how users write it
  await assert.rejects(readSecret("${NONE}", {}), { code: "SECRET_NOT_FOUND" });
  await assert.rejects(readSecret("hunter2", {}), (error: Error) => !error.message.includes("hunter2"));
});
