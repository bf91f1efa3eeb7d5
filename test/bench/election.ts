import { DEFAULT_TIMES } from "../../core/election/settings.ts";
import { startCluster } from "../cluster/cluster.ts";
import { type Blow, holdContest, type Round } from "../election/contest.ts";
import type { BenchOptions } from "./bench.ts";
import { spread } from "./numbers.ts";
import type { Report } from "./report.ts";

const ROUNDS = 30;
const QUICK_ROUNDS = 6;
const BLOWS: readonly Blow[] = ["kill", "pause", "cut-off", "stop"];
const QUICK_TIMES = { leaseDurationMs: 4_000, renewDeadlineMs: 2_700, retryPeriodMs: 500 };

/** Three candidates of ours and one of client-go: who takes over after how long, and whether two ever act. */
export async function benchElection(options: BenchOptions): Promise<Report> {
  const times = options.quick ? QUICK_TIMES : DEFAULT_TIMES;
  const count = options.quick ? QUICK_ROUNDS : ROUNDS;
  const blows = Array.from({ length: count }, (_, at) => BLOWS[at % BLOWS.length]);
  await using cluster = await startCluster({ components: ["etcd", "apiserver"] });
  const { rounds, verdict } = await holdContest({ cluster, times, blows, progress: options.progress });
  const isOurs = (name: string): boolean => name.startsWith("ours");
  const broken = verdict.violations.filter(({ writer }) => isOurs(writer)).length;
  const seconds = (some: readonly Round[]): string => spread(some.map(({ takeoverMs }) => takeoverMs / 1000));
  const rows = BLOWS.map((blow) => {
    const all = rounds.filter((round) => round.blow === blow);
    return [
      BLOW_NAMES[blow],
      String(all.length),
      seconds(all.filter(({ to }) => isOurs(to))),
      seconds(all.filter(({ to }) => !isOurs(to))),
    ];
  });
  return {
    name: "election",
    title: "Leader election",
    how: [
      `Three processes of ours and one of client-go want one Lease (${times.leaseDurationMs / 1000} s, ` +
        `${times.renewDeadlineMs / 1000} s, ${times.retryPeriodMs / 1000} s) on the real API server. Whoever leads is killed, ` +
        "stopped by SIGSTOP until another one leads, cut off from the server, or ended in good order. Every candidate of ours " +
        "writes all the time, whether it leads or not; the audit log tells what the server took, and from whom.",
    ],
    tables: [
      {
        title: "Time from the blow to the first write of the next leader, seconds",
        columns: ["the leader is", "rounds", "ours takes over", "client-go takes over"],
        rows,
      },
      {
        title: "Writes that the server took",
        columns: ["what", "writes"],
        rows: [
          ["all", String(verdict.writes)],
          ["of ours, without the lease", String(broken)],
          ["of client-go, without the lease", String(verdict.violations.length - broken)],
        ],
      },
    ],
    bars: [{ what: "writes of ours without the lease", value: broken, wants: "at most", limit: 0, unit: "writes" }],
    notes: [],
    raw: { rounds, verdict },
  };
}

const BLOW_NAMES: Readonly<Record<Blow, string>> = {
  kill: "killed",
  pause: "paused",
  "cut-off": "cut off",
  stop: "ended in good order",
};
