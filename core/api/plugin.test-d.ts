import { z } from "zod";
import type { Harness } from "../testing/harness.ts";
import type { Plugin, PluginContext, ThreadContext } from "./index.ts";

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

// A custom resource: what its declaration says is what its views show.
const shelfNeeds = {
  pods: { fields: ["phase"], keep: "slim", indexes: { claim: "claims" } },
  nodes: { labelSelector: "role" },
  "shelves.example.org": {
    apiVersion: "example.org/v1",
    kind: "Shelf",
    namespaced: true,
    indexes: { aisle: "aisle" },
    fields: {
      size: { type: "int", path: "spec.size" },
      aisle: { type: "name", path: "spec.aisle" },
      state: { type: "enum", path: "status.state", values: ["Empty", "Full"] },
      ready: { type: "condition", path: "status.conditions", conditionType: "Ready" },
      goods: { type: "records", path: "spec.goods", element: { left: { type: "long", path: "left" } } },
    },
  },
} as const;

function readShelves({ store, hooks }: PluginContext<undefined, typeof shelfNeeds>): void {
  hooks.changes("shelves.example.org").tap(([change]) => {
    const shelf = change?.new;
    if (shelf === undefined) {
      return;
    }
    const inside: string = shelf.metadata.namespace;
    const size: number = shelf.spec.size;
    const aisle: string | undefined = shelf.spec.aisle;
    const state: string | undefined = shelf.status.state;
    const ready: string | undefined = shelf.ready;
    const left: number | undefined = shelf.spec.goods[0]?.left;
    const label: string | undefined = shelf.metadata.labels.team;
    // @ts-expect-error not declared
    void shelf.spec.weight;
    // @ts-expect-error it is a number
    const wrongType: string = shelf.spec.size;
    // @ts-expect-error only "slim" and "full" keep the whole object
    void shelf.json;
    void [inside, size, aisle, state, ready, left, label, wrongType];
  });
  store.read((view) => {
    const inAisle: readonly string[] = view["shelves.example.org"].by("aisle", "7").map((shelf) => shelf.key);
    // @ts-expect-error no such index
    view["shelves.example.org"].by("size", "7");
    view.pods.by("claim", "data");
    const whole: unknown = view.pods.get("shop/cart")?.json;
    const host: string | undefined = view.nodes.get("one")?.spec.podCIDR;
    return [inAisle, whole, host].length;
  });
}

function inThread({ store }: ThreadContext<undefined, never, never, typeof needs>): void {
  store.read((view) => {
    const labels: Readonly<Record<string, string>> | undefined = view.pods.get("shop/cart")?.metadata.labels;
    // @ts-expect-error phase was not asked for
    void view.pods.get("shop/cart")?.status.phase;
    return labels?.app;
  });
}

export type { Wrong };

async function testStock(h: Harness): Promise<readonly string[]> {
  return await h.service<Stock>("stock").of("cart");
}

export { askStock, inThread, readShelves, testStock };
