import { styleText } from "node:util";
import type { Figures } from "./figures.ts";
import type { KindRow } from "./totals.ts";

const COLUMNS = ["kind", "state", "objects", "events", "bytes", "reconnects", "drift", "age"] as const;

/** Bytes as a person reads them: "26.7 MB". */
export function readableBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** The block shown while the caches fill. */
export function renderLoading(title: string, rows: readonly KindRow[], seconds: number): string[] {
  const objects = rows.reduce((sum, row) => sum + row.objects, 0);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const synced = rows.filter((row) => row.synced).length;
  return [
    `fairlead: loading ${title}: ${synced} of ${rows.length} kinds synced after ${seconds.toFixed(1)} s`,
    `  ${objects} objects, ${readableBytes(bytes)}, ${Math.round(objects / Math.max(seconds, 0.001))} objects/s`,
    "",
    ...table(rows),
  ];
}

/** The block shown while the cluster is followed. */
export function renderSummary(title: string, rows: readonly KindRow[], figures: Figures, seconds: number): string[] {
  const objects = rows.reduce((sum, row) => sum + row.objects, 0);
  const events = rows.reduce((sum, row) => sum + row.events, 0);
  return [
    `fairlead: following ${title} for ${Math.round(seconds)} s (ctrl-c ends it)`,
    `  ${objects} objects, ${events} events, ${figures.residentMb} MB resident, ` +
      `${((figures.cpuMs / Math.max(seconds * 1000, 1)) * 100).toFixed(1)} % CPU, ` +
      `longest main-loop stall ${figures.longestStallMs} ms`,
    "",
    ...table(rows),
  ];
}

function table(rows: readonly KindRow[]): string[] {
  const cells = rows.map((row) => [
    row.kind,
    row.synced ? row.phase : row.phase === "watching" ? "loading" : row.phase,
    String(row.objects),
    String(row.events),
    readableBytes(row.bytes),
    String(row.reconnects),
    String(row.drift),
    row.staleSeconds === undefined ? "-" : `${row.staleSeconds.toFixed(1)} s`,
  ]);
  const widths = COLUMNS.map((column, i) => Math.max(column.length, ...cells.map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")}`;
  return [line(COLUMNS), ...cells.map(line)];
}

const STATES = /^( {2}\S+ +)(watching|loading|listing|connecting|idle|backing off|not served|forbidden|stopped)(?= )/;

/** A line of the screen as the stream shows it: the state of a kind in colour on a terminal, unless NO_COLOR is set. */
export function painted(line: string, stream: NodeJS.WriteStream): string {
  return line.replace(STATES, (_, before: string, state: string) => {
    const colour = state === "watching" ? "green" : /^(backing|not|forb)/.test(state) ? "red" : "yellow";
    return `${before}${styleText(colour, state, { stream })}`;
  });
}
