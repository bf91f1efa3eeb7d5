import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { codeOf, FairleadError } from "../errors.ts";
import type { ExecSpec } from "./access.ts";

/** What a credential program or the official client gave us. Secrets. */
export interface ExecResult {
  readonly token?: string;
  /** PEM. */
  readonly certificate?: string;
  /** PEM. */
  readonly key?: string;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1_048_576;

/**
 * Runs a credential program as kubectl does (KUBERNETES_EXEC_INFO, ExecCredential on its output). KUBE_AUTH when it
 * is missing, fails, takes over a minute or prints something else; neither its output nor its arguments are shown.
 */
export async function runExecPlugin(spec: ExecSpec, signal?: AbortSignal): Promise<ExecResult> {
  const terminal = process.stdin.isTTY === true;
  if (spec.interactiveMode === "Always" && !terminal) {
    throw authError(spec, "needs a terminal, and there is none; log in once from a terminal, or use another user");
  }
  const interactive = spec.interactiveMode !== "Never" && terminal;
  const output = await run(spec, interactive, signal);
  return parseCredential(spec, output);
}

function run(spec: ExecSpec, interactive: boolean, signal: AbortSignal | undefined): Promise<string> {
  const info = {
    apiVersion: spec.apiVersion,
    kind: "ExecCredential",
    spec: { interactive, ...(spec.cluster === undefined ? {} : { cluster: spec.cluster }) },
  };
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = start(spec, {
      env: { ...process.env, ...spec.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      stdio: [interactive ? "inherit" : "ignore", "pipe", interactive ? "inherit" : "ignore"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      signal,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let failed: FairleadError | undefined;
    child.stdout?.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) {
        failed ??= authError(spec, "printed more than 1 MiB; it should print an ExecCredential");
        child.kill("SIGKILL");
        return;
      }
      chunks.push(chunk);
    });
    child.on("error", (error) => {
      const code = codeOf(error);
      const what =
        code === "ENOENT"
          ? "is not installed or not in PATH"
          : code === "ABORT_ERR"
            ? "was stopped"
            : `cannot be started (${code})`;
      failed ??= authError(spec, what + (spec.installHint === undefined ? "" : `; ${spec.installHint.trim()}`));
    });
    child.on("close", (code, killedBy) => {
      if (failed === undefined && performance.now() - started >= TIMEOUT_MS && killedBy !== null) {
        failed = authError(spec, `did not end within ${TIMEOUT_MS} ms`);
      }
      if (failed === undefined && code !== 0) {
        const how = killedBy === null ? `ended with code ${code}` : `was killed by ${killedBy}`;
        failed = authError(spec, `${how}; run it by hand to see why`);
      }
      if (failed === undefined) {
        resolve(Buffer.concat(chunks).toString("utf8"));
        return;
      }
      reject(failed);
    });
  });
}

/** Most of what prevents a start is told by an event, but not all: ENOMEM, for one, is thrown. */
function start(spec: ExecSpec, options: SpawnOptions): ChildProcess {
  try {
    return spawn(spec.command, spec.args, options);
  } catch (error) {
    throw authError(spec, `cannot be started (${codeOf(error)})`);
  }
}

function parseCredential(spec: ExecSpec, output: string): ExecResult {
  const credential = record(parsed(output));
  const status = record(credential?.status);
  if (credential === undefined || credential.kind !== "ExecCredential" || status === undefined) {
    throw authError(spec, "did not print an ExecCredential with a status");
  }
  if (credential.apiVersion !== spec.apiVersion) {
    throw authError(
      spec,
      `printed another apiVersion than the kubeconfig asks for (${spec.apiVersion}); update one of them`,
    );
  }
  const token = text(status.token);
  const certificate = text(status.clientCertificateData);
  const key = text(status.clientKeyData);
  if ((certificate === undefined) !== (key === undefined)) {
    throw authError(spec, "printed a certificate without its key, or a key without its certificate");
  }
  if (token === undefined && certificate === undefined) {
    throw authError(spec, "printed neither a token nor a certificate");
  }
  const expiry = Date.parse(text(status.expirationTimestamp) ?? "");
  return { token, certificate, key, expiresAt: Number.isNaN(expiry) ? undefined : expiry };
}

function parsed(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    // The parser's message would quote the output.
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  // A non-null object can be read by any key.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function authError(spec: ExecSpec, what: string): FairleadError {
  return new FairleadError("KUBE_AUTH", `credential program "${spec.command}" ${what}`, {
    facts: { command: spec.command },
  });
}
