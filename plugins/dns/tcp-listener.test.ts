import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { fakeDesk, framed, freeUdpPort, question, readAnswers } from "./desk.test-support.ts";
import type { DeskParts } from "./query-desk.ts";
import { TcpListener, type TcpOptions } from "./tcp-listener.ts";

const LIMITS = { tcpConnections: 512, tcpPerClient: 16, tcpOutstanding: 100, tcpIdleMs: 10_000, tcpFirstByteMs: 3000 };

async function listen(
  t: { after(end: () => void): void },
  limits: Partial<TcpOptions["limits"]> = {},
  parts: Partial<DeskParts> = {},
) {
  const { desk, counters } = fakeDesk(parts);
  const port = await freeUdpPort();
  const listener = await TcpListener.open({
    address: "127.0.0.1",
    port,
    ipv6Only: false,
    desk,
    counters,
    limits: { ...LIMITS, ...limits },
    onError: (error) => assert.fail(error),
  });
  t.after(() => listener.close());
  const open = async (): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    await once(socket, "connect");
    t.after(() => socket.destroy());
    return socket;
  };
  return { listener, counters, open, port };
}

/** The other side wants no more of it. */
const ended = async (socket: Socket): Promise<void> => {
  if (socket.destroyed || socket.readableEnded) {
    return;
  }
  socket.resume();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the connection is still open")), 8000);
    for (const event of ["end", "close"]) {
      socket.once(event, () => {
        clearTimeout(timer);
        resolve();
      });
    }
  });
};

test("many questions on one connection are answered in their order, wherever packets are cut", async (t) => {
  const { open } = await listen(t);
  const socket = await open();
  const all = Buffer.concat(Array.from({ length: 300 }, (_, id) => framed(question("a.test", "A", id))));
  for (let at = 0; at < all.length; at += 1001) {
    socket.write(all.subarray(at, at + 1001));
  }
  const answers = await readAnswers(socket, 300);
  assert.deepEqual(
    answers.map(({ id }) => id),
    Array.from({ length: 300 }, (_, id) => id),
  );
});

test("a client that sends no more still gets its answers, also those that come late", async (t) => {
  const late = Promise.withResolvers<Uint8Array>();
  const hook = { isOpen: true, ask: () => late.promise };
  const { open } = await listen(t, {}, { hook });
  const socket = await open();
  socket.end(Buffer.concat([framed(question("other.test", "A", 1)), framed(question("a.test", "A", 2))]));
  const answers = readAnswers(socket, 2);
  setImmediate(() => late.resolve(question("other.test", "A", 1)));
  assert.deepEqual((await answers).map(({ id }) => id).sort(), [1, 2]);
  await ended(socket);
});

test("a frame too short for DNS ends the connection, after what was asked before it is answered", async (t) => {
  const { open, counters } = await listen(t);
  const socket = await open();
  socket.write(Buffer.concat([framed(question("a.test")), Buffer.from([0, 5, 1, 2, 3, 4, 5])]));
  assert.equal((await readAnswers(socket, 9)).length, 1);
  assert.equal(counters.get("tcpClosedShort"), 1);
});

test("who says nothing, trickles, or never finishes a question is let go in time", async (t) => {
  const { open, counters } = await listen(t, { tcpFirstByteMs: 300, tcpIdleMs: 700 });
  const silent = await open();
  const trickling = await open();
  const timer = setInterval(() => trickling.write("\0"), 50);
  t.after(() => clearInterval(timer));
  trickling.write(Buffer.from([1, 0]));
  await Promise.all([ended(silent), ended(trickling)]);
  assert.equal(counters.get("tcpClosedFirstByte"), 1);
  assert.equal(counters.get("tcpClosedIdle"), 1);
  assert.equal(counters.get("tcpOpen"), 0);
});

test("one client has so many connections, all together so many; who idles makes room", async (t) => {
  const { open, counters } = await listen(t, { tcpPerClient: 3, tcpConnections: 512 });
  const sockets = [await open(), await open(), await open()];
  await ended(await open());
  assert.equal(counters.get("tcpRefusedClient"), 1);
  sockets[0].destroy();
  while (counters.get("tcpOpen") > 2) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const again = await open();
  again.write(framed(question("a.test")));
  assert.equal((await readAnswers(again, 1)).length, 1);
  const small = await listen(t, { tcpConnections: 2 });
  const [idle, busy] = [await small.open(), await small.open()];
  busy.write(framed(question("a.test")));
  await readAnswers(busy, 1);
  const third = await small.open();
  third.write(framed(question("a.test")));
  assert.equal((await readAnswers(third, 1)).length, 1);
  await ended(idle);
  assert.equal(small.counters.get("tcpClosedFull"), 1);
});

test("so many questions of a connection may be outstanding; the others wait, none is lost", async (t) => {
  let open = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const hook = {
    isOpen: true,
    ask: (query: Uint8Array) =>
      new Promise<Uint8Array>((resolve) => {
        most = Math.max(most, ++open);
        waiting.push(() => {
          open--;
          resolve(query);
        });
      }),
  };
  const { open: connectOne } = await listen(t, { tcpOutstanding: 10 }, { hook });
  const socket = await connectOne();
  socket.write(Buffer.concat(Array.from({ length: 500 }, (_, id) => framed(question("other.test", "A", id)))));
  const answers = readAnswers(socket, 500);
  const timer = setInterval(() => {
    for (const answer of waiting.splice(0)) {
      answer();
    }
  }, 1);
  t.after(() => clearInterval(timer));
  const ids = (await answers).map(({ id }) => id ?? -1).sort((a, b) => a - b);
  assert.deepEqual(
    ids,
    Array.from({ length: 500 }, (_, id) => id),
  );
  assert.equal(most, 10);
});

test("a client that takes no answers holds no memory: nothing more is read, and it is let go", async (t) => {
  const { open, counters } = await listen(t, { tcpIdleMs: 60_000 });
  const socket = await open();
  socket.pause();
  const many = Buffer.concat(Array.from({ length: 2000 }, () => framed(question("a.test"))));
  let isFull = false;
  socket.on("drain", () => {
    isFull = false;
  });
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 2000 && counters.get("tcpClosedSlowReader") === 0; i++) {
    isFull = !socket.write(many);
    await new Promise((resolve) => (isFull ? setTimeout(resolve, 10) : setImmediate(resolve)));
    // The test's own end of the connection must not grow either.
    if (socket.writableLength > 4 * 1024 * 1024) {
      break;
    }
  }
  const limit = performance.now() + 8000;
  while (counters.get("tcpClosedSlowReader") === 0 && performance.now() < limit) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(counters.get("tcpClosedSlowReader"), 1);
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
});
