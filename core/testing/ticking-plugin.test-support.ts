import type { Plugin } from "../api/index.ts";

/** Ticks once a minute, and counts the pods that it is shown. */
export default {
  name: "ticking",
  apiVersion: "fairlead/v1",
  needs: { pods: ["phase"] },
  setup({ timers, clock, metrics, hooks, log, events }) {
    const pods = metrics.counter("pods_total", "Pods seen.");
    hooks.changes("pods").tap((batch) => {
      for (const change of batch) {
        if (change.new !== undefined) {
          pods.inc();
          events.normal(change.new, "Seen", "it was seen");
        }
      }
    });
    timers.every("1m", () => log.info({ at: new Date(clock.now()).toISOString() }, "tick"));
  },
} satisfies Plugin<undefined, { readonly pods: readonly ["phase"] }>;
