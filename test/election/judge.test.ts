import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditEntry } from "../cluster/audit-log.ts";
import { judge } from "./judge.ts";

const promised = { leaseDurationMs: 15, renewDeadlineMs: 12 };
const place = { namespace: "shop", lease: "fairlead", journal: "journal" };

/** A request that the server took; `ms` is when it came, it took one. */
function entry(
  user: string,
  resource: "leases" | "configmaps",
  ms: number,
  more: Partial<AuditEntry> = {},
): AuditEntry {
  const name = resource === "leases" ? "fairlead" : "journal";
  return {
    auditID: String(ms),
    stage: "ResponseComplete",
    verb: "update",
    requestURI: `/apis/x/namespaces/shop/${resource}/${name}`,
    user: { username: user },
    objectRef: { resource, namespace: "shop", name },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: new Date(ms).toISOString(),
    stageTimestamp: new Date(ms + 1).toISOString(),
    ...more,
  };
}

test("a write of the holder is right, one after the lease was taken is not", () => {
  const log = [
    entry("a", "leases", 0),
    entry("a", "configmaps", 10),
    entry("b", "leases", 20),
    entry("a", "configmaps", 30),
    entry("b", "configmaps", 40),
    entry("a", "leases", 50),
    entry("a", "configmaps", 60),
  ];
  const { writes, changes, violations } = judge(log, place, promised);
  assert.deepEqual([writes, changes], [4, 3]);
  assert.deepEqual(
    violations.map(({ writer, holder }) => [writer, holder]),
    [["a", "b"]],
  );
});

test("a write that comes before the answer to its holder is counted is right; one of the old holder after it is not", () => {
  const taking = entry("b", "leases", 20, { stageTimestamp: new Date(30).toISOString() });
  const log = [
    entry("a", "leases", 0),
    taking,
    entry("a", "configmaps", 25),
    entry("b", "configmaps", 26),
    entry("a", "configmaps", 31),
    entry("b", "configmaps", 32),
  ];
  assert.deepEqual(
    judge(log, place, promised).violations.map(({ writer, at }) => [writer, at]),
    [["a", new Date(31).toISOString()]],
  );
});

test("what was refused, read, or is of something else does not count", () => {
  const log = [
    entry("a", "leases", 0, {
      verb: "create",
      requestURI: "/apis/x/namespaces/shop/leases",
      objectRef: { resource: "leases", namespace: "shop" },
    }),
    entry("b", "leases", 10, { responseStatus: { code: 409 } }),
    entry("b", "leases", 20, { verb: "get" }),
    entry("b", "leases", 30, { objectRef: { resource: "leases", namespace: "shop", name: "other" } }),
    entry("a", "configmaps", 40),
    entry("admin", "configmaps", 45, { verb: "create" }),
    entry("b", "configmaps", 50, { responseStatus: { code: 403 } }),
  ];
  assert.deepEqual(judge(log, place, promised), { writes: 1, changes: 1, violations: [], robbed: 0 });
});

test("whose lease was taken too early may write as long as it was promised, and no longer", () => {
  const log = [
    entry("a", "leases", 0),
    entry("b", "leases", 5),
    entry("a", "configmaps", 10),
    entry("b", "configmaps", 11),
    entry("a", "configmaps", 13),
  ];
  const { robbed, violations } = judge(log, place, promised);
  assert.equal(robbed, 1);
  assert.deepEqual(
    violations.map(({ writer, at }) => [writer, at]),
    [["a", new Date(13).toISOString()]],
  );
});
