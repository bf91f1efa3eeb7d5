import assert from "node:assert/strict";
import { test } from "node:test";
import { Problems } from "./problems.ts";

test("a logger that throws costs only its lines", () => {
  const asked: string[] = [];
  const failing =
    (level: string) =>
    (_fields: object, message: string): void => {
      asked.push(`${level} ${message}`);
      throw new Error("the disk is full");
    };
  const problems = new Problems();
  const log = problems.listenTo({
    debug: failing("debug"),
    info: failing("info"),
    warn: failing("warn"),
    error: failing("error"),
  });
  log.debug({}, "a");
  log.info({}, "b");
  log.warn({ kind: "pods", code: "WATCH_REFUSED", detail: "no" }, "c");
  log.error({}, "d");
  assert.deepEqual(asked, ["debug a", "info b", "warn c", "error d"]);
  assert.deepEqual(problems.of("pods"), { code: "WATCH_REFUSED", detail: "no" });
});
