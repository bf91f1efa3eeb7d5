import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { backoffDelay, retryAfterMs } from "./backoff.ts";
import { EventOrder } from "./event-order.ts";
import { hash53, IdentityTable } from "./identity-table.ts";
import { WATCH_LIMITS } from "./limits.ts";
import { LoadGate } from "./load-gate.ts";
import { headerPlan } from "./memory-store.test-support.ts";
import { isInScope, planScope } from "./namespace-scope.ts";
import { listPath, watchPath } from "./paths.ts";
import { isBelow } from "./version-order.ts";

describe("backoff", () => {
  test("is never shorter than the minimum, never longer than the maximum, and grows", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, chance) => {
        const delay = backoffDelay(failures, () => chance, WATCH_LIMITS);
        return delay >= 800 && delay <= 30_000 && backoffDelay(failures + 1, () => chance, WATCH_LIMITS) >= delay;
      }),
    );
  });

  for (const [header, expected] of [
    [undefined, 0],
    ["", 0],
    ["7", 7000],
    [" 7 ", 7000],
    ["soon", 0],
    ["-3", 0],
    ["Thu, 01 Jan 1970 00:01:00 GMT", 59_000],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ] as const) {
    test(`Retry-After "${header}" is ${expected} ms`, () => {
      assert.equal(retryAfterMs(header, 1000), expected);
    });
  }
});

describe("versions", () => {
  for (const [a, b, expected] of [
    ["9", "10", true],
    ["10", "9", false],
    ["18446744073709551615", "18446744073709551616", true],
    ["9007199254740993", "9007199254740992", false],
    ["5", "5", false],
    ["", "5", false],
    ["abc", "5", false],
  ] as const) {
    test(`"${a}" is ${expected ? "" : "not "}below "${b}"`, () => {
      assert.equal(isBelow(a, b), expected);
    });
  }
});

describe("event order", () => {
  const judge = (order: EventOrder, version: bigint): string =>
    order.judge(Number(BigInt.asIntN(32, version)), Number(BigInt.asIntN(32, version >> 32n)));

  test("takes growing versions, drops known ones, sees lost order", () => {
    const order = new EventOrder();
    order.restart("100");
    const verdicts = [101n, 105n, 105n, 101n, 99n, 100n, 103n, 106n].map((version) => judge(order, version));
    assert.deepEqual(verdicts, ["new", "new", "new", "known", "known", "known", "disorder", "new"]);
  });

  test("works across the edges of 32-bit words", () => {
    const order = new EventOrder();
    order.restart("2147483646");
    const versions = [2147483647n, 2147483648n, 4294967295n, 4294967296n, 4294967295n, 9223372036854775808n];
    assert.deepEqual(
      versions.map((version) => judge(order, version)),
      ["new", "new", "new", "new", "known", "new"],
    );
  });
});

describe("namespace scope", () => {
  for (const [allow, deny, expected] of [
    [undefined, undefined, { kind: "cluster" }],
    [["*"], ["kube-system"], { kind: "cluster", fieldSelector: "metadata.namespace!=kube-system" }],
    [["*"], ["kube-*"], { kind: "follow" }],
    [["shop", "bank", "shop"], ["b*"], { kind: "fixed", namespaces: ["shop"] }],
    [["shop-*"], undefined, { kind: "follow" }],
    [["shop", "*"], undefined, { kind: "cluster" }],
  ] as const) {
    test(`allow ${JSON.stringify(allow)} deny ${JSON.stringify(deny)} is watched as ${expected.kind}`, () => {
      assert.deepEqual(planScope({ allow, deny }), expected);
    });
  }

  for (const [glob, name, expected] of [
    ["*", "", true],
    ["shop-*", "shop-", true],
    ["shop-*", "shop", false],
    ["*-test", "a-test-b-test", true],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "aXbYbZ", false],
    ["?", "", false],
    ["sh?p", "shop", true],
  ] as const) {
    test(`"${name}" is ${expected ? "" : "not "}in "${glob}"`, () => {
      assert.equal(isInScope({ allow: [glob] }, name), expected);
      assert.equal(isInScope({ deny: [glob] }, name), !expected);
    });
  }

  test("a glob full of stars answers at once", () => {
    const from = performance.now();
    assert.equal(isInScope({ allow: [`${"*a".repeat(30)}b`] }, "a".repeat(200)), false);
    assert.ok(performance.now() - from < 100);
  });
});

describe("paths", () => {
  const pods = { ...headerPlan("Pod", "pods"), fieldSelector: "status.phase!=Failed", labelSelector: "app in (a,b)" };
  const widgets = { ...headerPlan("Widget", "widgets"), apiVersion: "example.org/v1" };

  test("of watches", () => {
    assert.equal(
      watchPath(pods, {}, { version: "7", initial: false, timeoutSeconds: 300 }),
      "/api/v1/pods?fieldSelector=status.phase!%3DFailed&labelSelector=app%20in%20(a%2Cb)" +
        "&watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=7",
    );
    assert.equal(
      watchPath(widgets, { namespace: "shop" }, { version: "", initial: true, timeoutSeconds: 300 }),
      "/apis/example.org/v1/namespaces/shop/widgets?watch=1&allowWatchBookmarks=true&timeoutSeconds=300" +
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
    );
  });

  test("of lists: a token goes without a version, both selectors are joined", () => {
    const scope = { fieldSelector: "metadata.namespace!=x" };
    assert.equal(
      listPath({ ...pods, labelSelector: undefined }, scope, { version: "9", limit: 500, token: "a b" }),
      "/api/v1/pods?fieldSelector=status.phase!%3DFailed%2Cmetadata.namespace!%3Dx&limit=500&continue=a%20b",
    );
    assert.equal(listPath(widgets, {}, { version: "", limit: 0, token: "" }), "/apis/example.org/v1/widgets");
    assert.equal(
      listPath(widgets, {}, { version: "9", limit: 0, token: "" }),
      "/apis/example.org/v1/widgets?resourceVersion=9&resourceVersionMatch=NotOlderThan",
    );
  });
});

describe("identity table", () => {
  test("agrees with a Map for any set of keys", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.nat())), fc.array(fc.string()), (entries, questions) => {
        const table = new IdentityTable();
        const map = new Map<number, number>();
        for (const [text, version] of entries) {
          table.add(hash53(text), version, 0);
          map.set(hash53(text), version);
        }
        assert.equal(table.size, map.size);
        for (const text of [...questions, ...entries.slice(0, 3).map(([name]) => name)]) {
          assert.equal(table.take(hash53(text)), map.get(hash53(text)) ?? -1);
          if (map.has(hash53(text))) {
            map.set(hash53(text), -2);
          }
        }
        const left: number[] = [];
        table.forEachLeft((key) => left.push(key));
        const expected = [...map].filter(([, version]) => version !== -2).map(([key]) => key);
        assert.deepEqual(left.sort(), expected.sort());
      }),
    );
  });

  test("a hundred thousand names have as many hashes", () => {
    const hashes = new Set(Array.from({ length: 100_000 }, (_, i) => hash53(`shop/cart-${i}`)));
    assert.equal(hashes.size, 100_000);
  });
});

describe("load gate", () => {
  test("lets so many in, and the next when one leaves, however often it says so", () => {
    const gate = new LoadGate(2);
    const inside: (() => void)[] = [];
    for (let i = 0; i < 5; i++) {
      gate.enter((release) => inside.push(release));
    }
    assert.equal(inside.length, 2);
    inside[0]();
    inside[0]();
    assert.equal(inside.length, 3);
    gate.clear();
    inside[1]();
    assert.equal(inside.length, 3);
  });
});
