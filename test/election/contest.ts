import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { leaseRules } from "../../core/election/lease-rules.ts";
import type { CompleteTimes } from "../../core/election/settings.ts";
import { buildPeer } from "../bench/peer-build.ts";
import type { Cluster, TcpProxy } from "../cluster/cluster.ts";
import { type CandidateOptions, CandidateProcess } from "./candidates.ts";
import { judge, type Verdict } from "./judge.ts";

/** What is done to whoever leads. */
export type Blow = "kill" | "pause" | "cut-off" | "stop";

/** How a contest is held. */
export interface ContestOptions {
  readonly cluster: Cluster;
  readonly times: CompleteTimes;
  /** What is done to the leader, round after round. */
  readonly blows: readonly Blow[];
  readonly progress: (line: string) => void;
}

/** One round. */
export interface Round {
  readonly blow: Blow;
  /** Who led, and who then. */
  readonly from: string;
  readonly to: string;
  /** From the blow to the first write of the next leader, milliseconds. */
  readonly takeoverMs: number;
}

/** What came of a contest. */
export interface ContestResult {
  readonly rounds: readonly Round[];
  readonly verdict: Verdict;
}

interface Candidate {
  readonly identity: string;
  readonly process: CandidateProcess;
  readonly proxy: TcpProxy;
}

const PLACE = { namespace: "contest", lease: "fairlead", journal: "journal" } as const;
const WRITE_EVERY_MS = 25;
const LOOK_EVERY_MS = 20;
const LEASE = `/apis/coordination.k8s.io/v1/namespaces/${PLACE.namespace}/leases/${PLACE.lease}`;
const JOURNAL = `/api/v1/namespaces/${PLACE.namespace}/configmaps/${PLACE.journal}`;

/** Three candidates of ours and one of client-go want one lease, and whoever leads is harmed. The audit log is the judge. */
export async function holdContest(options: ContestOptions): Promise<ContestResult> {
  const { cluster, times, progress } = options;
  const folder = await mkdtemp(join(tmpdir(), "contest-"));
  const candidates: Candidate[] = [];
  try {
    await cluster.send("POST", "/api/v1/namespaces", { metadata: { name: PLACE.namespace } });
    await cluster.send("POST", JOURNAL.slice(0, JOURNAL.lastIndexOf("/")), { metadata: { name: PLACE.journal } });
    const program = await buildPeer("lease-candidate", progress);
    for (const identity of ["ours-1", "ours-2", "ours-3", "client-go"]) {
      const proxy = await cluster.proxy();
      const kubeconfig = await userBehind(cluster, proxy, identity, folder);
      const given: CandidateOptions = {
        ...PLACE,
        kubeconfig,
        identity,
        times,
        everyMs: WRITE_EVERY_MS,
        logFile: join(folder, `${identity}.log`),
      };
      const process =
        identity === "client-go" ? CandidateProcess.clientGo(program, given) : CandidateProcess.ours(given);
      candidates.push({ identity, process, proxy });
    }
    const rounds: Round[] = [];
    let leader = await nextLeader(cluster, "", 60_000);
    for (const blow of options.blows) {
      // So that all have seen the new leader, as in life.
      await delay(times.retryPeriodMs * 3);
      const round = await playRound(options, candidates, leader, blow);
      progress(`${blow} ${round.from}: ${round.to} writes after ${Math.round(round.takeoverMs)} ms`);
      rounds.push(round);
      leader = round.to;
    }
    await Promise.all(candidates.map(({ process }) => process.end("SIGTERM")));
    return { rounds, verdict: judge(await cluster.auditLog(), PLACE, times) };
  } finally {
    for (const { process, proxy } of candidates) {
      process.signal("SIGCONT");
      await process.end("SIGKILL");
      await proxy.stop();
    }
    await rm(folder, { recursive: true, force: true });
  }
}

async function playRound(
  { cluster, times }: ContestOptions,
  candidates: readonly Candidate[],
  from: string,
  blow: Blow,
): Promise<Round> {
  const victim = candidates.find(({ identity }) => identity === from);
  if (victim === undefined) {
    throw new Error(`"${from}" leads and is no candidate`);
  }
  const { process, proxy } = victim;
  const deadlineMs = times.leaseDurationMs * 4 + 20_000;
  const atMs = performance.now();
  switch (blow) {
    case "kill":
      await process.end("SIGKILL");
      break;
    case "stop":
      await process.end("SIGTERM");
      break;
    case "pause":
      process.signal("SIGSTOP");
      break;
    case "cut-off":
      proxy.blackHole();
      break;
    default:
      blow satisfies never;
  }
  const to = await nextLeader(cluster, from, deadlineMs);
  const takeoverMs = performance.now() - atMs;
  // What was harmed comes back into a world with another leader.
  process.signal("SIGCONT");
  proxy.heal();
  if (blow === "kill" || blow === "stop") {
    process.again();
  }
  return { blow, from, to, takeoverMs };
}

/** Waits until somebody else than `before` holds the lease, and writes to the journal. */
async function nextLeader(cluster: Cluster, before: string, deadlineMs: number): Promise<string> {
  const until = performance.now() + deadlineMs;
  while (performance.now() < until) {
    const [lease, journal] = await Promise.all([cluster.request("GET", LEASE), cluster.request("GET", JOURNAL)]);
    const holder: unknown = lease.body.spec?.holderIdentity;
    if (typeof holder === "string" && holder !== "" && holder !== before && journal.body.data?.holder === holder) {
      return holder;
    }
    await delay(LOOK_EVERY_MS);
  }
  throw new Error(`nobody took over from "${before}" within ${deadlineMs} ms`);
}

/** A user of the candidate's name, who reaches the API server through the proxy alone. */
async function userBehind(cluster: Cluster, proxy: TcpProxy, name: string, folder: string): Promise<string> {
  const { namespace } = PLACE;
  const path = await cluster.createUser(name, [
    // Just what fairlead rbac prints for a candidate.
    ...leaseRules({ name: PLACE.lease }).map((rule) => ({ ...rule, namespace })),
    { resources: ["configmaps"], verbs: ["list", "watch", "patch"], namespace },
  ]);
  const text = await readFile(path, "utf8");
  const changed = text.replaceAll(cluster.url, `https://${proxy.host}:${proxy.port}`);
  if (changed === text) {
    throw new Error(`the kubeconfig of "${name}" does not name ${cluster.url}`);
  }
  const own = join(folder, `${name}.kubeconfig`);
  await writeFile(own, changed);
  return own;
}
