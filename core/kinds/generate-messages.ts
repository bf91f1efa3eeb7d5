/**
 * Writes core/kinds/messages.ts from the Go types of Kubernetes: `npm run generate`, or with `--check` to fail when the
 * file is stale. Needs Go; the modules come from the module cache or the Go proxy.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

const VERSION = "v0.36.3";
const TARGET = new URL("./messages.ts", import.meta.url);

/** Go import path -> prefix of its message names. Message names of kinds are then `apiVersion.Kind`. */
const PACKAGES: Readonly<Record<string, string>> = {
  "k8s.io/apimachinery/pkg/apis/meta/v1": "meta/v1",
  "k8s.io/apimachinery/pkg/types": "types",
  "k8s.io/api/core/v1": "v1",
  "k8s.io/api/apps/v1": "apps/v1",
  "k8s.io/api/batch/v1": "batch/v1",
  "k8s.io/api/autoscaling/v1": "autoscaling/v1",
  "k8s.io/api/autoscaling/v2": "autoscaling/v2",
  "k8s.io/api/coordination/v1": "coordination.k8s.io/v1",
  "k8s.io/api/discovery/v1": "discovery.k8s.io/v1",
  "k8s.io/api/events/v1": "events.k8s.io/v1",
  "k8s.io/api/networking/v1": "networking.k8s.io/v1",
  "k8s.io/api/policy/v1": "policy/v1",
  "k8s.io/api/rbac/v1": "rbac.authorization.k8s.io/v1",
  "k8s.io/api/scheduling/v1": "scheduling.k8s.io/v1",
  "k8s.io/api/storage/v1": "storage.k8s.io/v1",
  "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1": "apiextensions.k8s.io/v1",
};

/** Where the closure starts; a `List` is added to each one that has it. */
const ROOTS: Readonly<Record<string, string>> = {
  "meta/v1": "ObjectMeta ListMeta List Status PartialObjectMetadata WatchEvent DeleteOptions",
  v1:
    "Namespace Node Pod Service Endpoints ConfigMap Secret Event ServiceAccount PersistentVolume PersistentVolumeClaim " +
    "ReplicationController LimitRange ResourceQuota Binding PodTemplate",
  "apps/v1": "Deployment ReplicaSet StatefulSet DaemonSet ControllerRevision",
  "batch/v1": "Job CronJob",
  "autoscaling/v1": "Scale",
  "autoscaling/v2": "HorizontalPodAutoscaler",
  "coordination.k8s.io/v1": "Lease",
  "discovery.k8s.io/v1": "EndpointSlice",
  "events.k8s.io/v1": "Event",
  "networking.k8s.io/v1": "Ingress IngressClass NetworkPolicy",
  "policy/v1": "PodDisruptionBudget Eviction",
  "rbac.authorization.k8s.io/v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
  "scheduling.k8s.io/v1": "PriorityClass",
  "storage.k8s.io/v1": "StorageClass",
  "apiextensions.k8s.io/v1": "CustomResourceDefinition",
};

/** Go types that have a form of their own on the wire, by import path and name. */
const SPECIAL: Readonly<Record<string, string>> = {
  "meta/v1.Time": "time",
  "meta/v1.MicroTime": "microTime",
  "meta/v1.Duration": "duration",
  "meta/v1.FieldsV1": "fieldsV1",
  "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
  "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intOrString",
  "k8s.io/apimachinery/pkg/runtime.RawExtension": "rawExtension",
  "apiextensions.k8s.io/v1.JSON": "json",
  "apiextensions.k8s.io/v1.JSONSchemaPropsOrArray": "schemaOrArray",
  "apiextensions.k8s.io/v1.JSONSchemaPropsOrBool": "schemaOrBool",
  "apiextensions.k8s.io/v1.JSONSchemaPropsOrStringArray": "schemaOrStrings",
};

const BASIC: Readonly<Record<string, string>> = {
  string: "string",
  bool: "bool",
  int32: "int32",
  int64: "int64",
  float64: "double",
  "[]byte": "bytes",
};

interface GoType {
  /** Underlying type text for anything but a struct. */
  readonly alias?: string;
  readonly body?: string;
  /** Local package name -> import path, of the file that declares it. */
  readonly imports: ReadonlyMap<string, string>;
}

main();

function main(): void {
  const types = new Map<string, GoType>();
  for (const [path, prefix] of Object.entries(PACKAGES)) {
    readPackage(path, prefix, types);
  }
  const messages = closure(types);
  const text = render(messages);
  if (!process.argv.includes("--check")) {
    writeFileSync(TARGET, text);
    console.log(`${messages.size} messages, ${text.length} bytes`);
    return;
  }
  if (readFileSync(TARGET, "utf8") !== text) {
    console.error("core/kinds/messages.ts is stale: run npm run generate");
    process.exitCode = 1;
  }
}

function moduleDirectory(module: string): string {
  const out = execFileSync("go", ["mod", "download", "-json", `${module}@${VERSION}`], {
    cwd: tmpdir(),
    encoding: "utf8",
  });
  const parsed: unknown = JSON.parse(out);
  if (typeof parsed === "object" && parsed !== null && "Dir" in parsed && typeof parsed.Dir === "string") {
    return parsed.Dir;
  }
  throw new Error(`go did not say where module ${module} is`);
}

function readPackage(path: string, prefix: string, types: Map<string, GoType>): void {
  const module = path.split("/").slice(0, 2).join("/");
  const folder = `${moduleDirectory(module)}/${path.slice(module.length + 1)}`;
  for (const file of readdirSync(folder)) {
    if (file.endsWith(".go") && !/_test\.go$|generated|^zz_/.test(file)) {
      readFile(readFileSync(`${folder}/${file}`, "utf8"), prefix, types);
    }
  }
}

function readFile(source: string, prefix: string, types: Map<string, GoType>): void {
  const imports = new Map<string, string>();
  const block = /^import \(([^)]*)\)/m.exec(source)?.[1] ?? "";
  for (const match of block.matchAll(/^\s*(\w+)?\s*"([^"]+)"/gm)) {
    imports.set(match[1] ?? match[2].split("/").at(-1) ?? "", match[2]);
  }
  const plain = source.replace(/^\s*\/\/.*$/gm, "").replace(/\s\/\/ .*$/gm, "");
  for (const match of plain.matchAll(/^type (\w+) struct \{([\s\S]*?)^\}/gm)) {
    types.set(`${prefix}.${match[1]}`, { body: match[2], imports });
  }
  for (const match of plain.matchAll(/^type (\w+) struct\s*\{\s*\}/gm)) {
    types.set(`${prefix}.${match[1]}`, { body: "", imports });
  }
  for (const match of plain.matchAll(/^type (\w+) (?:= )?([\w.*[\]]+)$/gm)) {
    types.set(`${prefix}.${match[1]}`, { alias: match[2], imports });
  }
}

function closure(types: ReadonlyMap<string, GoType>): Map<string, string> {
  const messages = new Map<string, string>();
  const waiting: string[] = [];
  for (const [prefix, kinds] of Object.entries(ROOTS)) {
    for (const kind of kinds.split(" ")) {
      waiting.push(`${prefix}.${kind}`);
      if (types.has(`${prefix}.${kind}List`)) {
        waiting.push(`${prefix}.${kind}List`);
      }
    }
  }
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (!messages.has(name)) {
      messages.set(name, message(name, types, waiting));
    }
  }
  return new Map([...messages].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function message(name: string, types: ReadonlyMap<string, GoType>, waiting: string[]): string {
  const type = types.get(name);
  if (type?.body === undefined) {
    throw new Error(`no Go struct for ${name}`);
  }
  const fields: string[] = [];
  for (const line of type.body.split("\n")) {
    const tag = /^\s*(.*?)\s*`(.*)`\s*$/.exec(line);
    const protobuf = /protobuf:"([^"]+)"/.exec(tag?.[2] ?? "")?.[1];
    if (tag && protobuf && protobuf !== "-") {
      fields.push(field(name, tag[1], tag[2], Number(protobuf.split(",")[1]), types, waiting));
    }
  }
  return fields.join(" ");
}

function field(
  owner: string,
  declaration: string,
  tags: string,
  number: number,
  types: ReadonlyMap<string, GoType>,
  waiting: string[],
): string {
  const words = declaration.split(/\s+/);
  const goType = words[words.length - 1];
  const [jsonName, ...options] = (/json:"([^"]*)"/.exec(tags)?.[1] ?? "").split(",");
  const resolved = resolve(owner, goType, types);
  let flags = resolved.flags;
  if (options.includes("omitempty")) {
    flags += "o";
  }
  if (options.includes("omitzero")) {
    flags += "z";
  }
  if (options.includes("inline")) {
    flags += "i";
  } else if (jsonName === "") {
    throw new Error(`${owner}: ${declaration} has no JSON name`);
  }
  if (resolved.type.includes(".")) {
    waiting.push(resolved.type);
  }
  if (resolved.type.startsWith("schemaOr")) {
    waiting.push("apiextensions.k8s.io/v1.JSONSchemaProps");
  }
  return `${jsonName}:${number}:${flags}:${resolved.type}`;
}

/** Follows pointers, slices, maps and named types down to a scalar, a special type or a message. */
function resolve(owner: string, goType: string, types: ReadonlyMap<string, GoType>): { flags: string; type: string } {
  let flags = "";
  let text = goType;
  let home = owner;
  while (BASIC[text] === undefined) {
    const wrapper = /^(\*|\[\]|map\[[\w.]+\])(.+)$/.exec(text);
    if (wrapper) {
      flags = wrapped(flags, wrapper[1], `${owner}: ${goType}`);
      text = wrapper[2];
      continue;
    }
    const name = qualified(home, text, types);
    const type = types.get(name);
    if (SPECIAL[name] !== undefined || type?.body !== undefined) {
      return { flags, type: SPECIAL[name] ?? name };
    }
    if (type?.alias === undefined) {
      throw new Error(`${owner}: unknown type ${name}`);
    }
    home = name;
    text = type.alias;
  }
  return { flags, type: BASIC[text] };
}

/** A pointer inside a slice or map has the same wire form without it; a slice in a map has not, and none of ours has one. */
function wrapped(flags: string, wrapper: string, place: string): string {
  if (wrapper === "*") {
    return flags === "" ? "p" : flags;
  }
  if (flags !== "") {
    throw new Error(`${place} is nested too deep`);
  }
  return wrapper === "[]" ? "r" : "m";
}

function qualified(home: string, text: string, types: ReadonlyMap<string, GoType>): string {
  const dot = text.indexOf(".");
  if (dot < 0) {
    return `${home.slice(0, home.lastIndexOf("."))}.${text}`;
  }
  const path = types.get(home)?.imports.get(text.slice(0, dot)) ?? text.slice(0, dot);
  return `${PACKAGES[path] ?? path}.${text.slice(dot + 1)}`;
}

function render(messages: ReadonlyMap<string, string>): string {
  const lines = [...messages].map(
    ([name, fields]) => `  "${name}":${fields.length + name.length > 111 ? "\n   " : ""} "${fields}",`,
  );
  return `// Generated by core/kinds/generate-messages.ts from k8s.io/{api,apimachinery,apiextensions-apiserver} ${VERSION}. Do not edit.

/**
 * Protobuf layout of the built-in kinds: message name -> fields as \`json:number:flags:type\`, separated by spaces.
 * \`core/kinds/message.ts\` explains the flags and types, and parses them. Kinds are named \`apiVersion.Kind\`.
 */
export const MESSAGES: Readonly<Record<string, string>> = {
${lines.join("\n")}
};
`;
}
