import { z } from "zod";
import type { Plugin } from "../../core/api/index.ts";

const Options = z.strictObject({
  limit: z.int().min(1).default(100).describe("Restarts above which a pod is reported."),
});

const needs = { pods: ["restarts"] } as const;

export default {
  name: "template",
  apiVersion: "fairlead/v1",
  options: Options,
  needs,
  permissions: [],
  setup({ options, log, metrics, hooks, events }) {
    const reported = metrics.counter("reported_total", "Times that a pod was reported for restarting too often.");
    let isComplete = false;

    hooks.changes("pods").tap((batch) => {
      for (const { old, new: pod } of batch) {
        if (pod === undefined || pod.restarts <= options.limit || pod.restarts === old?.restarts) {
          continue;
        }
        reported.inc();
        log.warn({ pod: pod.key, restarts: pod.restarts }, "restarts too often");
        events.warn(pod, "RestartsTooOften", `${pod.restarts} restarts, more than ${options.limit}`);
      }
    });

    hooks.synced.tap(() => {
      isComplete = true;
    });
    hooks.health("pods", () => isComplete || { ok: false, detail: "not all pods have been seen yet" });
  },
} satisfies Plugin<typeof Options, typeof needs>;
