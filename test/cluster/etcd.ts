import { FairleadError } from "../../core/errors.ts";

/** Reads the newest revision of an etcd, which is what Kubernetes shows as resource version. */
export async function etcdRevision(port: number): Promise<number> {
  const answer = await call(port, "/v3/kv/range", { key: "AA==" });
  const header = answer.header;
  if (typeof header !== "object" || header === null || !("revision" in header)) {
    throw new FairleadError("CLUSTER_ETCD_FAILED", "etcd told no revision");
  }
  return Number(header.revision);
}

/** Throws away all history up to a revision, and waits until it is gone. */
export async function etcdCompact(port: number, revision: number): Promise<void> {
  await call(port, "/v3/kv/compaction", { revision: String(revision), physical: true });
}

/** Gives the space of what was thrown away back. */
export async function etcdDefragment(port: number): Promise<void> {
  await call(port, "/v3/maintenance/defragment", {});
}

async function call(port: number, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) {
    throw new FairleadError(
      "CLUSTER_ETCD_FAILED",
      `etcd answered ${response.status} on ${path}: ${text.slice(0, 300)}`,
    );
  }
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
}
