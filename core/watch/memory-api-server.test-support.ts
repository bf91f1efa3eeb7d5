import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ClusterAccess } from "../kube/access.ts";
import type { MemoryApi } from "./memory-api.test-support.ts";

/** For tests: puts the server in memory on a loopback socket. */
export async function serveMemoryApi(api: MemoryApi): Promise<{ access: ClusterAccess; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const exchange = api.transport().open(
      { method: "GET", path: request.url ?? "/" },
      {
        head: ({ status, headers }) => {
          response.writeHead(status, headers);
          response.flushHeaders();
        },
        data: (chunk) => response.write(chunk),
        end: () => response.end(),
        fail: () => response.destroy(),
      },
    );
    response.on("close", () => exchange.cancel());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // a TCP server that listens has no other kind of address
  return {
    access: {
      server: `http://127.0.0.1:${port}`,
      insecureSkipTlsVerify: false,
      credentials: {},
      origin: "test",
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
