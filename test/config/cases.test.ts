import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { expectedOf, FOLDER, foundIn, readCase, VARIABLES } from "./cases.ts";

function filesIn(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, FOLDER)).filter((name) => name.endsWith(".yaml"));
}

for (const name of filesIn("bad")) {
  test(`bad/${name} is refused with its message`, async () => {
    const expected = expectedOf(`bad/${name}`);
    const read = await readCase(`bad/${name}`);
    assert.deepEqual(foundIn(read), expected);
    assert.equal(read.config, undefined);
    assert.notEqual(expected.length, 0, "a bad file says in its first lines what is wrong");
    assert.doesNotMatch(expected.join(), new RegExp(VARIABLES.TOKEN), "no message shows a value of the environment");
  });
}

test("there are at least 60 bad files", () => {
  assert.ok(filesIn("bad").length >= 60);
});
