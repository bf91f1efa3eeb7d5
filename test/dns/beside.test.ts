import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { seededRandom } from "../../core/testing/index.ts";
import { type Cluster, startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { freePorts } from "../cluster/ports.ts";
import { serviceChurn } from "./beside-churn.ts";
import { clusterNames, type Question, sampleQuestions } from "./beside-questions.ts";
import { difference } from "./beside-table.ts";
import { ask, askUntil, type DnsAddress } from "./client.ts";
import { type CoreDns, startCoreDns } from "./coredns.ts";
import { decodeMessage, type Message } from "./message.ts";
import { type Ours, startOurs } from "./ours.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver", "coredns"]);
const AT_ONCE = 16;
const ROUNDS = 5;
const CHANGES = 40;
const SAMPLE = 150;
const MOST_TOLD = 10;
const ORPHAN = "wanted: an address has no name that leads nowhere, as that of a service that is gone";

describe("beside CoreDNS on a real control plane of the seed shape", { skip: missing ?? false }, () => {
  let cluster: Cluster;
  let theirs: CoreDns;
  let ours: Ours;

  before(async () => {
    cluster = await startCluster({ components: ["etcd", "apiserver"], seeded: "seed" });
    const [theirPort, ourPort] = await freePorts(2);
    const kubeconfig = readFileSync(cluster.kubeconfigPath, "utf8");
    const zones = "cluster.local in-addr.arpa ip6.arpa";
    theirs = await startCoreDns({
      port: theirPort,
      kubeconfig,
      corefile: (path) =>
        `.:${theirPort} {\nbind 127.0.0.1\nerrors\nkubernetes ${zones} {\nkubeconfig ${path}\npods verified\n}\n}\n`,
      readyName: "kubernetes.default.svc.cluster.local",
    });
    const options = { listen: `127.0.0.1:${ourPort}`, pods: "verified", ptr: "endpoints" };
    ours = await startOurs({ port: ourPort, kubeconfig, options });
  });

  after(async () => {
    await ours?.[Symbol.asyncDispose]();
    await theirs?.stop();
    await cluster?.stop();
  });

  /** Asks both, and gives the differences that no line of the table explains. */
  async function unexplained(questions: readonly Question[], wanted: Set<string>): Promise<readonly string[]> {
    const found: string[] = [];
    let at = 0;
    const next = async (): Promise<void> => {
      while (at < questions.length) {
        const question = questions[at++];
        const [a, b] = await Promise.all([replyOf(theirs, question), replyOf(ours, question)]);
        const said = (await isOrphan(question, a, b)) ? ORPHAN : difference(question, a, b);
        if (said?.startsWith("wanted: ") === true) {
          wanted.add(said);
        } else if (said !== undefined) {
          found.push(said);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    return found.slice(0, MOST_TOLD);
  }

  /** Whether all that ours lacks are names that CoreDNS itself does not know: of slices that their service has left behind. */
  async function isOrphan({ type }: Question, a: Message, b: Message): Promise<boolean> {
    const lacking = a.an.filter((text) => !b.an.includes(text));
    if (type !== "PTR" || lacking.length === 0 || !b.an.every((text) => a.an.includes(text))) {
      return false;
    }
    const targets = lacking.map((text) => text.split(" ").at(-1) ?? "");
    const replies = await Promise.all(targets.map((name) => replyOf(theirs, { name, type: "A" })));
    return replies.every(({ rcode }) => rcode === "NXDOMAIN");
  }

  async function replyOf(server: DnsAddress, question: Question): Promise<Message> {
    return decodeMessage(await ask(server, question, { tcp: false }));
  }

  test("every difference is one of the table, while services churn and after", { timeout: 150_000 }, async (t) => {
    const random = seededRandom(7);
    const names = await clusterNames(cluster.client);
    assert.ok(names.services.length > 3_000);
    const churn = await serviceChurn(cluster.client, random);
    const wanted = new Set<string>();
    let asked = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const steady = sampleQuestions(names, random, SAMPLE);
      const turn = churn.turn(CHANGES);
      assert.deepEqual(await unexplained(steady, wanted), [], `round ${round}, names that do not change`);
      await turn;
      const mark = await churn.mark();
      const isKnown = (reply: Uint8Array): boolean => decodeMessage(reply).an.length === 1;
      await Promise.all([theirs, ours].map((server) => askUntil(server, { name: mark, type: "A" }, isKnown)));
      const moved = churn.questions();
      assert.deepEqual(await unexplained(moved, wanted), [], `round ${round}, names that changed`);
      asked += steady.length + moved.length;
    }
    t.diagnostic(`${asked} questions; differences that we want: ${[...wanted].sort().join("; ")}`);
    assert.ok(wanted.size >= 4, [...wanted].join());
  });
});
