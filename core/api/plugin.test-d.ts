import { z } from "zod";
import type { Plugin, PluginContext } from "./index.ts";

// The plugin author's example: types come from the schema and from what is needed.
const Options = z.strictObject({ limit: z.int().min(1).default(100) });
const needs = { pods: ["restarts", "labels"] } as const;

const plugin = {
  name: "restarts",
  apiVersion: "fairlead/v1",
  options: Options,
  needs,
  permissions: [],
  setup({ options, log, metrics, hooks, events, store }) {
    const reported = metrics.counter("reported_total", "Pods reported for restarting too often.");
    const byOutcome = metrics.counter("seen_total", "Pods seen.", { outcome: ["ok", "late"] });
    hooks.changes("pods").tap((batch) => {
      for (const { new: pod } of batch) {
        if (!pod || pod.restarts <= options.limit) {
          continue;
        }
        reported.inc();
        byOutcome.inc({ outcome: "late" });
        // @ts-expect-error not a value of the label
        byOutcome.inc({ outcome: "never" });
        log.warn({ pod: pod.key, restarts: pod.restarts }, "restarts too often");
        events.warn(pod, "RestartsTooOften", `${pod.restarts} restarts`);
        // @ts-expect-error phase was not asked for
        void pod.status.phase;
      }
    });
    // @ts-expect-error services are not needed
    hooks.changes("services");
    const labels: readonly unknown[] = store.read((view) => view.pods.byLabel("app", "cart").map((pod) => pod.key));
    return void labels;
  },
} satisfies Plugin<typeof Options, typeof needs>;

const wrong = { pods: ["restartz"] } as const;
// @ts-expect-error pods have no such field
type Wrong = Plugin<undefined, typeof wrong>;

void [plugin, wrong] satisfies [unknown, unknown] | undefined;

// A service seen from outside: whatever a handler takes, and always a promise.
interface Stock {
  readonly count: () => number;
  readonly of: (name: string) => Promise<string[]>;
}

async function askStock({ services }: Pick<PluginContext, "services">): Promise<unknown> {
  const stock = services.use<Stock>("stock");
  const count: number = await stock.count();
  const names: string[] = await stock.of("cart");
  // @ts-expect-error a name is wanted
  void stock.of();
  // @ts-expect-error no such handler
  void stock.off("cart");
  return [count, names];
}

export type { Wrong };
export { askStock };
