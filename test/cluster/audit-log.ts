import { readFile } from "node:fs/promises";

/** One request as the API server's audit log tells it; long-running ones have two entries, by `stage`. */
export interface AuditEntry {
  readonly auditID: string;
  readonly stage: "ResponseStarted" | "ResponseComplete" | "Panic";
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string; readonly groups?: readonly string[] };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly reason?: string };
  /** When the request arrived, ISO 8601. */
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

/** Entries of an audit log, oldest first; none if the file is not there yet. */
export async function readAuditLog(path: string): Promise<readonly AuditEntry[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const entries: AuditEntry[] = [];
  const lines = text.split("\n");
  // What follows the last line break is still being written.
  for (const line of lines.slice(0, -1)) {
    entries.push(JSON.parse(line));
  }
  return entries;
}
