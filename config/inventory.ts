import { type Controller, createController } from "../core/controller/create-controller.ts";
import { FairleadError } from "../core/errors.ts";
import type { Page, Summary, Workload } from "../plugins/inventory/answers.ts";
import type { PodTotals } from "../plugins/inventory/pod-counts.ts";
import type { InventoryHandlers } from "../plugins/inventory/service.ts";
import { controllerOptions, numberOption } from "./cluster-options.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { textTable } from "./text-table.ts";

const PAGE = 1000;
const RIGHT = ["pods", "ready", "workloads", "services"] as const;

/** What is asked for. */
interface Filter {
  readonly namespace: string | undefined;
  readonly text: string | undefined;
}

/** `fairlead inventory`: loads a cluster once with the plugin of that name, prints what runs where, ends. */
export async function inventory(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const [list] = parsed.arguments;
  const asJson = textOption(parsed, "output") === "json";
  const limit = numberOption(parsed, "limit") ?? Number.POSITIVE_INFINITY;
  const filter = { namespace: textOption(parsed, "namespace"), text: textOption(parsed, "text") };
  refuseUnused(list, parsed);
  // With zod, which only this command and configurations need.
  const { default: plugin } = await import("../plugins/inventory/index.ts");
  const options = await controllerOptions(parsed, context);
  await using controller = createController({ ...options, kinds: [], plugins: [plugin] });
  await controller.start({ signal: context.signal });
  refuseIncomplete(controller.store);
  const service = inventoryOf(controller);
  if (list === "summary") {
    const summary = await service.summary({});
    context.out.write(asJson ? `${JSON.stringify(summary)}\n` : summaryText(summary));
    return 0;
  }
  const { items, rows, head } = await listed(service, list, filter, limit);
  context.out.write(asJson ? items.map((item) => `${JSON.stringify(item)}\n`).join("") : textTable(head, rows, RIGHT));
  return 0;
}

/** Which options a list heeds; one that changes nothing is a mistake. Throws CLI_BAD_ARGUMENT. */
function refuseUnused(list: string, parsed: ParsedOptions): void {
  const heeded: Readonly<Record<string, readonly string[]>> = {
    workloads: ["namespace", "text", "limit"],
    services: ["namespace", "text", "limit"],
    nodes: ["text", "limit"],
    namespaces: ["text", "limit"],
  };
  const unused = ["namespace", "text", "limit"].find(
    (option) => textOption(parsed, option) !== undefined && heeded[list]?.includes(option) !== true,
  );
  if (unused !== undefined) {
    throw new FairleadError("CLI_BAD_ARGUMENT", `"inventory ${list}" takes no --${unused}`);
  }
}

/** Half an inventory would look like a whole one. Throws CLI_NOT_SYNCED. */
function refuseIncomplete(store: Pick<Controller["store"], "kinds" | "status">): void {
  const missing = store.kinds.filter((kind) => !store.status(kind).synced);
  if (missing.length > 0) {
    throw new FairleadError(
      "CLI_NOT_SYNCED",
      `${missing.join(", ")} could not be loaded, and without them the inventory would be wrong; the lines above tell why`,
      { facts: { kinds: missing } },
    );
  }
}

function inventoryOf(controller: Pick<Controller, "services">) {
  return controller.services.use<InventoryHandlers>("inventory");
}

type Inventory = ReturnType<typeof inventoryOf>;

/** Items of a list, and the same as rows of a table. */
interface Listed {
  readonly items: readonly unknown[];
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

async function listed(service: Inventory, list: string, filter: Filter, limit: number): Promise<Listed> {
  const { namespace, text } = filter;
  switch (list) {
    case "workloads": {
      const items = await collect((page) => service.workloads({ namespace, text, ...page }), limit);
      const rows = items.map((item) => [item.namespace || "-", item.kind, item.name, ...podCells(item.pods)]);
      return { items, rows, head: ["namespace", "kind", "name", "pods", "ready", "phases"] };
    }
    case "services": {
      const items = await collect((page) => service.services({ namespace, text, ...page }), limit);
      const rows = items.map((item) => [
        item.namespace,
        item.name,
        item.type,
        String(item.pods),
        item.workloads.map(nameOf).join(", ") || "-",
      ]);
      return { items, rows, head: ["namespace", "name", "type", "pods", "behind it"] };
    }
    case "nodes": {
      const items = await collect((page) => service.nodes({ text, ...page }), limit);
      const state = (ready: boolean, off: boolean): string =>
        `${ready ? "ready" : "not ready"}${off ? ", cordoned" : ""}`;
      const rows = items.map((item) => [item.name, state(item.ready, item.unschedulable), ...podCells(item.pods)]);
      return { items, rows, head: ["name", "state", "pods", "ready", "phases"] };
    }
    default: {
      const items = await collect((page) => service.namespaces({ text, ...page }), limit);
      const rows = items.map((item) => [
        item.name,
        String(item.workloads),
        String(item.services),
        ...podCells(item.pods),
      ]);
      return { items, rows, head: ["name", "workloads", "services", "pods", "ready", "phases"] };
    }
  }
}

/** All pages, or as many items as are wanted. */
async function collect<Item>(
  ask: (page: { readonly limit: number; readonly after?: string }) => Promise<Page<Item>>,
  limit: number,
): Promise<Item[]> {
  const items: Item[] = [];
  let after: string | undefined;
  do {
    const page = await ask({ limit: Math.min(PAGE, limit - items.length), ...(after === undefined ? {} : { after }) });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < limit);
  return items;
}

function nameOf({ kind, name }: Pick<Workload, "kind" | "name">): string {
  return `${kind} ${name}`;
}

function podCells({ total, ready, phases }: PodTotals): string[] {
  const counted = Object.entries(phases).map(([phase, count]) => `${count} ${phase}`);
  return [String(total), String(ready), counted.join(", ") || "-"];
}

function summaryText({ nodes, namespaces, services, workloads, workloadsByKind, pods }: Summary): string {
  const kinds = Object.entries(workloadsByKind).map(([kind, count]) => [`  ${kind}`, String(count)]);
  const phases = Object.entries(pods.phases).map(([phase, count]) => [`  ${phase}`, String(count)]);
  const rows = [
    ["nodes", String(nodes.total)],
    ["  ready", String(nodes.ready)],
    ["namespaces", String(namespaces)],
    ["services", String(services)],
    ["workloads", String(workloads)],
    ...kinds,
    ["pods", String(pods.total)],
    ["  ready", String(pods.ready)],
    ...phases,
  ];
  return textTable(["what", "count"], rows, ["count"]);
}
