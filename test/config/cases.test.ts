import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { effectiveConfig } from "../../config/file/effective.ts";
import { configAsYaml } from "../../config/print.ts";
import { expectedOf, FOLDER, foundIn, readCase, readPrinted, VARIABLES } from "./cases.ts";

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

for (const name of filesIn("good")) {
  test(`good/${name} means what it says`, async () => {
    const read = await readCase(`good/${name}`);
    assert.deepEqual(foundIn(read), []);
    assert.ok(read.config);
    const shown: unknown = JSON.parse(JSON.stringify(effectiveConfig(read.config)));
    const expected = expectedOf(`good/${name}`);
    assert.notEqual(expected.length, 0, "a good file says in its first lines what it means");
    assert.deepEqual(
      expected.map((line) => line.split(" = ")[0]).map((path) => `${path} = ${shownAt(shown, path)}`),
      expected.map((line) => line.replace(/ entries$/, "")),
    );
    assert.doesNotMatch(JSON.stringify(shown), new RegExp(`${VARIABLES.TOKEN}|hidden-in-the-file|not-so-secret`));
  });

  test(`good/${name} is the same again when it is printed and read`, async () => {
    const { config } = await readCase(`good/${name}`);
    assert.ok(config);
    const printed = effectiveConfig(config);
    const again = await readPrinted(configAsYaml(printed), `good/${name}`);
    assert.deepEqual(foundIn(again), []);
    assert.ok(again.config);
    assert.equal(configAsYaml(effectiveConfig(again.config)), configAsYaml(printed));
  });
}

test("there are at least 30 good files", () => {
  assert.ok(filesIn("good").length >= 30);
});

/** The value at "plugins.0.use" or `kinds["a.b"].kind` as JSON; of a list that is longer than it is to be told, its length. */
function shownAt(shown: unknown, path: string): string {
  const steps = [...path.matchAll(/\["([^"]+)"\]|([^.[\]]+)/g)].map(([, quoted, plain]) => quoted ?? plain);
  const value = steps.reduce<unknown>((part, step) => Reflect.get(Object(part), step), shown);
  return path === "plugins" && Array.isArray(value) && value.length > 0 ? String(value.length) : JSON.stringify(value);
}

test("places point at what they are about", () => {
  let checked = 0;
  for (const line of filesIn("bad").flatMap((name) => expectedOf(`bad/${name}`))) {
    const told = /^(\S+):(\d+):(\d+) {2}\S+ {2}unknown key "([^"]+)"/.exec(line);
    if (told !== null) {
      const [, file, row, column, key] = told;
      const text = readFileSync(new URL(`bad/${file}`, FOLDER), "utf8").split("\n")[Number(row) - 1];
      assert.equal(text.slice(Number(column) - 1, Number(column) - 1 + key.length), key, line);
      checked++;
    }
  }
  assert.ok(checked >= 10);
});
