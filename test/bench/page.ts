import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Machine, machineLine } from "./machine.ts";
import { markdownReport, type Report } from "./report.ts";

const PERFORMANCE_HEAD = `# Performance

Written by \`npm run bench -- <name> --write\`; do not edit by hand. Every figure is a median of interleaved runs, with the
lowest and highest beside it where there is room. Trust ratios between rows of one table, not milliseconds: they come from one machine.
MB are 10^6 bytes. "Resident" holds pages of the program file that the kernel may drop at any time; "private" does not.
`;

const FAULTS_HEAD = `# Faults

Written by \`npm run bench -- faults --write\`; do not edit by hand.
`;

/** Writes the sections of these reports into the page and leaves the sections of other benches as they are. */
export async function writePage(path: string, reports: readonly Report[], machine: Machine): Promise<void> {
  let page = await readFile(path, "utf8").catch(() => "");
  page = (path.endsWith("faults.md") ? FAULTS_HEAD : PERFORMANCE_HEAD) + page.slice(firstMarker(page));
  for (const report of reports) {
    page = withSection(page, report, machine);
  }
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, page);
}

function firstMarker(page: string): number {
  const at = page.indexOf("\n<!-- bench:");
  return at < 0 ? page.length : at;
}

function withSection(page: string, report: Report, machine: Machine): string {
  const open = `<!-- bench:${report.name} -->`;
  const close = `<!-- /bench:${report.name} -->`;
  const measured = `Measured ${new Date().toISOString().slice(0, 10)} on ${machineLine(machine)}.`;
  const section = `${open}\n## ${report.title}\n\n${measured}\n\n${markdownReport(report)}\n${close}`;
  const from = page.indexOf(open);
  const to = page.indexOf(close);
  if (from >= 0 && to > from) {
    return page.slice(0, from) + section + page.slice(to + close.length);
  }
  return `${page}\n${section}\n`;
}
