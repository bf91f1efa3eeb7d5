import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

const LOOK_MS = 2_000;
const TICKS_PER_SECOND = 100;

/**
 * Waits until some processes together use less than a share of one core, looking every 2 s; false if they do not within the
 * deadline. Where there is no /proc it does not wait.
 */
export async function untilQuiet(pids: readonly number[], share: number, deadlineMs: number): Promise<boolean> {
  const endAtMs = Date.now() + deadlineMs;
  let last = await ticksOf(pids);
  while (last !== undefined) {
    await delay(LOOK_MS);
    const now = await ticksOf(pids);
    if (now === undefined || ((now - last) / TICKS_PER_SECOND) * 1000 < share * LOOK_MS) {
      return true;
    }
    if (Date.now() > endAtMs) {
      return false;
    }
    last = now;
  }
  return true;
}

async function ticksOf(pids: readonly number[]): Promise<number | undefined> {
  let ticks = 0;
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
    if (text === undefined) {
      return undefined;
    }
    // The program's name is in parentheses and may hold anything; user and system time are the 12th and 13th field after it.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks;
}
