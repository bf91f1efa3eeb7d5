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

test("messages go to the present life of the thread, and are lost while there is none", async () => {
  const host = fakeHost();
  const thread = createPluginThreads("dns", KINDS, host).spawn<string, string>(MODULE);
  const heard: string[] = [];
  const both = Promise.withResolvers<void>();
  thread.onMessage((message) => {
    if (heard.push(message) === 2) {
      both.resolve();
    }
  });
  thread.post("lost");
  for (const life of ["first", "second"]) {
    const [near, far] = openChannel();
    host.news().connected(near);
    const port = new PulledPort(far, { onMessage: (message) => port.post(`${life} has ${message}`) });
    thread.post("hello");
    // The ports do not keep the test alive.
    const keep = setInterval(() => {}, 1000);
    await new Promise((resolve) => setTimeout(resolve, 0));
    while (heard.length < (life === "first" ? 1 : 2)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    clearInterval(keep);
    port.close();
  }
  await both.promise;
  assert.deepEqual(heard, ["first has hello", "second has hello"]);
  await thread.stop();
});

test("a thread that sends without end is told to whoever runs it", async () => {
  const host = fakeHost();
  createPluginThreads("dns", KINDS, host).spawn(MODULE);
  const [near, far] = openChannel();
  host.news().connected(near);
  for (let i = 0; i < 260_000; i++) {
    far.port.postMessage(i);
  }
  const endsAt = performance.now() + 10_000;
  while (host.told.length === 0 && performance.now() < endsAt) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(host.told, ["flooded 1"]);
  near.port.close();
});
