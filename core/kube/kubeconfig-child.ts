// Runs in a process of its own (see delegated-user.ts): reads a DelegatedUser from its input, writes a ChildAnswer.
import { text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { codeOf } from "../errors.ts";
import type { DelegatedUser } from "./access.ts";
import type { ChildAnswer } from "./delegated-user.ts";

async function answer(): Promise<ChildAnswer> {
  try {
    // Our own parent wrote it.
    const user = JSON.parse(await text(process.stdin)) as DelegatedUser;
    const config = load(user);
    const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] = {};
    await config.applyToHTTPSOptions(options);
    const header = options.headers?.Authorization;
    const token = typeof header === "string" && header.startsWith("Bearer ") ? header.slice(7) : undefined;
    const certificate = options.cert === undefined ? undefined : String(options.cert);
    const key = options.key === undefined ? undefined : String(options.key);
    if (token === undefined && certificate === undefined) {
      return { ok: false, reason: "the user's auth-provider gives no credentials any more; log in again" };
    }
    return { ok: true, result: { token, certificate, key, expiresAt: expiryOf(token) } };
  } catch (error) {
    // Messages of identity providers may repeat what was sent to them, so only the kind of error is told.
    return {
      ok: false,
      reason: `the official client failed (${codeOf(error)}); log in again with the tool that wrote the kubeconfig`,
    };
  }
}

function load({ source, context }: DelegatedUser): KubeConfig {
  const [first, ...others] = "files" in source ? source.files.map(loadFile) : [loadText(source.text)];
  for (const other of others) {
    first.clusters = [...first.clusters, ...other.clusters.filter((each) => !first.getCluster(each.name))];
    first.users = [...first.users, ...other.users.filter((each) => !first.getUser(each.name))];
    first.contexts = [...first.contexts, ...other.contexts.filter((each) => !first.getContextObject(each.name))];
  }
  first.setCurrentContext(context);
  return first;
}

function loadFile(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}

function loadText(content: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromString(content);
  return config;
}

/** When a JSON web token ends, milliseconds since 1970. */
function expiryOf(token: string | undefined): number | undefined {
  try {
    // Only `exp` is read, and its type checked.
    const claims = JSON.parse(Buffer.from(token?.split(".")[1] ?? "", "base64url").toString("utf8")) as {
      exp?: unknown;
    };
    return typeof claims.exp === "number" ? claims.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

process.stdout.write(JSON.stringify(await answer()), () => process.exit(0));
