import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { codeOf, FairleadError } from "../errors.ts";
import type { AccessCredentials, ClusterAccess, ExecSpec, Impersonation } from "./access.ts";

/** Where a kubeconfig comes from: files, merged in order, or text. */
export type KubeconfigPlace = { readonly files: readonly string[] } | { readonly text: string };

type Fields = Readonly<Record<string, unknown>>;

/** One named part of a kubeconfig, and the folder that its paths are relative to. */
interface Part {
  readonly fields: Fields;
  readonly folder: string;
}

interface Merged {
  readonly clusters: Map<string, Part>;
  readonly users: Map<string, Part>;
  readonly contexts: Map<string, Part>;
  currentContext: string;
  /** For messages. */
  readonly origin: string;
}

/**
 * Reads a kubeconfig as kubectl does: of several files the first to define a name wins, paths count from the folder of
 * their file, data wins over files. Users that need more than static credentials or an exec program (OIDC, other
 * auth-providers) are left to the official client (`credentials.delegated`). KUBE_BAD_CONFIG names the file and entry.
 */
export async function readKubeconfig(place: KubeconfigPlace, contextName?: string): Promise<ClusterAccess> {
  const merged = await merge(place);
  const name = contextName ?? merged.currentContext;
  if (name === "") {
    throw bad(merged.origin, `has no current-context; name one of its contexts: ${names(merged.contexts)}`);
  }
  const context = merged.contexts.get(name);
  if (context === undefined) {
    throw bad(merged.origin, `has no context "${name}"; it has ${names(merged.contexts)}`);
  }
  const clusterName = text(context.fields, "cluster") ?? "";
  const cluster = merged.clusters.get(clusterName);
  if (cluster === undefined) {
    throw bad(
      merged.origin,
      `has no cluster "${clusterName}", which context "${name}" names; it has ${names(merged.clusters)}`,
    );
  }
  const server = text(cluster.fields, "server");
  if (server === undefined) {
    throw bad(merged.origin, `has no server in cluster "${clusterName}"; write server: https://host:port`);
  }
  const userName = text(context.fields, "user");
  const user = userName === undefined ? undefined : merged.users.get(userName);
  if (userName !== undefined && user === undefined) {
    throw bad(merged.origin, `has no user "${userName}", which context "${name}" names; it has ${names(merged.users)}`);
  }
  const origin = `context "${name}" of ${merged.origin}`;
  const ca = pem(cluster, "certificate-authority", origin);
  return {
    server: server.replace(/\/+$/, ""),
    ca,
    tlsServerName: text(cluster.fields, "tls-server-name"),
    insecureSkipTlsVerify: cluster.fields["insecure-skip-tls-verify"] === true,
    proxyUrl: text(cluster.fields, "proxy-url"),
    credentials:
      user === undefined
        ? {}
        : credentialsOf(user, { place, context: name, origin, cluster: cluster.fields, server, ca }),
    impersonate: user === undefined ? undefined : impersonationOf(user.fields),
    namespace: text(context.fields, "namespace"),
    origin,
  };
}

/** Parses one kubeconfig text; JSON without loading the YAML parser. */
async function parse(content: string, origin: string): Promise<Fields> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    const { parse: parseYaml } = await import("yaml");
    try {
      value = parseYaml(content, { logLevel: "error", prettyErrors: false });
    } catch (error) {
      // No cause and no message: they quote the text, which holds secrets.
      throw bad(origin, `is neither YAML nor JSON (${codeOf(error)}); check it with kubectl config view`);
    }
  }
  const fields = record(value);
  if (fields === undefined) {
    throw bad(origin, "is not a kubeconfig; it should have clusters, users and contexts");
  }
  return fields;
}

async function merge(place: KubeconfigPlace): Promise<Merged> {
  const origin = "files" in place ? place.files.join(", ") : "the given kubeconfig";
  const merged: Merged = { clusters: new Map(), users: new Map(), contexts: new Map(), currentContext: "", origin };
  const sources =
    "files" in place ? place.files.map(readFile) : [{ content: place.text, folder: process.cwd(), origin }];
  for (const { content, folder, origin: file } of sources) {
    const fields = await parse(content, file);
    collect(fields, ["clusters", "cluster"], folder, merged.clusters);
    collect(fields, ["users", "user"], folder, merged.users);
    collect(fields, ["contexts", "context"], folder, merged.contexts);
    merged.currentContext ||= text(fields, "current-context") ?? "";
  }
  return merged;
}

function readFile(path: string): { content: string; folder: string; origin: string } {
  try {
    return { content: readFileSync(path, "utf8"), folder: dirname(resolve(path)), origin: path };
  } catch (error) {
    throw bad(path, `cannot be read (${codeOf(error)})`);
  }
}

function collect(
  fields: Fields,
  [list, inner]: readonly [string, string],
  folder: string,
  into: Map<string, Part>,
): void {
  const entries = fields[list];
  if (!Array.isArray(entries)) {
    return;
  }
  for (const entry of entries) {
    const named = record(entry);
    const name = named === undefined ? undefined : text(named, "name");
    if (named !== undefined && name !== undefined && !into.has(name)) {
      into.set(name, { fields: record(named[inner]) ?? {}, folder });
    }
  }
}

interface UserSurroundings {
  readonly place: KubeconfigPlace;
  readonly context: string;
  readonly origin: string;
  readonly cluster: Fields;
  readonly server: string;
  readonly ca: string | undefined;
}

function credentialsOf(user: Part, around: UserSurroundings): AccessCredentials {
  const { fields, folder } = user;
  const pair = {
    certificate: pem(user, "client-certificate", around.origin),
    key: pem(user, "client-key", around.origin),
  };
  const token = text(fields, "token");
  const tokenFile = text(fields, "tokenFile");
  if (tokenFile !== undefined) {
    // As kubectl: the file is the truth, the token only what it was once.
    return { ...pair, tokenFile: absolute(folder, tokenFile) };
  }
  if (token !== undefined) {
    return { ...pair, token };
  }
  if (record(fields.exec) !== undefined) {
    return { ...pair, exec: execOf(record(fields.exec) ?? {}, folder, around) };
  }
  if (fields["auth-provider"] !== undefined && fields["auth-provider"] !== null) {
    return { ...pair, delegated: { source: around.place, context: around.context } };
  }
  const username = text(fields, "username");
  return username === undefined ? pair : { ...pair, username, password: text(fields, "password") ?? "" };
}

function execOf(exec: Fields, folder: string, around: UserSurroundings): ExecSpec {
  const command = text(exec, "command");
  const apiVersion = text(exec, "apiVersion");
  if (command === undefined || apiVersion === undefined) {
    throw bad(around.origin, "has an exec user without command or apiVersion");
  }
  const mode = text(exec, "interactiveMode");
  const env: Record<string, string> = {};
  for (const entry of Array.isArray(exec.env) ? exec.env : []) {
    const variable = record(entry);
    const name = variable === undefined ? undefined : text(variable, "name");
    if (variable !== undefined && name !== undefined) {
      env[name] = String(variable.value ?? "");
    }
  }
  return {
    apiVersion,
    command: /[\\/]/.test(command) ? absolute(folder, command) : command,
    args: Array.isArray(exec.args) ? exec.args.map(String) : [],
    env,
    installHint: text(exec, "installHint"),
    interactiveMode: mode === "Never" || mode === "Always" ? mode : "IfAvailable",
    cluster: exec.provideClusterInfo === true ? clusterInfo(around) : undefined,
  };
}

/** The cluster as an exec program may see it. */
function clusterInfo({ cluster, server, ca }: UserSurroundings): Fields {
  const extensions = Array.isArray(cluster.extensions) ? cluster.extensions.map(record) : [];
  const config = extensions.find((each) => each?.name === "client.authentication.k8s.io/exec")?.extension;
  return {
    server,
    "tls-server-name": cluster["tls-server-name"],
    "insecure-skip-tls-verify": cluster["insecure-skip-tls-verify"],
    "certificate-authority-data": ca === undefined ? undefined : Buffer.from(ca).toString("base64"),
    "proxy-url": cluster["proxy-url"],
    config,
  };
}

function impersonationOf(fields: Fields): Impersonation | undefined {
  const user = text(fields, "as");
  if (user === undefined) {
    return undefined;
  }
  const extra: Record<string, readonly string[]> = {};
  for (const [name, values] of Object.entries(record(fields["as-user-extra"]) ?? {})) {
    extra[name] = Array.isArray(values) ? values.map(String) : [];
  }
  const groups = fields["as-groups"];
  return { user, uid: text(fields, "as-uid"), groups: Array.isArray(groups) ? groups.map(String) : [], extra };
}

/** PEM from `<name>-data` (base64) or the file `<name>`. */
function pem({ fields, folder }: Part, name: string, origin: string): string | undefined {
  const data = text(fields, `${name}-data`);
  if (data !== undefined) {
    return Buffer.from(data, "base64").toString("utf8");
  }
  const file = text(fields, name);
  if (file === undefined) {
    return undefined;
  }
  const path = absolute(folder, file);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw bad(origin, `names ${name} ${path}, which cannot be read (${codeOf(error)})`);
  }
}

function absolute(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function record(value: unknown): Fields | undefined {
  // A non-null object that is no list can be read by any key.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** A field that is a non-empty string (or a number, as YAML reads an unquoted name). */
function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (typeof value === "number") {
    return String(value);
  }
  return typeof value === "string" && value !== "" ? value : undefined;
}

function names(parts: ReadonlyMap<string, Part>): string {
  return parts.size === 0 ? "none" : [...parts.keys()].map((name) => `"${name}"`).join(", ");
}

function bad(origin: string, what: string): FairleadError {
  return new FairleadError("KUBE_BAD_CONFIG", `kubeconfig ${origin} ${what}`, { facts: { origin } });
}
