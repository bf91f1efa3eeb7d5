import assert from "node:assert/strict";
import { constants, PerformanceObserver } from "node:perf_hooks";
import { mock, test } from "node:test";
import { giveBackLater } from "./give-back.ts";

test("collects garbage once, a second after memory was dropped, unless it is called off", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let collections = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (isForced(entry)) {
        collections++;
        resolve();
      }
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  giveBackLater()();
  giveBackLater();
  mock.timers.tick(999);
  await new Promise((next) => setImmediate(next));
  assert.equal(collections, 0);
  mock.timers.tick(1);
  mock.timers.reset();
  const alive = setInterval(() => {}, 5);
  await promise;
  clearInterval(alive);
  await new Promise((next) => setImmediate(next));
  assert.equal(collections, 1);
  observer.disconnect();
  assert.equal("gc" in globalThis, process.execArgv.includes("--expose-gc"), "no function is left behind");
});

/** Of a complete collection that was asked for; entries of type "gc" carry more than their type says. */
function isForced(entry: object): boolean {
  const { kind, flags } = (entry as { readonly detail: { readonly kind: number; readonly flags: number } }).detail;
  return kind === constants.NODE_PERFORMANCE_GC_MAJOR && (flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0;
}
