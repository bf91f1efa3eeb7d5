import { get as httpsGet } from "node:https";
import type { Cluster } from "../cluster/cluster.ts";

/** Gets bytes from the real server as protobuf. */
export function getProtobuf(cluster: Cluster, path: string): Promise<Buffer> {
  const { caPem, admin } = cluster;
  return new Promise((resolve, reject) => {
    const options = {
      ca: caPem,
      cert: admin.certPem,
      key: admin.keyPem,
      headers: { accept: "application/vnd.kubernetes.protobuf" },
    };
    httpsGet(new URL(path, cluster.url), options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => resolve(Buffer.concat(chunks)));
    }).on("error", reject);
  });
}
