import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Shards } from "../../core/election/shard-options.ts";
import { createShards } from "../../core/election/shards.ts";
import { createKubeClient } from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { connect, type HttpTransport } from "../../core/kube/http-transport.ts";
import { silentLogger } from "../../core/log.ts";
import { realClock } from "../../core/watch/clock.ts";
import { type Cluster, startCluster, type TcpProxy, whyNoCluster } from "../cluster/cluster.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);

const KEYS = Array.from({ length: 200 }, (_, at) => `team-${at}`);
const TIMES = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 250 };
const LOOK_EVERY_MS = 5;

/** A member that reaches the API server by a proxy of its own. */
interface Member {
  readonly shards: Shards;
  readonly proxy: TcpProxy;
  readonly transport: HttpTransport;
}

async function join(cluster: Cluster, identity: string): Promise<Member> {
  const proxy = await cluster.proxy();
  const kubeconfig = await cluster.writeKubeconfig(identity, { url: `https://${proxy.host}:${proxy.port}` });
  const transport = connect(await resolveCluster({ kubeconfig }));
  const shards = createShards({
    ...TIMES,
    client: createKubeClient(transport, { maxRetries: 0 }),
    namespace: "default",
    group: "contest",
    identity,
    clock: realClock,
    log: silentLogger,
    onSilence: () => transport.reset("silent"),
  });
  shards.start();
  return { shards, proxy, transport };
}

/** How many members own each key; a key with two fails. */
function ownersOf(members: readonly Member[]): number {
  let owned = 0;
  for (const key of KEYS) {
    const owners = members.filter(({ shards }) => shards.owns(key));
    assert.ok(owners.length <= 1, `${owners.map(({ shards }) => shards.identity).join(" and ")} own ${key}`);
    owned += owners.length;
  }
  return owned;
}

describe("shards on a real API server", { skip: missing ?? false }, () => {
  test("five members, some cut off, some that leave: no key is ever owned twice, and in the end each once", {
    timeout: 150_000,
  }, async (t) => {
    await using cluster = await startCluster({ components: ["etcd", "apiserver"] });
    const members: Member[] = [];
    /** Looks all the time, until every key has its owner. */
    const untilShared = async (what: string): Promise<void> => {
      const atMs = performance.now();
      while (ownersOf(members) < KEYS.length) {
        assert.ok(performance.now() - atMs < 30_000, `${what}: ${ownersOf(members)} of ${KEYS.length} after 30 s`);
        await delay(LOOK_EVERY_MS); // a look is what is tested; nothing tells when a clock runs out
      }
      t.diagnostic(`${what}: all keys owned after ${Math.round(performance.now() - atMs)} ms`);
    };
    try {
      members.push(...(await Promise.all([0, 1, 2, 3, 4].map((at) => join(cluster, `member-${at}`)))));
      await untilShared("five join at once");
      for (const at of [1, 3]) {
        members[at].proxy.blackHole();
        while (ownersOf([members[at]]) > 0) {
          ownersOf(members);
          await delay(LOOK_EVERY_MS);
        }
        await untilShared(`member ${at} is cut off`);
      }
      members[1].proxy.heal();
      while (ownersOf([members[1]]) === 0) {
        ownersOf(members);
        await delay(LOOK_EVERY_MS);
      }
      await untilShared("member 1 is back");
      await members[0].shards.stop();
      await untilShared("member 0 leaves");
      members.push(await join(cluster, "member-5"));
      while (ownersOf([members[5]]) === 0) {
        ownersOf(members);
        await delay(LOOK_EVERY_MS);
      }
      await untilShared("member 5 joins");
    } finally {
      await Promise.all(
        members.map(async ({ shards, proxy, transport }) => {
          proxy.heal();
          await shards.stop();
          await transport.close();
        }),
      );
    }
  });
});
