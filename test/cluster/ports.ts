import { once } from "node:events";
import { createServer } from "node:net";
import { FairleadError } from "../../core/errors.ts";

const LOWEST = 15_000;
const COUNT = 15_000;
const TRIES = 200;

/**
 * Free ports on loopback. They lie below the range that the system takes outgoing ports from: a component that was stopped
 * must find its port free when it is started again.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === TRIES) {
      throw new FairleadError(
        "CLUSTER_NO_PORT",
        `no free ports between ${LOWEST} and ${LOWEST + COUNT}; stop clusters that are not needed`,
      );
    }
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    if (!ports.has(port) && (await isFree(port))) {
      ports.add(port);
    }
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
