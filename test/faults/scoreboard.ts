import type { ClusterAccess } from "../../core/kube/access.ts";
import type { ApiServer } from "../../core/testing/api-server.ts";
import { LISTENER_CASES } from "./cases-listeners.ts";
import { PEER_CASES } from "./cases-peers.ts";
import { SERVER_CASES } from "./cases-servers.ts";
import { STREAM_CASES } from "./cases-streams.ts";
import { type CaseContext, equal, type FaultCase, pod } from "./fault-case.ts";
import { startFaultServer } from "./fault-server.ts";
import { FaultWorld, type Protocol, until, type WorldOptions } from "./fault-world.ts";

/** All cases, in the order of the printed table. */
export const FAULT_CASES: readonly FaultCase[] = [...PEER_CASES, ...LISTENER_CASES, ...STREAM_CASES, ...SERVER_CASES];

/** How one case went over one protocol. */
export interface ScoreRow {
  readonly id: string;
  readonly title: string;
  readonly protocol: Protocol;
  readonly passed: boolean;
  /** Requests from the beginning of the fault to recovery, of which loads of everything. */
  readonly requests: number;
  readonly loads: number;
  readonly ms: number;
  /** Why it did not pass; "" when it did. */
  readonly reason: string;
}

/** Runs the cases one after the other, each on a server of its own, over HTTP/1.1 and HTTP/2. About a minute for all. */
export async function runScoreboard(
  options: { readonly only?: RegExp; readonly protocols?: readonly Protocol[]; onRow?(row: ScoreRow): void } = {},
): Promise<ScoreRow[]> {
  const rows: ScoreRow[] = [];
  for (const one of FAULT_CASES) {
    for (const protocol of options.protocols ?? (["http/1.1", "h2"] as const)) {
      if ((options.only?.test(one.id) ?? true) && (one.only ?? protocol) === protocol) {
        const row = await runCase(one, protocol);
        options.onRow?.(row);
        rows.push(row);
      }
    }
  }
  return rows;
}

/** Runs one case on a fresh server. */
export async function runCase(one: FaultCase, protocol: Protocol): Promise<ScoreRow> {
  const { server, access } = await startFaultServer(protocol);
  const endings: (() => Promise<void> | void)[] = [];
  const from = performance.now();
  let world: Counted | undefined;
  let reason = "";
  try {
    seed(server);
    world = await one.run(contextOf(server, protocol, access, endings));
    reason = overBudget(one, world);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  const row: ScoreRow = {
    id: one.id,
    title: one.title,
    protocol,
    passed: reason === "",
    requests: world?.requests().length ?? Number.NaN,
    loads: world === undefined ? Number.NaN : loads(world),
    ms: Math.round(performance.now() - from),
    reason,
  };
  for (const end of endings.reverse()) {
    await end();
  }
  await server.stop();
  return row;
}

/** The scoreboard as a Markdown table. */
export function renderScoreboard(rows: readonly ScoreRow[]): string {
  const lines = rows.map(
    (row) =>
      `| ${row.id} | ${row.title} | ${row.protocol} | ${row.passed ? "yes" : `**no**: ${row.reason}`} | ${row.requests} | ${row.loads} |`,
  );
  const head = ["| case | fault | protocol | recovered, correct | requests | loads |", "|---|---|---|---|--:|--:|"];
  return [...head, ...lines].join("\n");
}

function seed(server: ApiServer): void {
  for (const name of ["a", "b", "c"]) {
    server.objects.apply(pod(name));
  }
}

type Counted = Pick<FaultWorld, "requests">;

function loads(world: Counted): number {
  return world.requests("list", "stream").length;
}

function overBudget(one: FaultCase, world: Counted): string {
  const requests = world.requests().length;
  if (requests > one.budget.requests) {
    return `${requests} requests, more than ${one.budget.requests}`;
  }
  return loads(world) > one.budget.loads ? `${loads(world)} loads, more than ${one.budget.loads}` : "";
}

function contextOf(
  server: ApiServer,
  protocol: Protocol,
  access: ClusterAccess,
  endings: (() => Promise<void> | void)[],
): CaseContext {
  let changes = 0;
  const world = (options: Partial<WorldOptions> = {}): FaultWorld => {
    const made = new FaultWorld({ protocol, access, ...options });
    endings.push(() => made.stop());
    return made;
  };
  return {
    server,
    protocol,
    access,
    world,
    async synced(options) {
      const made = world(options);
      made.engine.start();
      await until("synced", () => made.store.kind("pods").synced);
      await equal(made, server, "the first load");
      made.mark();
      return made;
    },
    async recovered(made) {
      server.objects.apply(pod(`change-${++changes}`));
      await equal(made, server);
    },
    later: (stop) => {
      endings.push(stop);
    },
  };
}
