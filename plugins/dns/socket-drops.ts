import { readFile } from "node:fs/promises";

const FILES = ["/proc/net/udp", "/proc/net/udp6"];
/** Columns of a line: the local address as hex, and last of all the drops. */
const LOCAL = 1;

/** Packets that the system dropped at UDP sockets of these ports since they were opened. Undefined where it does not tell. */
export async function socketDrops(ports: readonly number[]): Promise<number | undefined> {
  const texts = await Promise.all(FILES.map((file) => readFile(file, "utf8").catch(() => "")));
  if (texts.every((text) => text === "")) {
    return undefined;
  }
  return texts.reduce((sum, text) => sum + dropsIn(text, ports), 0);
}

/** The same of the text of such a file. */
export function dropsIn(text: string, ports: readonly number[]): number {
  let drops = 0;
  for (const line of text.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const port = Number.parseInt(columns[LOCAL]?.split(":")[1] ?? "", 16);
    if (ports.includes(port)) {
      drops += Number(columns.at(-1)) || 0;
    }
  }
  return drops;
}
