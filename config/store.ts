import { createController } from "../core/controller/create-controller.ts";
import { controllerOptions, numberOption } from "./cluster-options.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { readableBytes } from "./screen.ts";

const DEFAULT_LIMIT = 20;

/** `fairlead store stats|dump`: loads the caches once, prints what is in the store, ends. */
export async function store(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const [action, only] = parsed.arguments;
  const limit = numberOption(parsed, "limit") ?? DEFAULT_LIMIT;
  const options = await controllerOptions(
    only === undefined ? parsed : { ...parsed, values: { ...parsed.values, kinds: [only] } },
    context,
  );
  const controller = createController(options);
  await using started = await controller.start({ signal: context.signal });
  const asJson = textOption(parsed, "output") === "json";
  if (action === "stats") {
    const stats = started.store.stats();
    context.out.write(asJson ? `${JSON.stringify(stats)}\n` : statsText(stats));
    return 0;
  }
  for (const kind of started.store.kinds) {
    for (const object of started.store.dump(kind, { limit, namespace: textOption(parsed, "namespace") })) {
      context.out.write(`${JSON.stringify({ kind, ...object })}\n`);
    }
  }
  return 0;
}

type Stats = ReturnType<ReturnType<typeof createController>["store"]["stats"]>;

function statsText(stats: Stats): string {
  const rows = Object.entries(stats.kinds).map(([kind, figures]) => [
    kind,
    String(figures.objects),
    readableBytes(figures.bytes),
    figures.objects === 0 ? "-" : String(Math.round(figures.bytes / figures.objects)),
  ]);
  const head = ["kind", "objects", "rows", "bytes/object"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ");
  return `${[line(head), ...rows.map(line)].join("\n")}\n`;
}
