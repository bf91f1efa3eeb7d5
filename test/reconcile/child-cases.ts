import assert from "node:assert/strict";
import type { WriteCase } from "./apply-cases.ts";
import { childKinds, childOf } from "./child-kinds.ts";

/** Kinds in which the server completes what it alone knows: one of them is sent after a restart, and no more. */
const LEARNED: ReadonlySet<string> = new Set(["StatefulSet", "LimitRange", "RoleBinding"]);

/** Each kind of children, with what only the real server completes in them. */
export const childCases: readonly WriteCase[] = childKinds.map((kind) => ({
  name: `a ${kind.kind} is written once, and after a restart ${LEARNED.has(kind.kind) ? "one of three" : "none"} is sent`,
  async run(world, namespace) {
    const objects = ["web", "web-2", "web-3"].map((name) => childOf(kind, namespace, name));
    const sent = LEARNED.has(kind.kind) ? 1 : 0;
    {
      await using first = await world.startChildren();
      assert.deepEqual(await first.kube.apply(...objects), ["created", "created", "created"]);
      assert.deepEqual(await first.kube.apply(...objects), ["unchanged", "unchanged", "unchanged"]);
      assert.equal(first.sent.length, 3);
    }
    await using second = await world.startChildren();
    assert.deepEqual(await second.kube.apply(...objects), ["unchanged", "unchanged", "unchanged"]);
    assert.equal(second.sent.length, sent);
  },
}));
