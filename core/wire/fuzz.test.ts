import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "./fuzz.test-support.ts";

test("100,000 broken inputs: an error with a code or rows of the input, never anything else", () => {
  const result = fuzz(100_000, 7);
  assert.deepEqual(result.findings, []);
  // The inputs were neither all refused nor all harmless.
  assert(result.accepted > 1000 && result.rows > 10_000, JSON.stringify(result));
  for (const code of [
    "WIRE_BAD_FRAME",
    "WIRE_TRUNCATED",
    "WIRE_FRAME_TOO_LARGE",
    "WIRE_WRONG_KIND",
    "WIRE_BAD_OBJECT",
  ]) {
    assert(result.refused[code] > 0, code);
  }
});
