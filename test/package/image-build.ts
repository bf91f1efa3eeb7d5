import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";
import { settleRights, stageApp, stageNode, stageSystem } from "./image-files.ts";
import { billOfMaterials } from "./image-sbom.ts";
import { readArchive } from "./oci-archive.ts";

/** An image that was built. */
export interface BuiltImage {
  /** OCI archive. */
  readonly archive: string;
  /** Name with tag, as it stands in the archive. */
  readonly name: string;
  /** "sha256:…" of the manifest: the same parts give the same digest. */
  readonly digest: string;
  /** What is pulled: all layers, compressed. */
  readonly compressedBytes: number;
}

const ROOT = checkout();
/** So that the same parts give the same image, and the layer of Node is shared from release to release. */
const FIXED_TIME = ["--timestamp", "0"];
const NODE = join(ROOT, "node_modules/node/bin/node");

/** The program's version, from package.json. */
export function imageName(): string {
  return `localhost/fairlead:${JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).version}`;
}

/** Folder of the checkout, whether this file runs from there or was compiled into dist/. */
function checkout(): string {
  const up = import.meta.url.endsWith(".ts") ? "../../" : "../../../";
  return fileURLToPath(new URL(up, import.meta.url));
}

/**
 * Builds the image of what stands in dist/ into an OCI archive, with buildah and without a container engine, and writes
 * its bill of materials beside it. Throws IMAGE_BUILD_FAILED.
 */
export function buildImage(archive: string): BuiltImage {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-image-"));
  try {
    const base = join(folder, "base");
    const libraries = stageNode(NODE, base);
    stageSystem(base);
    run("npm", ["pack", "--pack-destination", folder, "--silent"], ROOT);
    const packed = readdirSync(folder).find((file) => file.endsWith(".tgz"));
    const app = join(folder, "program/app");
    stageApp(join(folder, packed ?? "no package was packed"), ROOT, app);
    const bom = `${JSON.stringify(billOfMaterials(ROOT, NODE, libraries), null, 2)}\n`;
    writeFileSync(join(app, "sbom.cdx.json"), bom);
    settleRights(base);
    settleRights(join(folder, "program"));
    cpSync(join(ROOT, "Dockerfile"), join(folder, "Dockerfile"));
    bud(folder, archive);
    writeFileSync(`${archive}.sbom.cdx.json`, bom);
    return { archive, name: imageName(), ...readArchive(archive) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Builds the Dockerfile of a folder into an OCI archive; `from`: an archive whose image it may name in FROM. */
export function buildFolder(folder: string, archive: string, name: string, from?: BuiltImage): void {
  withStorage((storage) => {
    if (from !== undefined) {
      run("buildah", [...storage, "pull", "--quiet", `oci-archive:${from.archive}`], folder);
    }
    const flags = ["--isolation", "chroot", "--pull-never", ...FIXED_TIME, "--quiet", "-t", name];
    run("buildah", [...storage, "bud", ...flags, folder], folder);
    push(storage, name, archive, folder);
  });
}

function bud(folder: string, archive: string): void {
  const version = `VERSION=${imageName().split(":").at(-1)}`;
  const revision = `REVISION=${gitSays(["rev-parse", "HEAD"]) ?? "unknown"}`;
  withStorage((storage) => {
    const flags = ["--isolation", "chroot", "--layers", ...FIXED_TIME, "--quiet", "-t", imageName()];
    const args = ["--build-arg", version, "--build-arg", revision];
    run("buildah", [...storage, "bud", ...flags, ...args, folder], folder);
    push(storage, imageName(), archive, folder);
  });
}

function push(storage: readonly string[], name: string, archive: string, folder: string): void {
  rmSync(archive, { force: true }); // It would be added to.
  run("buildah", [...storage, "push", "--quiet", name, `oci-archive:${archive}:${name}`], folder);
}

/** Storage of its own, so that nothing of one build is seen by the next. */
function withStorage(work: (flags: readonly string[]) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-image-storage-"));
  try {
    mkdirSync(join(folder, "run"));
    const places = ["--root", join(folder, "storage"), "--runroot", join(folder, "run")];
    // The plain driver copies everything for each step, and works everywhere.
    const quick = ["--storage-driver", "overlay", ...places];
    const isQuick = spawnSync("buildah", [...quick, "info"]).status === 0;
    work(isQuick ? quick : ["--storage-driver", "vfs", ...places]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function gitSays(args: readonly string[]): string | undefined {
  const result = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error !== undefined || status !== 0) {
    const why =
      error?.message ??
      `ended with ${status ?? signal}\n${`${stdout}${stderr}`.trim().split("\n").slice(-10).join("\n")}`;
    throw new FairleadError("IMAGE_BUILD_FAILED", `"${command} ${args.join(" ")}" ${why}`);
  }
}
