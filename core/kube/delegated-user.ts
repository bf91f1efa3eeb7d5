import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../errors.ts";
import type { DelegatedUser } from "./access.ts";
import type { ExecResult } from "./exec-plugin.ts";

const TIMEOUT_MS = 60_000;

/** What the child process answers. */
export type ChildAnswer =
  | { readonly ok: true; readonly result: ExecResult }
  | { readonly ok: false; readonly reason: string };

/**
 * Lets the official client resolve a user (OIDC, auth-provider) in a process of its own, which ends with the answer:
 * its 85 MB never enter ours. KUBE_AUTH when it fails.
 */
export async function askClient(user: DelegatedUser, signal?: AbortSignal): Promise<ExecResult> {
  const file = new URL(`./kubeconfig-child${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const child = spawn(process.execPath, [fileURLToPath(file)], {
    stdio: ["pipe", "pipe", "ignore"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    signal,
  });
  const output = await new Promise<string>((resolve) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    child.on("error", () => {});
    child.stdin.on("error", () => {});
    child.on("close", () => resolve(text));
    child.stdin.end(JSON.stringify(user));
  });
  const answer = parseAnswer(output);
  if (!answer.ok) {
    throw new FairleadError("KUBE_AUTH", `cannot get credentials for context "${user.context}": ${answer.reason}`, {
      facts: { context: user.context },
    });
  }
  return answer.result;
}

function parseAnswer(output: string): ChildAnswer {
  try {
    // Written by our own child, which has no other output.
    return JSON.parse(output) as ChildAnswer;
  } catch {
    return { ok: false, reason: "the official client gave no answer; is @kubernetes/client-node installed?" };
  }
}
