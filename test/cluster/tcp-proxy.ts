import { once } from "node:events";
import { type AddressInfo, createServer, type Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Way of bytes through the proxy, seen from the client. */
export type Direction = "to-client" | "to-server";

/** A TCP proxy in front of any host and port, which can do to connections what networks do. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Bytes passed on so far. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Bytes swallowed so far. */
  readonly swallowed: number;
  /** Ends all open connections: with a reset (default), or politely. New ones are accepted. */
  cut(how?: "reset" | "close"): void;
  /** Resets every new connection from now on; `heal` ends it. */
  refuse(): void;
  /** Swallows all bytes in both directions, or one, of old and new connections: nothing is closed. `heal` ends it. */
  blackHole(direction?: Direction): void;
  /** The server's side is gone, and the client is never told: a firewall that forgot. Old connections stay so for good. */
  halfOpen(): void;
  /** Passes everything on `ms` later, in order. */
  delay(ms: number): void;
  /** Passes on at most so many bytes a second per connection and direction. */
  throttle(bytesPerSecond: number): void;
  /** Resets each connection after `bytes` more bytes in the direction (default "to-client"); for `times` connections (default 1). */
  resetAfter(bytes: number, options?: { readonly direction?: Direction; readonly times?: number }): void;
  /** Passes bytes on as they come again; what was swallowed stays lost. */
  heal(): void;
  /** Ends all connections and stops listening. */
  stop(): Promise<void>;
}

interface Faults {
  refuse: boolean;
  swallow: Set<Direction>;
  delayMs: number;
  bytesPerSecond: number;
  reset: { readonly direction: Direction; readonly bytes: number; times: number } | undefined;
}

interface Counts {
  readonly passed: Record<Direction, number>;
  swallowed: number;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes until a reset, counted down while a fault asks for it. */
  left: { readonly direction: Direction; bytes: number } | undefined;
  halfOpen: boolean;
}

const THROTTLE_STEP_MS = 20;
const WAITING_BYTES = 256 * 1024;
const HEALTHY: Readonly<Omit<Faults, "swallow">> = { refuse: false, delayMs: 0, bytesPerSecond: 0, reset: undefined };

/** Starts a proxy on a free port of loopback. */
export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const faults: Faults = { ...HEALTHY, swallow: new Set() };
  const links = new Set<Link>();
  const bytes: Record<Direction, number> = { "to-client": 0, "to-server": 0 };
  let accepted = 0;
  const counts: Counts = { passed: bytes, swallowed: 0 };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted++;
    // Whatever happens to a connection on one side is passed on to the other by "close"; the error itself says no more.
    client.on("error", () => {});
    if (faults.refuse) {
      client.resetAndDestroy();
      return;
    }
    const upstream = new Socket({ allowHalfOpen: true });
    upstream.on("error", () => {});
    upstream.connect(target.port, target.host);
    const link: Link = { client, server: upstream, left: undefined, halfOpen: false };
    armReset(link, faults);
    links.add(link);
    pass(link, "to-server", faults, counts);
    pass(link, "to-client", faults, counts);
    upstream.on("close", (broken) => closeClient(link, faults, broken));
    client.on("close", () => {
      links.delete(link);
      upstream.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo; // a TCP server that listens has no other kind of address

  async function stop(): Promise<void> {
    await close(server, links);
  }

  return {
    host: "127.0.0.1",
    port: address.port,
    get open() {
      return links.size;
    },
    get accepted() {
      return accepted;
    },
    bytes,
    get swallowed() {
      return counts.swallowed;
    },
    cut(how = "reset") {
      for (const link of links) {
        end(link, how);
      }
    },
    refuse() {
      faults.refuse = true;
    },
    blackHole(direction) {
      for (const one of direction === undefined ? (["to-client", "to-server"] as const) : [direction]) {
        faults.swallow.add(one);
      }
    },
    halfOpen() {
      for (const link of links) {
        link.halfOpen = true;
        link.server.resetAndDestroy();
        link.client.resume();
      }
    },
    delay(ms) {
      faults.delayMs = ms;
    },
    throttle(bytesPerSecond) {
      faults.bytesPerSecond = bytesPerSecond;
    },
    resetAfter(count, options) {
      faults.reset = { direction: options?.direction ?? "to-client", bytes: count, times: options?.times ?? 1 };
      for (const link of links) {
        armReset(link, faults);
      }
    },
    heal() {
      Object.assign(faults, HEALTHY);
      faults.swallow.clear();
      for (const link of links) {
        link.left = undefined;
      }
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function armReset(link: Link, faults: Faults): void {
  if (faults.reset !== undefined && faults.reset.times > 0) {
    faults.reset.times--;
    link.left = { direction: faults.reset.direction, bytes: faults.reset.bytes };
  }
}

/** Passes bytes on one after the other, each chunk when it is due. */
function pass(link: Link, direction: Direction, faults: Faults, counts: Counts): void {
  const [from, to] = direction === "to-client" ? [link.server, link.client] : [link.client, link.server];
  const closed = new AbortController();
  let queue: Promise<void> = Promise.resolve();
  let waiting = 0;

  async function write(chunk: Buffer): Promise<void> {
    if (faults.swallow.has(direction)) {
      counts.swallowed += chunk.length;
      return;
    }
    if (to.destroyed) {
      return;
    }
    const passed = cutToLimit(link, direction, chunk);
    counts.passed[direction] += passed.length;
    if (!to.write(passed)) {
      await once(to, "drain", { signal: closed.signal });
    }
    if (link.left?.bytes === 0) {
      end(link, "reset");
    }
  }

  async function writeInTime(chunk: Buffer, dueAtMs: number): Promise<void> {
    const waitMs = dueAtMs - performance.now();
    if (waitMs > 0) {
      await delay(waitMs, undefined, { signal: closed.signal });
    }
    let rest = chunk;
    while (faults.bytesPerSecond > 0 && rest.length > 0) {
      await delay(THROTTLE_STEP_MS, undefined, { signal: closed.signal });
      const size = Math.max(1, Math.floor((faults.bytesPerSecond * THROTTLE_STEP_MS) / 1000));
      await write(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
    if (rest.length > 0) {
      await write(rest);
    }
  }

  from.on("data", (chunk: Buffer) => {
    if (link.halfOpen) {
      return;
    }
    // Reading goes on while chunks are only delayed, and stops when too much waits: a throttled or slow reader holds its sender.
    waiting += chunk.length;
    if (waiting > WAITING_BYTES) {
      from.pause();
    }
    const dueAtMs = performance.now() + faults.delayMs;
    queue = queue
      .then(() => writeInTime(chunk, dueAtMs))
      .then(
        () => {
          waiting -= chunk.length;
          if (from.isPaused() && waiting <= WAITING_BYTES) {
            from.resume();
          }
        },
        () => {
          // The connection is closed: there is nobody to pass the rest to.
        },
      );
  });
  from.on("end", () => {
    queue = queue.then(() => {
      if (!link.halfOpen && !faults.swallow.has(direction)) {
        to.end();
      }
    });
  });
  link.client.on("close", () => closed.abort());
}

/** Tells the client that the server's side has closed, unless a fault keeps it from knowing. */
function closeClient(link: Link, faults: Faults, broken: boolean): void {
  if (link.halfOpen || faults.swallow.has("to-client")) {
    return;
  }
  if (broken) {
    link.client.resetAndDestroy();
  } else {
    link.client.destroySoon();
  }
}

/** What may still pass of a chunk before its connection is to be reset. */
function cutToLimit(link: Link, direction: Direction, chunk: Buffer): Buffer {
  if (link.left === undefined || link.left.direction !== direction) {
    return chunk;
  }
  const passed = chunk.subarray(0, link.left.bytes);
  link.left.bytes -= passed.length;
  return passed;
}

function end(link: Link, how: "reset" | "close"): void {
  if (how === "reset") {
    link.client.resetAndDestroy();
  } else {
    link.client.end(() => link.client.destroy());
  }
  link.server.destroy();
}

async function close(server: Server, links: ReadonlySet<Link>): Promise<void> {
  for (const link of links) {
    end(link, "reset");
  }
  if (server.listening) {
    server.close();
    await once(server, "close");
  }
}
