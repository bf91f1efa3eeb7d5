import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HELP = `usage: npm run image -- [--output FILE]

Builds the container image with buildah, without a container engine, from the Node of this checkout and the built package.

  --output FILE   where the OCI archive goes (default fairlead-image.tar)
  --help          this text`;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function run(command: string, args: readonly string[], cwd: string): void {
  const result = spawnSync(command, [...args], { cwd, stdio: "inherit" });
  if (result.error !== undefined) {
    throw new Error(`"${command}" could not be started: ${result.error.message}; on Debian: apt-get install buildah`);
  }
  if (result.status !== 0) {
    throw new Error(`"${command} ${args.join(" ")}" ended with ${result.status ?? result.signal}`);
  }
}

/** Copies a program and every shared library that it loads into a root folder, at the same places. */
function copyProgram(program: string, to: string, root: string): void {
  const real = realpathSync(program);
  mkdirSync(dirname(join(root, to)), { recursive: true });
  copyFileSync(real, join(root, to));
  const libraries = execFileSync("ldd", [real], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g);
  for (const [, library] of libraries) {
    mkdirSync(dirname(join(root, library)), { recursive: true });
    copyFileSync(realpathSync(library), join(root, library));
  }
}

function build(output: string): void {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-image-"));
  try {
    const root = join(folder, "root");
    copyProgram(process.execPath, "usr/bin/node", root);
    run("tsc", ["-b"], ROOT);
    mkdirSync(join(root, "app"), { recursive: true });
    run("npm", ["pack", "--pack-destination", folder, "--silent"], ROOT);
    execFileSync("sh", ["-c", `tar -xzf ${folder}/fairlead-*.tgz -C ${root}/app --strip-components=1`]);
    run("npm", ["install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], join(root, "app"));
    cpSync(join(ROOT, "Dockerfile"), join(folder, "Dockerfile"));
    const storage = ["--storage-driver", "vfs", "--root", join(folder, "storage"), "--runroot", join(folder, "run")];
    run("buildah", [...storage, "bud", "--isolation", "chroot", "--timestamp", "0", "-t", "fairlead", folder], folder);
    rmSync(output, { force: true });
    run("buildah", [...storage, "push", "fairlead", `oci-archive:${output}:fairlead`], folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { output: { type: "string" }, help: { type: "boolean" } } });
if (values.help === true) {
  console.log(HELP);
} else {
  const output = join(process.cwd(), values.output ?? "fairlead-image.tar");
  build(output);
  console.log(`wrote ${output}`);
}
