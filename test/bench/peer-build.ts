import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { access, cp, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";

/** Programs that Fairlead is compared with. */
export type PeerName = "client-go" | "kube-rs";

interface PeerSource {
  /** Files that make the program, the ones that pin versions included. Their hash is the key of the cache. */
  readonly files: readonly string[];
  /** Builds the program from `source` into `out`. */
  build(source: string, out: string): Promise<void>;
}

const PEERS: Readonly<Record<PeerName, PeerSource>> = {
  "client-go": {
    files: ["go.mod", "go.sum", "main.go"],
    build: (source, out) =>
      runTool("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", join(out, "peer"), "."], source, "go 1.26"),
  },
  "kube-rs": {
    files: ["Cargo.toml", "src/main.rs"],
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
  const { files, build } = PEERS[name];
  const source = peerFolder(name);
  const folder = join(cacheFolder(), "peers", `${name}-${await hashOf(source, files)}`);
  const program = join(folder, "peer");
  if (await exists(program)) {
    return program;
  }
  progress(`building ${name} (once; minutes)`);
  const startedAtMs = Date.now();
  await mkdir(dirname(folder), { recursive: true });
  // A copy is built, so that no lock file or build folder appears in the checkout, and renamed, so that none sees half of it.
  const work = await mkdtemp(`${folder}.`);
  try {
    const copy = join(work, "source");
    const out = join(work, "out");
    await mkdir(out);
    for (const file of files) {
      await cp(join(source, file), join(copy, file), { recursive: true });
    }
    await build(copy, out);
    await rename(out, folder).catch(async (error: unknown) => {
      if (!(await exists(program))) {
        throw error;
      }
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  progress(`built ${name} in ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
  return program;
}

/** The folder that the programs of tests and benches are kept in between checkouts. */
function cacheFolder(): string {
  const { FAIRLEAD_CLUSTER_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  return own ?? join(shared ?? join(homedir(), ".cache"), "fairlead", "cluster");
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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
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
