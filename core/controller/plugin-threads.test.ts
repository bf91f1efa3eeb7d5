import assert from "node:assert/strict";
import { test } from "node:test";
import { openChannel, PulledPort } from "../../sandbox/pulled-port.ts";
import { createPluginThreads, type ThreadHost, type ThreadNews, type ThreadOrder } from "./plugin-threads.ts";

const MODULE = new URL("file:///plugin/server.js");

interface Fake extends ThreadHost {
  readonly orders: ThreadOrder[];
  readonly told: string[];
  news(): ThreadNews;
}

function fakeHost(): Fake {
  const orders: ThreadOrder[] = [];
  const told: string[] = [];
  let last: ThreadNews | undefined;
  return {
    orders,
    told,
    news: () => last ?? assert.fail("nothing was started"),
    start(order, news) {
      orders.push(order);
      last = news;
    },
    stop: async (id) => void told.push(`stop ${id}`),
    failed: (name, error) => void told.push(`failed ${name} ${String(error)}`),
    dropped: (name, count) => void told.push(`dropped ${name} ${count}`),
    flooded: (id) => void told.push(`flooded ${id}`),
    stopAll: async (deadlineMs) => void told.push(`stop all in ${deadlineMs}`),
  };
}

const KINDS = [{ name: "pods" }, { name: "services" }];

test("orders are plain, and name what may be read", async () => {
  const host = fakeHost();
  const threads = createPluginThreads("dns", KINDS, host);
  threads.spawn(MODULE);
  threads.spawn(MODULE, { store: ["pods"], data: { port: 53 }, name: "udp", maxHeapMb: 64 });
  assert.deepEqual(host.orders, [
    { id: 1, module: MODULE.href, name: "server.js", store: [], data: undefined, maxHeapMb: undefined },
    { id: 2, module: MODULE.href, name: "udp", store: ["pods"], data: { port: 53 }, maxHeapMb: 64 },
  ]);
  assert.throws(() => threads.spawn(MODULE, { store: ["secrets"] }), {
    code: "STORE_KIND_NOT_NEEDED",
    message: /wants to read "secrets", .*needs: \{ secrets: true \}/,
  });
  await threads.stop(100);
  assert.deepEqual(host.told, ["stop all in 100"]);
  assert.throws(() => threads.spawn(MODULE), { code: "PLUGIN_STOPPED" });
});

test("a thread is alive while it runs and answers, and ready once", async () => {
  const host = fakeHost();
  const thread = createPluginThreads("dns", KINDS, host).spawn(MODULE);
  assert.equal(thread.alive, false);
  host.news().ready();
  await thread.ready;
  assert.equal(thread.alive, true);
  host.news().alive(false);
  assert.equal(thread.alive, false);
  host.news().alive(true);
  await thread.stop();
  assert.deepEqual([thread.alive, host.told], [false, ["stop 1"]]);
});

test("a thread that is given up, or stopped, before it was ready rejects", async () => {
  const host = fakeHost();
  const threads = createPluginThreads("dns", KINDS, host);
  const failing = threads.spawn(MODULE);
  host.news().gaveUp(Object.assign(new Error("three crashes"), { code: "THREAD_EXITED" }));
  await assert.rejects(failing.ready, { message: "three crashes" });
  const stopped = threads.spawn(MODULE);
  await stopped.stop();
  await assert.rejects(stopped.ready, { code: "THREAD_STOPPED" });
});

/** The other end of a life of the thread: hears, and answers. */
function life(host: Fake, name: string): PulledPort {
  const [near, far] = openChannel();
  host.news().connected(near);
  const port: PulledPort = new PulledPort(far, { onMessage: (message) => port.post(`${name} has ${message}`) });
  return port;
}

/** Turns of the event loop until it holds: the ports wake nobody by themselves. */
async function until(holds: () => boolean): Promise<void> {
  const endsAt = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < endsAt, "not within 10 s");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("messages go to the present life of the thread; while there is none they are dropped and counted", async () => {
  const host = fakeHost();
  const thread = createPluginThreads("dns", KINDS, host).spawn<string, string>(MODULE);
  const heard: string[] = [];
  thread.onMessage((message) => heard.push(message));
  thread.post("lost");
  for (const name of ["first", "second"]) {
    const port = life(host, name);
    host.news().ready();
    thread.post("hello");
    await until(() => heard.at(-1) === `${name} has hello`);
    port.close();
    host.news().disconnected();
    thread.post("lost");
    thread.post("lost");
  }
  assert.deepEqual(heard, ["first has hello", "second has hello"]);
  assert.deepEqual(host.told, ["dropped server.js 1", "dropped server.js 2"]);
  await thread.stop();
});

test("a listener that throws, or rejects, is the plugin's failure and nobody else's", async () => {
  const host = fakeHost();
  const thread = createPluginThreads("dns", KINDS, host).spawn<string, string>(MODULE);
  const heard: string[] = [];
  thread.onMessage(() => {
    throw new Error("thrown");
  });
  thread.onMessage((async () => {
    throw new Error("rejected");
  }) as () => void);
  thread.onMessage((message) => heard.push(message));
  const port = life(host, "it");
  thread.post("hello");
  await until(() => host.told.length === 2);
  assert.deepEqual(host.told, ["failed server.js Error: thrown", "failed server.js Error: rejected"]);
  assert.deepEqual(heard, ["it has hello"]);
  port.close();
  await thread.stop();
});

test("what cannot go to a thread is refused with its place", async () => {
  const host = fakeHost();
  const threads = createPluginThreads("dns", KINDS, host);
  assert.throws(() => threads.spawn(MODULE, { data: { log: () => {} } }), {
    code: "RPC_NOT_CLONEABLE",
    message: /data\.log is a function/,
  });
  const thread = threads.spawn<unknown, unknown>(MODULE);
  const port = life(host, "it");
  assert.throws(() => thread.post(() => {}), { code: "RPC_NOT_CLONEABLE" });
  port.close();
  await thread.stop();
});

test("a thread that does not read gets no more than a limited number of messages", async () => {
  const host = fakeHost();
  const thread = createPluginThreads("dns", KINDS, host).spawn<number, unknown>(MODULE);
  const [near] = openChannel();
  host.news().connected(near);
  for (let i = 0; i < 100_010; i++) {
    thread.post(i);
  }
  host.news().alive(true);
  assert.deepEqual(host.told, ["dropped server.js 10"]);
  await thread.stop();
});

test("a thread that sends without end is told to whoever runs it", async () => {
  const host = fakeHost();
  createPluginThreads("dns", KINDS, host).spawn(MODULE);
  const [near, far] = openChannel();
  host.news().connected(near);
  for (let i = 0; i < 110_000; i++) {
    far.port.postMessage(i);
  }
  await until(() => host.told.length > 0);
  assert.deepEqual(host.told, ["flooded 1"]);
  near.port.close();
});

test("whoever listens is told when the thread is gone and when it is back, once each", async () => {
  const host = fakeHost();
  const thread = createPluginThreads("dns", KINDS, host).spawn<string, string>(MODULE);
  const told: boolean[] = [];
  thread.onAlive((isAlive) => told.push(isAlive));
  for (const name of ["first", "second"]) {
    const port = life(host, name);
    host.news().ready();
    host.news().alive(true);
    host.news().alive(false);
    port.close();
    host.news().disconnected();
  }
  assert.deepEqual(told, [true, false, true, false]);
  await thread.stop();
});
