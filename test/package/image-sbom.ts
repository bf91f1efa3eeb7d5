import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Library } from "./image-files.ts";

/** A part of the image, as CycloneDX writes it down. */
export interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly [field: string]: unknown;
}

/** The bill of materials of an image. */
export interface BillOfMaterials {
  readonly bomFormat: "CycloneDX";
  readonly metadata: { readonly component: Component; readonly [field: string]: unknown };
  readonly components: readonly Component[];
  readonly [field: string]: unknown;
}

/** A lock file of npm, as far as it is looked at. */
interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly optional?: boolean; readonly devDependencies?: unknown }>
  >;
}

/**
 * The bill of materials in the CycloneDX form: what npm knows from the lock file, and Node and the system's libraries, which
 * it does not know. Without a time and a random number, so that the same parts give the same text.
 */
export function billOfMaterials(sources: string, node: string, libraries: readonly Library[]): BillOfMaterials {
  const bom = ofNpm(sources);
  const { name, version } = readJson(join(sources, "package.json"));
  const { serialNumber: _, metadata, ...rest } = bom;
  const { timestamp: __, ...described } = metadata;
  const component = { ...metadata.component, type: "application", name: String(name), version: String(version) };
  return {
    ...rest,
    bomFormat: "CycloneDX",
    metadata: { ...described, component },
    components: [...bom.components, nodeComponent(node), ...systemComponents(libraries)],
  };
}

/** Asked of a lock file that holds only what is installed: told to omit the rest, npm 11 also leaves out what both sides need. */
function ofNpm(sources: string): BillOfMaterials {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-bom-"));
  try {
    const { devDependencies: _, ...described } = readJson(join(sources, "package.json"));
    const lock: Lock = JSON.parse(readFileSync(join(sources, "package-lock.json"), "utf8"));
    const packages = Object.entries(lock.packages).filter(([, one]) => one.dev !== true && one.optional !== true);
    const { devDependencies: __, ...root } = lock.packages[""];
    const needed = { ...lock, packages: { ...Object.fromEntries(packages), "": root } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(described));
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify(needed));
    const flags = ["--sbom-format=cyclonedx", "--package-lock-only", "--silent"];
    return JSON.parse(execFileSync("npm", ["sbom", ...flags], { cwd: folder, encoding: "utf8", stdio: "pipe" }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readJson(path: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(path, "utf8"));
}

function nodeComponent(node: string): Component {
  const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1);
  return { type: "platform", name: "node", version, purl: `pkg:generic/node@${version}` };
}

/** The packages that the libraries came with; a library that no package owns stands for itself. */
function systemComponents(libraries: readonly Library[]): readonly Component[] {
  const found = new Map<string, Component>();
  for (const { path } of libraries) {
    const owner = packageOf(path) ?? packageOf(`/usr${path}`) ?? packageOf(realpathSync(path));
    const component =
      owner === undefined
        ? { type: "library", name: path, version: "unknown" }
        : {
            type: "library",
            name: owner.name,
            version: owner.version,
            purl: `pkg:deb/debian/${owner.name}@${encodeURIComponent(owner.version)}`,
          };
    found.set(component.name, component);
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function packageOf(path: string): { readonly name: string; readonly version: string } | undefined {
  const owner = spawnSync("dpkg-query", ["-S", path], { encoding: "utf8" });
  const name = /^([^:,\s]+)/.exec(owner.stdout ?? "")?.[1];
  if (owner.status !== 0 || name === undefined) {
    return undefined;
  }
  const version = /^Version: (.+)$/m.exec(spawnSync("dpkg-query", ["-s", name], { encoding: "utf8" }).stdout)?.[1];
  return version === undefined ? undefined : { name, version };
}
