import { shown } from "./numbers.ts";

/** One table of a bench, ready to print. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A number that the product has to hold. */
export interface Bar {
  readonly what: string;
  /** Measured; NaN when it could not be measured. */
  readonly value: number;
  /** "at most" or "at least" `limit`. */
  readonly wants: "at most" | "at least";
  readonly limit: number;
  /** "ms", "MB", "x" (a ratio) … */
  readonly unit: string;
}

/** What one bench has to say. */
export interface Report {
  /** Name on the command line. */
  readonly name: string;
  readonly title: string;
  /** Page that it is written into. Default docs/reference/performance.md. */
  readonly page?: string;
  /** How it was measured, in Markdown: one paragraph an entry. */
  readonly how: readonly string[];
  readonly tables: readonly Table[];
  readonly bars: readonly Bar[];
  /** What a reader must know: load of the machine, what could not be measured. */
  readonly notes: readonly string[];
  /** All that was measured, for `--output json`. */
  readonly raw: unknown;
}

/** Whether a bar is held. What was not measured is not held. */
export function isHeld(bar: Bar): boolean {
  return bar.wants === "at most" ? bar.value <= bar.limit : bar.value >= bar.limit;
}

/** The bars of a report as a table, with by how much each is missed. */
export function barTable(bars: readonly Bar[]): Table {
  return {
    title: "Bars",
    columns: ["what", "measured", "bar", "result"],
    rows: bars.map((bar) => [
      bar.what,
      Number.isNaN(bar.value) ? "not measured" : `${shown(bar.value)} ${bar.unit}`,
      `${bar.wants} ${shown(bar.limit)} ${bar.unit}`,
      verdict(bar),
    ]),
  };
}

function verdict(bar: Bar): string {
  if (Number.isNaN(bar.value)) {
    return "not measured";
  }
  if (isHeld(bar)) {
    return "held";
  }
  return `missed by ${shown(Math.abs(bar.value / bar.limit - 1) * 100)} %`;
}

/** A table as aligned Markdown: readable on a terminal and in a page. */
export function markdownTable(table: Table): string {
  const widths = table.columns.map((column, at) =>
    Math.max(column.length, ...table.rows.map((row) => (row[at] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, at) => (at === 0 ? (cells[at] ?? "").padEnd(width) : (cells[at] ?? "").padStart(width))).join(" | ")} |`;
  const rule = `|${widths.map((width, at) => (at === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(table.columns), rule, ...table.rows.map(line)].join("\n");
}

/** A whole report as Markdown, headings from the third level. */
export function markdownReport(report: Report): string {
  const parts = [...report.how];
  for (const table of report.bars.length > 0 ? [...report.tables, barTable(report.bars)] : report.tables) {
    parts.push(`### ${table.title}`, markdownTable(table));
  }
  if (report.notes.length > 0) {
    parts.push(report.notes.map((note) => `- ${note}`).join("\n"));
  }
  return parts.join("\n\n");
}
