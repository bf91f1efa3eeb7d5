import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cacheFolder, exists, publish, withLock } from "./build-cache.ts";
import type { Cluster, ClusterOptions } from "./cluster.ts";
import { etcdDefragment, etcdRevision } from "./etcd.ts";
import type { Progress } from "./programs.ts";
import { seed } from "./seed.ts";
import type { Shape } from "./seed-shape.ts";
import { sourceFolder } from "./source-folder.ts";

/** Files that decide what a seeded cluster holds: another text, another seeding. */
const MADE_FROM = [
  "modules/control-plane/go.mod",
  "modules/etcd/go.mod",
  "modules/kwok/go.mod",
  "modules/kwok/stages.yaml",
  "seed-objects.ts",
  "seed-shape.ts",
];
const QUIET_LOOK_MS = 2_000;
const QUIET_PER_SECOND = 30;
const QUIET_LOOKS = 60;

/**
 * Folder in the cache with etcd's data and the authority of a cluster that was seeded; seeded now if there is none.
 * `start` starts a cluster, as startCluster does.
 */
export async function seededFolder(
  shape: Shape,
  start: (options: ClusterOptions) => Promise<Cluster>,
  progress: Progress,
): Promise<string> {
  const folder = join(cacheFolder(), "seeded", `${shape}-${await keyOf()}`);
  if (await exists(folder)) {
    return folder;
  }
  const waiting = (pid: number): void => progress(`waiting for process ${pid}, which seeds "${shape}"`);
  await withLock(folder, waiting, async () => {
    if (!(await exists(folder))) {
      await make(folder, shape, start, progress);
    }
  });
  return folder;
}

async function make(
  folder: string,
  shape: Shape,
  start: (options: ClusterOptions) => Promise<Cluster>,
  progress: Progress,
): Promise<void> {
  progress(`seeding "${shape}" once; later starts take it from the cache`);
  await using cluster = await start({ progress });
  const { tookMs } = await seed(cluster, shape, progress);
  await untilQuiet(cluster);
  for (const name of ["kwok", "scheduler", "controller-manager", "apiserver"] as const) {
    await cluster.stopComponent(name, "SIGTERM");
  }
  await cluster.compactEtcd();
  await etcdDefragment(cluster.etcdPort);
  await cluster.stopComponent("etcd");
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}.`);
  try {
    await cp(join(cluster.folder, "etcd"), join(work, "etcd"), { recursive: true });
    await mkdir(join(work, "pki"), { mode: 0o700 });
    for (const file of ["ca.crt", "ca.key", "service-accounts.key", "service-accounts.pub"]) {
      await cp(join(cluster.folder, "pki", file), join(work, "pki", file));
    }
    await publish(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  progress(`seeded "${shape}" in ${Math.round(tookMs / 1000)} s`);
}

/** Waits until the controllers have little left to write; leases go on being renewed. */
async function untilQuiet(cluster: Cluster): Promise<void> {
  let last = await etcdRevision(cluster.etcdPort);
  for (let looks = 0; looks < QUIET_LOOKS; looks++) {
    await delay(QUIET_LOOK_MS);
    const revision = await etcdRevision(cluster.etcdPort);
    if (revision - last < (QUIET_PER_SECOND * QUIET_LOOK_MS) / 1000) {
      return;
    }
    last = revision;
  }
}

async function keyOf(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of MADE_FROM) {
    hash.update(`${file}\0`).update(await readFile(join(sourceFolder(), file)));
  }
  return hash.digest("hex").slice(0, 16);
}
