import assert from "node:assert/strict";
import { test } from "node:test";
import { RENEWAL_RULE, type StoreContent, worthRenewal } from "./renewal-rule.ts";

const content = (objects: number, strings: number, bytesEach = 40): StoreContent => ({
  objects,
  strings,
  stringBytes: strings * bytesEach,
});
const HOUR = 3_600_000;

const TABLE: readonly [name: string, loaded: StoreContent, now: StoreContent, ageMs: number, worth: boolean][] = [
  ["right after the load", content(4000, 9000), content(4000, 9000), HOUR, false],
  ["a small store never reaches the least", content(10, 100), content(10, 49_000), HOUR, false],
  ["a small store with much garbage", content(10, 100), content(10, 60_000), HOUR, true],
  ["four times the strings", content(4000, 20_000), content(4000, 80_000), HOUR, false],
  ["more than four times", content(4000, 20_000), content(4000, 81_000), HOUR, true],
  ["too young", content(4000, 20_000), content(4000, 81_000), 599_999, false],
  ["the cluster grew with its strings", content(400, 15_000), content(4000, 150_000), HOUR, false],
  ["the cluster grew, its strings much more", content(400, 15_000), content(800, 150_000), HOUR, true],
  ["the cluster shrank", content(4000, 20_000), content(40, 79_000), HOUR, false],
  ["many strings of few bytes", content(10, 100), content(10, 60_000, 4), HOUR, false],
  ["a store that was empty", content(0, 0), content(3, 60_000), HOUR, true],
];

for (const [name, loaded, now, ageMs, worth] of TABLE) {
  test(`renewal: ${name}: ${worth ? "worth it" : "not"}`, () => {
    assert.equal(worthRenewal(loaded, now, ageMs, RENEWAL_RULE) !== undefined, worth);
  });
}

test("renewal: says how much is garbage", () => {
  assert.deepEqual(worthRenewal(content(100, 20_000), content(200, 200_000), HOUR, RENEWAL_RULE), {
    strings: 160_000,
    bytes: 160_000 * 56,
  });
});

test("renewal: churn of unique values is bounded, and renewals are rare", () => {
  const loaded = content(4000, 9000);
  const perMinute = 60 * 100;
  let strings = loaded.strings;
  let most = 0;
  let renewals = 0;
  let ageMs = 0;
  const days = 1;
  for (let minute = 0; minute < days * 1440; minute++) {
    strings += perMinute;
    ageMs += RENEWAL_RULE.checkEveryMs;
    most = Math.max(most, strings);
    if (worthRenewal(loaded, content(4000, strings), ageMs, RENEWAL_RULE) !== undefined) {
      strings = loaded.strings;
      ageMs = 0;
      renewals++;
    }
  }
  assert.ok(most <= Math.max(50_000, 9000 + 10 * perMinute) + perMinute, `${most} strings`);
  assert.ok(renewals > 0 && renewals <= days * 144, `${renewals} renewals`);
});
