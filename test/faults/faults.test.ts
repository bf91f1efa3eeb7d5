import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FAULT_CASES, runCase } from "./scoreboard.ts";

for (const protocol of ["http/1.1", "h2"] as const) {
  describe(`faults over ${protocol}`, { concurrency: 4 }, () => {
    for (const one of FAULT_CASES) {
      if ((one.only ?? protocol) === protocol) {
        test(`${one.id}: ${one.title}`, async () => {
          const row = await runCase(one, protocol);
          assert.equal(row.reason, "", JSON.stringify(row));
        });
      }
    }
  });
}
