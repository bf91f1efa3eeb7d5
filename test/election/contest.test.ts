import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { type Blow, holdContest } from "./contest.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);

/** Every blow, and one that hits whoever came after it. */
const BLOWS: readonly Blow[] = ["pause", "kill", "cut-off", "stop", "pause", "cut-off"];

describe("leaders on a real API server, with client-go among them", { skip: missing ?? false }, () => {
  test("never two act, whatever is done to the leader, and another one takes over in time", {
    timeout: 170_000,
  }, async (t) => {
    await using cluster = await startCluster({ components: ["etcd", "apiserver"] });
    const times = { leaseDurationMs: 4_000, renewDeadlineMs: 2_700, retryPeriodMs: 500 };
    const { rounds, verdict } = await holdContest({
      cluster,
      times,
      blows: BLOWS,
      progress: (line) => t.diagnostic(line),
    });
    // client-go has no fence: one that was paused may write when it wakes up, and nothing of ours can keep it from that.
    const ofOurs = verdict.violations.filter(({ writer }) => writer.startsWith("ours"));
    assert.deepEqual(ofOurs, []);
    t.diagnostic(
      `${verdict.writes} writes, ${verdict.violations.length} of them by a client-go that did not lead any more, ${verdict.robbed} by one whose lease a client-go gave away`,
    );
    assert.ok(verdict.writes > 100 && verdict.changes >= BLOWS.length, JSON.stringify(verdict));
    for (const { blow, takeoverMs } of rounds) {
      // A lease that is given away is taken at the next look; else it must end first, seen by who looks every period.
      const mostMs = blow === "stop" ? 0 : times.leaseDurationMs;
      assert.ok(takeoverMs < mostMs + 5_000, `${blow}: ${takeoverMs} ms`);
    }
  });
});
