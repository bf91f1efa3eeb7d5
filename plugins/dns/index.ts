import type { Plugin } from "../../core/api/index.ts";
import { readHookAnswer } from "./hook-answer.ts";
import type { DnsQuery, DnsQueryAnswer } from "./hook-messages.ts";
import { metricRoll } from "./metrics.ts";
import { DnsOptions } from "./options.ts";
import { permissions } from "./permissions.ts";
import { ServerPool } from "./server-pool.ts";
import { dnsSettings } from "./settings-of.ts";
import { socketDrops } from "./socket-drops.ts";
import { zoneNeeds } from "./zone-needs.ts";

export type * from "./hook-messages.ts";

/** A tap of `dns.query` has so long for one question, milliseconds. */
const HOOK_MS = 50;

/** Fairlead's own restarts of a thread take a few seconds in all. */
const REVIVE_AFTER_MS = 15_000;

export default {
  name: "dns",
  apiVersion: "fairlead/v1",
  options: DnsOptions,
  needs: zoneNeeds,
  permissions,
  runOn: "every",
  async setup({ options: written, log, metrics, hooks, threads, timers, signal }) {
    const options = dnsSettings(written);
    const query = hooks.declare<DnsQuery, DnsQueryAnswer>("query", {
      kind: "decide",
      deadlineMs: HOOK_MS,
      about: "answers or refuses questions for names that are neither of the cluster nor an alias",
    });
    const ask = async (question: DnsQuery): Promise<DnsQueryAnswer> => {
      const answer = readHookAnswer(await query.call(question));
      if (typeof answer === "string") {
        log.warn({ name: question.name, detail: answer }, "an answer of a tap of dns.query cannot be used");
        return undefined;
      }
      return answer;
    };
    const pool = await ServerPool.open(options, { threads, log, ask, reviveAfterMs: REVIVE_AFTER_MS });
    signal.addEventListener("abort", () => pool.close());
    if (signal.aborted) {
      pool.close();
      return;
    }
    const { figures } = pool;
    const counters = Array.from({ length: options.workers }, (_, worker) => figures.counters(worker));
    const [server = ""] = pool.places;
    const roll = metricRoll(metrics, counters, { zone: options.zone.name, server: `dns://${server}` });
    const drops = metrics.gauge("socket_dropped_packets", "Packets that the system dropped at the UDP sockets.");
    const lost = metrics.gauge("restart_dropped_packets", "Packets dropped while no thread was there to answer.");
    let { lameDuckMs } = options;
    let isStopping = false;

    timers.every("1s", () => {
      figures.isTapped = query.tapped;
      pool.look();
      roll.roll();
      lost.set(pool.droppedPackets);
    });
    timers.every("10s", async () => {
      const dropped = await socketDrops(pool.ports);
      if (dropped !== undefined) {
        drops.set(dropped);
      }
    });
    hooks.start.tap(() => {
      figures.isTapped = query.tapped;
      log.info({ listen: pool.places, threads: options.workers, zone: options.zone.name }, "dns answers");
    });
    hooks.synced.tap(() => {
      figures.isTapped = query.tapped;
    });
    hooks.options.tap((changed) => {
      const next = dnsSettings(changed);
      const isTaken = pool.change(next);
      lameDuckMs = isTaken ? next.lameDuckMs : lameDuckMs;
      return isTaken;
    });
    hooks.health("answers", () => {
      const problem = isStopping ? "it is being stopped" : pool.problem();
      return problem === undefined || { ok: false, detail: problem };
    });
    hooks.stats(() => ({ queries: roll.queries, tcpOpen: roll.sum("tcpOpen"), panics: roll.sum("panics") }));
    hooks.stop.tap(async () => {
      isStopping = true;
      if (lameDuckMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, lameDuckMs));
      }
      await pool.drain();
      roll.roll();
    });
    await pool.ready();
  },
} satisfies Plugin<typeof DnsOptions, typeof zoneNeeds>;
