import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { codeOf } from "../errors.ts";
import { ManualClock } from "../watch/manual-clock.test-support.ts";
import { PluginServiceBoard, serviceOver } from "./plugin-services.ts";

let clock: ManualClock;
let services: PluginServiceBoard;

beforeEach(() => {
  clock = new ManualClock();
  services = new PluginServiceBoard(clock);
  services.setOwners(new Map([["inventory", "stock"]]));
});

const rejection = (call: Promise<unknown>): Promise<string> => call.then(() => "none", codeOf);

test("a service answers with copies, and its errors reach the caller", async () => {
  const kept = { count: 1 };
  services.provide("stock", "inventory", {
    get: () => kept,
    fail: async () => {
      throw Object.assign(new Error("sold out"), { code: "SOLD_OUT" });
    },
  });
  const inventory = serviceOver<{ get: (given: undefined) => { count: number }; fail: (given: number) => void }>(
    (handler, given) => services.call("inventory", handler, given),
  );
  const answer = await inventory.get(undefined);
  answer.count = 2;
  assert.equal(kept.count, 1);
  assert.equal(await rejection(inventory.fail(1)), "SOLD_OUT");
  assert.equal(await Promise.resolve(inventory), inventory);
});

test("every way in which a call cannot be answered has its code", async () => {
  assert.equal(await rejection(services.call("inventry", "get", 1)), "SERVICE_NOT_FOUND");
  assert.equal(await rejection(services.call("inventory", "get", 1)), "SERVICE_UNAVAILABLE");
  services.provide("stock", "inventory", { get: () => () => {}, hang: () => new Promise(() => {}) });
  assert.equal(await rejection(services.call("inventory", "gett", 1)), "SERVICE_NO_HANDLER");
  assert.equal(await rejection(services.call("inventory", "constructor", 1)), "SERVICE_NO_HANDLER");
  assert.equal(await rejection(services.call("inventory", "get", 1)), "SERVICE_BAD_DATA");
  assert.equal(await rejection(services.call("inventory", "get", () => {})), "SERVICE_BAD_DATA");
  const hanging = rejection(services.call("inventory", "hang", 1));
  await clock.advance(5000);
  assert.equal(await hanging, "SERVICE_TIMEOUT");
  services.removePlugin("stock");
  assert.equal(await rejection(services.call("inventory", "get", 1)), "SERVICE_UNAVAILABLE");
});

test("what is provided badly is refused", () => {
  const handlers = { get: () => 1 };
  assert.throws(() => services.provide("other", "inventory", handlers), { code: "SERVICE_NOT_DECLARED" });
  assert.throws(() => services.provide("stock", "inventory", {}), { code: "SERVICE_BAD_HANDLERS" });
  assert.throws(() => services.provide("stock", "inventory", { get: 1 as unknown as () => void }), {
    code: "SERVICE_BAD_HANDLERS",
  });
  services.provide("stock", "inventory", handlers);
  assert.throws(() => services.provide("stock", "inventory", handlers), { code: "SERVICE_DUPLICATE" });
});
