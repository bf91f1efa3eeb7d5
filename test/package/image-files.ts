import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { FairleadError } from "../../core/errors.ts";

/** What only people and compilers read; licences stay. */
const NOT_AT_RUN_TIME = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|bare|flow|zip)$|\/\.[^/]*(rc|ignore)(\.[a-z]+)?$/i;
/** Folders of packages that no program imports from. */
const NOT_IMPORTED = /^(tests?|__tests__|bench(marks?)?|examples?|docs?|\.github)$/;
const LICENCE = /(licen[cs]e|notice|copying)/i;

/** A shared library in the image: path on this machine and in the image. */
export interface Library {
  readonly path: string;
}

/** Puts the program of a Node binary and the libraries that it loads into a root folder, at the places where they stood. */
export function stageNode(node: string, root: string): readonly Library[] {
  copyInto(root, "/usr/bin/node", realpathSync(node), 0o755);
  const text = execFileSync("ldd", [node], { encoding: "utf8" });
  const libraries = [...text.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => ({ path }));
  if (libraries.length === 0) {
    throw new FairleadError(
      "IMAGE_NO_LIBRARIES",
      `"ldd ${node}" named no library; the image is built on Linux with glibc`,
    );
  }
  for (const { path } of libraries) {
    copyInto(root, path, realpathSync(path), 0o755);
  }
  return libraries;
}

/** The user that the program runs as, a folder for temporary files, and places where things can be mounted. */
export function stageSystem(root: string): void {
  mkdirSync(join(root, "etc/fairlead"), { recursive: true });
  mkdirSync(join(root, "node_modules"));
  mkdirSync(join(root, "tmp"));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/none\nfairlead:x:65532:65532:fairlead:/app:/none\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nfairlead:x:65532:\n");
}

/** Unpacks the packed library and installs what it needs at run time, by the lock file. */
export function stageApp(packed: string, sources: string, app: string): void {
  mkdirSync(app, { recursive: true });
  execFileSync("tar", ["-xzf", packed, "-C", app, "--strip-components=1"]);
  for (const file of ["package.json", "package-lock.json"]) {
    copyFileSync(join(sources, file), join(app, file));
  }
  const flags = [
    "--omit=dev",
    "--omit=optional",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--silent",
  ];
  execFileSync("npm", ["ci", ...flags], { cwd: app, stdio: ["ignore", "ignore", "inherit"] });
  // `plugins` is what `fairlead plugin new` copies: work for a machine of a person.
  for (const path of ["package-lock.json", "node_modules/.package-lock.json", "node_modules/.bin", "plugins"]) {
    rmSync(join(app, path), { recursive: true, force: true });
  }
  for (const folder of packageFolders(join(app, "node_modules"))) {
    for (const name of readdirSync(folder).filter((one) => NOT_IMPORTED.test(one))) {
      rmSync(join(folder, name), { recursive: true });
    }
  }
  for (const entry of readdirSync(app, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && NOT_AT_RUN_TIME.test(path) && !LICENCE.test(entry.name)) {
      rmSync(path);
    }
  }
}

/** Every folder below that is a package: it has a package.json and stands in a node_modules. */
function packageFolders(modules: string): readonly string[] {
  return readdirSync(modules, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name === "package.json")
    .map((entry) => entry.parentPath)
    .filter((folder) => /\/node_modules\/(@[^/]+\/)?[^/]+$/.test(folder));
}

/** Gives every file the same rights whoever builds: all may read, only root may write. What could be run still can. */
export function settleRights(root: string): void {
  for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isSymbolicLink()) {
      chmodSync(path, entry.isDirectory() || (lstatSync(path).mode & 0o100) !== 0 ? 0o755 : 0o644);
    }
  }
  chmodSync(root, 0o755);
  if (existsSync(join(root, "tmp"))) {
    chmodSync(join(root, "tmp"), 0o1777);
  }
}

function copyInto(root: string, place: string, from: string, mode: number): void {
  const to = join(root, place);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}
