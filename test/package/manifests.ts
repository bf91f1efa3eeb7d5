import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments, stringify } from "yaml";
import { ensureProgram } from "../cluster/programs.ts";

/** An object of the API, as far as manifests are looked at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** A file of manifests. */
export interface ManifestFile {
  readonly path: string;
  readonly text: string;
  readonly objects: readonly Manifest[];
}

const ROOT = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../../" : "../../../", import.meta.url));
const CHART = `${ROOT}config/chart`;
/** Where the plain manifests are to be applied. */
export const NAMESPACE = "fairlead-system";
const RBAC = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"];
const HEAD = "# Rendered from config/chart by `npm run manifests`; a test fails when it is stale.\n";

/** What helm renders of our chart; `values` as of `--set-json`. */
export async function renderChart(
  namespace: string,
  values: Readonly<Record<string, unknown>> = {},
): Promise<Manifest[]> {
  const helm = await ensureProgram("helm", (line) => console.error(line));
  const set = Object.entries(values).flatMap(([key, value]) => ["--set-json", `${key}=${JSON.stringify(value)}`]);
  const args = ["template", "fairlead", CHART, "--namespace", namespace, ...set];
  return parseManifests(execFileSync(helm, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));
}

/** The objects of a text of YAML documents. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document): Manifest | null => document.toJS()) // Our own manifests.
    .filter((object) => object !== null);
}

/** The plain manifests as they should be: the chart with its defaults, and the namespace that helm would make. */
export async function plainManifests(): Promise<readonly ManifestFile[]> {
  const objects = await renderChart(NAMESPACE);
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  };
  return [
    fileOf("config/manager/namespace.yaml", [namespace]),
    fileOf(
      "config/rbac/fairlead.yaml",
      objects.filter(({ kind }) => RBAC.includes(kind)),
    ),
    fileOf(
      "config/manager/fairlead.yaml",
      objects.filter(({ kind }) => !RBAC.includes(kind)),
    ),
  ];
}

/** A file of manifests as it stands in the checkout. */
export function readManifests(path: string): readonly Manifest[] {
  return parseManifests(readFileSync(ROOT + path, "utf8"));
}

function fileOf(path: string, objects: readonly Manifest[]): ManifestFile {
  const documents = objects.map((object) => stringify(object, { lineWidth: 0 }));
  return { path: ROOT + path, objects, text: HEAD + documents.join("---\n") };
}

if (import.meta.main) {
  for (const { path, text } of await plainManifests()) {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}
