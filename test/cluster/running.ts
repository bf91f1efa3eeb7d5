import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FairleadError } from "../../core/errors.ts";
import { cacheFolder, isAlive } from "./build-cache.ts";
import type { KeyPair } from "./certificates.ts";

/** A cluster that outlives the command which started it, as its host process writes it down. */
export interface RunningCluster {
  readonly name: string;
  /** Process that holds the cluster; SIGTERM ends both. */
  readonly hostPid: number;
  readonly url: string;
  readonly etcdPort: number;
  readonly kubeconfigPath: string;
  readonly folder: string;
  readonly caPem: string;
  readonly admin: KeyPair;
  readonly components: readonly string[];
  readonly hasRealNode: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** Writes down a cluster; it is a secret, since it holds the administrator's key. */
export async function writeRunning(cluster: RunningCluster): Promise<void> {
  const path = pathOf(cluster.name);
  await mkdir(folderOf(), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.${process.pid}`, JSON.stringify(cluster), { mode: 0o600 });
  await rename(`${path}.${process.pid}`, path);
}

/** Forgets a cluster. */
export async function forgetRunning(name: string): Promise<void> {
  await rm(pathOf(name), { force: true });
}

/** A cluster by its name, or undefined; one whose host process is gone is forgotten. */
export async function findRunning(name: string): Promise<RunningCluster | undefined> {
  const text = await readFile(pathOf(name), "utf8").catch(() => undefined);
  if (text === undefined) {
    return undefined;
  }
  const cluster: RunningCluster = JSON.parse(text);
  if (isAlive(cluster.hostPid)) {
    return cluster;
  }
  await forgetRunning(name);
  return undefined;
}

/** All clusters that run, by name. */
export async function listRunning(): Promise<readonly RunningCluster[]> {
  const files = await readdir(folderOf()).catch(() => []);
  const names = files.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  const found = await Promise.all(names.sort().map(findRunning));
  return found.filter((cluster) => cluster !== undefined);
}

function folderOf(): string {
  return join(cacheFolder(), "running");
}

function pathOf(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    throw new FairleadError(
      "CLUSTER_BAD_NAME",
      `"${name}" is not a name for a cluster; use lower case letters, digits and "-"`,
    );
  }
  return join(folderOf(), `${name}.json`);
}
