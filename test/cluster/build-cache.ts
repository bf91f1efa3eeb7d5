import { access, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { codeOf } from "../../core/errors.ts";

const LOCK_LOOK_MS = 250;
const LOCK_WITHOUT_OWNER_MS = 10_000;

/** The folder that built programs and seeded clusters are kept in: FAIRLEAD_CLUSTER_CACHE, or in the user's cache folder. */
export function cacheFolder(): string {
  const { FAIRLEAD_CLUSTER_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  return own ?? join(shared ?? join(homedir(), ".cache"), "fairlead", "cluster");
}

/** Whether a file or folder is there. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Runs `work` while no other process does for the same path; `waiting` is called once if another one is at it. */
export async function withLock<T>(
  path: string,
  waiting: (ownerPid: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  const lock = `${path}.lock`;
  await mkdir(dirname(lock), { recursive: true });
  let said = false;
  while (!(await tryLock(lock))) {
    const owner = await ownerOf(lock);
    if (owner === "gone") {
      await rm(lock, { recursive: true, force: true });
      continue;
    }
    if (!said && owner !== "unknown") {
      said = true;
      waiting(owner);
    }
    await delay(LOCK_LOOK_MS);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function tryLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
  } catch (error) {
    if (codeOf(error) === "EEXIST") {
      return false;
    }
    throw error;
  }
  await writeFile(join(lock, "pid"), String(process.pid));
  return true;
}

async function ownerOf(lock: string): Promise<number | "gone" | "unknown"> {
  const text = await readFile(join(lock, "pid"), "utf8").catch(() => "");
  if (text !== "") {
    return isAlive(Number(text)) ? Number(text) : "gone";
  }
  const made = await stat(lock).catch(() => undefined);
  // A lock that was just given back may be another one's by now: looked at again, not removed.
  return made === undefined || Date.now() - made.mtimeMs < LOCK_WITHOUT_OWNER_MS ? "unknown" : "gone";
}

/** Moves a finished folder to its place in one step. If another process was first, its folder stays and ours is dropped. */
export async function publish(work: string, place: string): Promise<void> {
  await rename(work, place).catch(async (error: unknown) => {
    await rm(work, { recursive: true, force: true });
    if (!(await exists(place))) {
      throw error;
    }
  });
}

/** Whether a process with this id runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}
