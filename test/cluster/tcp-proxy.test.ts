import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

interface Echo extends AsyncDisposable {
  readonly proxy: TcpProxy;
  /** The server's ends of the connections that are open. */
  readonly served: ReadonlySet<Socket>;
  dial(): Promise<Socket>;
}

/** A server that answers every byte with the same byte, behind a proxy. */
async function startEcho(): Promise<Echo> {
  const served = new Set<Socket>();
  const server = createServer((socket) => {
    served.add(socket);
    socket.on("close", () => served.delete(socket));
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // listens on TCP
  const proxy = await startTcpProxy({ host: "127.0.0.1", port });
  return {
    proxy,
    served,
    async dial() {
      const socket = connect(proxy.port, proxy.host);
      await once(socket, "connect");
      // How it ends is looked at with "close" and "errored".
      socket.on("error", () => {});
      return socket;
    },
    async [Symbol.asyncDispose]() {
      await proxy.stop();
      for (const socket of served) {
        socket.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}

/** Sends text and waits for as many bytes. */
async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let answer = "";
  for await (const [chunk] of onData(socket)) {
    answer += chunk.toString();
    if (answer.length >= text.length) {
      break;
    }
  }
  return answer;
}

async function* onData(socket: Socket): AsyncGenerator<[Buffer]> {
  for (;;) {
    yield (await once(socket, "data")) as [Buffer]; // no encoding is set
  }
}

test("passes bytes on and counts them", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  assert.equal(await ask(socket, "hello"), "hello");
  assert.deepEqual({ ...proxy.bytes }, { "to-client": 5, "to-server": 5 });
  assert.equal(proxy.open, 1);
  const closed = once(socket, "close");
  socket.end();
  await closed;
});

test("cut resets open connections and accepts new ones", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  await ask(socket, "x");
  const failed = once(socket, "error");
  proxy.cut();
  assert.equal((await failed)[0].code, "ECONNRESET");
  const next = await echo.dial();
  assert.equal(await ask(next, "y"), "y");
  next.destroy();
});

test("a polite cut ends connections without an error", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  await ask(socket, "x");
  socket.resume();
  const ended = once(socket, "end");
  proxy.cut("close");
  await ended;
  assert.equal(socket.errored, null);
});

test("refuses new connections until it is healed", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  proxy.refuse();
  const socket = connect(proxy.port, proxy.host);
  const [error] = await once(socket, "error");
  assert.equal(error.code, "ECONNRESET");
  proxy.heal();
  const next = await echo.dial();
  assert.equal(await ask(next, "y"), "y");
  next.destroy();
});

test("a black hole swallows what is sent, and nothing is closed", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  await ask(socket, "x");
  proxy.blackHole("to-server");
  const other = await echo.dial();
  socket.write("lost");
  other.write("lost too");
  await until(() => proxy.swallowed === "lost".length + "lost too".length);
  assert.deepEqual({ ...proxy.bytes }, { "to-client": 1, "to-server": 1 });
  assert.deepEqual([socket.destroyed, other.destroyed], [false, false]);
  proxy.heal();
  assert.equal(await ask(other, "again"), "again");
});

test("a black hole of one direction lets the other pass", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  proxy.blackHole("to-client");
  socket.write("unheard");
  await until(() => proxy.swallowed === "unheard".length);
  assert.deepEqual({ ...proxy.bytes }, { "to-client": 0, "to-server": "unheard".length });
});

test("half open: the server's side is gone and the client is not told", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  await ask(socket, "x");
  const [upstream] = echo.served;
  const gone = new Promise<void>((resolve) => upstream.once("close", () => resolve()));
  proxy.halfOpen();
  await gone;
  socket.write("into the void");
  assert.equal(socket.destroyed, false);
  assert.equal(proxy.open, 1);
  const failed = once(socket, "error");
  proxy.cut();
  await failed;
});

test("a delay makes answers later, not slower", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  proxy.delay(100);
  const startedAt = performance.now();
  assert.equal(await ask(socket, "x".repeat(50_000)), "x".repeat(50_000));
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 195, `there and back took ${tookMs} ms`);
  assert.ok(tookMs < 5_000, `there and back took ${tookMs} ms`);
  socket.destroy();
});

test("throttles to a number of bytes a second", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  proxy.throttle(50_000);
  const startedAt = performance.now();
  await ask(socket, "x".repeat(10_000));
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 190, `10,000 bytes at 50,000 a second took ${tookMs} ms`);
  socket.destroy();
});

test("resets a connection after so many bytes, as often as it was asked", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  proxy.resetAfter(3, { times: 1 });
  const socket = await echo.dial();
  const failed = once(socket, "error");
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString();
  });
  socket.write("hello");
  assert.equal((await failed)[0].code, "ECONNRESET");
  assert.ok("hel".startsWith(received), received);
  const next = await echo.dial();
  assert.equal(await ask(next, "hello"), "hello");
  next.destroy();
});

test("stop ends its connections and frees the port", async () => {
  await using echo = await startEcho();
  const { proxy } = echo;
  const socket = await echo.dial();
  await ask(socket, "x");
  const failed = once(socket, "error");
  await proxy.stop();
  await failed;
  const late = connect(proxy.port, proxy.host);
  assert.equal((await once(late, "error"))[0].code, "ECONNREFUSED");
});

/** Waits for a state that only the proxy's own loop turns can bring about. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "the proxy did not come to this state");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
