import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";
import { cacheFolder, exists, withLock } from "../cluster/build-cache.ts";

/** Programs that Fairlead is compared with, or runs beside. */
export type PeerName = "client-go" | "controller-runtime" | "kube-rs" | "lease-candidate";

interface PeerSource {
  /** Files that make the program, the ones that pin versions included. Their hash is the key of the cache. */
  readonly files: readonly string[];
  /** Builds the program from `source` into `out`. */
  build(source: string, out: string): Promise<void>;
}

const PEERS: Readonly<Record<PeerName, PeerSource>> = {
  "client-go": {
    files: ["go.mod", "go.sum", "main.go", "strip.go"],
    build: (source, out) =>
      runTool("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", join(out, "peer"), "."], source, "go 1.26"),
  },
  "controller-runtime": {
    files: ["go.mod", "go.sum", "main.go", "webapp.go"],
    build: (source, out) =>
      runTool("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", join(out, "peer"), "."], source, "go 1.26"),
  },
  "lease-candidate": {
    files: ["go.mod", "go.sum", "main.go"],
    build: (source, out) =>
      runTool("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", join(out, "peer"), "."], source, "go 1.26"),
  },
  "kube-rs": {
    files: ["Cargo.toml", "src/main.rs", "src/drop_large.rs", "src/keep.rs"],
    build: async (source, out) => {
      const target = process.env.CARGO_TARGET_DIR ?? join(source, "target");
      await runTool("cargo", ["build", "--release", "--target-dir", target], source, "rust 1.89 or later");
      await cp(join(target, "release", "kube-rs-peer"), join(out, "peer"));
      await cp(join(source, "Cargo.lock"), join(out, "Cargo.lock"));
    },
  },
};

/** Path of a peer's program, built first if the cache has none for these sources. Throws BENCH_PEER_NOT_BUILT. */
export async function buildPeer(name: PeerName, progress: (line: string) => void): Promise<string> {
  const source = peerFolder(name);
  const folder = join(cacheFolder(), "peers", `${name}-${await hashOf(source, PEERS[name].files)}`);
  if (!(await exists(folder))) {
    const waiting = (pid: number): void => progress(`waiting for process ${pid}, which builds ${name}`);
    await withLock(folder, waiting, async () => {
      if (!(await exists(folder))) {
        await buildInto(folder, name, progress);
      }
    });
  }
  return join(folder, "peer");
}

async function buildInto(folder: string, name: PeerName, progress: (line: string) => void): Promise<void> {
  progress(`building ${name} (once; minutes)`);
  const startedAtMs = Date.now();
  await mkdir(dirname(folder), { recursive: true });
  // A copy is built, so that no lock file or build folder appears in the checkout, and renamed, so that none sees half of it.
  const work = await mkdtemp(`${folder}.`);
  try {
    const copy = join(work, "source");
    const out = join(work, "out");
    await mkdir(out);
    for (const file of PEERS[name].files) {
      await cp(join(peerFolder(name), file), join(copy, file), { recursive: true });
    }
    await PEERS[name].build(copy, out);
    await rename(out, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  progress(`built ${name} in ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
}

/** Sources lie beside this file, whether it runs from the checkout or was compiled into dist/. */
function peerFolder(name: PeerName): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here.replace(/([\\/])dist[\\/]test[\\/]bench$/, "$1test$1bench"), "peers", name);
}

async function hashOf(source: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file}\0`).update(await readFile(join(source, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

async function runTool(command: string, args: readonly string[], cwd: string, wanted: string): Promise<void> {
  const child = spawn(command, [...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => said.push(text));
  }
  const code = await new Promise<number | string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
  if (code !== 0) {
    const last = said.join("").trim().split("\n").slice(-10).join("\n");
    throw new FairleadError(
      "BENCH_PEER_NOT_BUILT",
      `"${command} ${args[0]}" failed (${code}); install ${wanted}, without it the peers are not measured\n${last}`,
    );
  }
}
