import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDuration } from "./duration.ts";

test("reads durations with one or more units", () => {
  const cases: [string, number][] = [
    ["20s", 20_000],
    ["250ms", 250],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
  ];
  for (const [text, expected] of cases) {
    assert.equal(parseDuration(text), expected, text);
  }
});

test("refuses what is not a duration", () => {
  for (const text of ["", "20", "s", "0s", "5 minutes", "-1s", "99999h"]) {
    assert.throws(() => parseDuration(text), { code: "CONFIG_BAD_DURATION" }, text);
  }
});
