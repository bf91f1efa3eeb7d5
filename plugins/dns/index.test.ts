import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Plugin, PluginContext, PluginThread } from "../../core/api/index.ts";
import { conformance, type Harness, harness, namespace, service } from "../../core/testing/index.ts";
import type { AskingData, AskingResult } from "./asking.test-support.ts";
import { type Answered, framed, freeUdpPort, question, readAnswers, UdpClient } from "./desk.test-support.ts";
import plugin, { type DnsQuery, type DnsQueryAnswer } from "./index.ts";
import type { DnsOptions } from "./options.ts";
import { FakeUpstream } from "./upstream.test-support.ts";
import type { zoneNeeds } from "./zone-needs.ts";

const MODULE = new URL("./index.ts", import.meta.url);
const OBJECTS = [namespace("shop"), service("shop/cart", { clusterIP: "10.0.0.1" })];
const CART = "cart.shop.svc.cluster.local";

/** The plugin, with its threads made of the module that can be brought down; and how to do that. */
function crashable() {
  const threads: PluginThread<{ readonly kind: "crash" }, never>[] = [];
  const subject: Plugin<typeof DnsOptions, typeof zoneNeeds> = {
    ...plugin,
    setup: (context: PluginContext<typeof DnsOptions, typeof zoneNeeds>) =>
      plugin.setup({
        ...context,
        threads: {
          spawn: (_module, options) => {
            const thread = context.threads.spawn(
              new URL("./crashing-server.test-support.ts", import.meta.url),
              options,
            );
            threads.push(thread as unknown as PluginThread<{ readonly kind: "crash" }, never>); // see the module
            return thread as never; // of the types that the caller named
          },
        },
      }),
  };
  const crash = (): void => {
    for (const thread of threads) {
      thread.post({ kind: "crash" });
    }
  };
  return { subject, crash, threads };
}

/** Waits until the cluster's names are complete: until then nobody is told that there is no such name. */
async function synced(client: UdpClient): Promise<Answered> {
  const endsAt = performance.now() + 20_000;
  for (;;) {
    const answer = await client.ask(question("nobody.shop.svc.cluster.local")).catch(() => undefined);
    if (answer?.rcode === "NXDOMAIN" || performance.now() > endsAt) {
      return await client.ask(question(CART));
    }
  }
}

async function asked(data: AskingData): Promise<AskingResult> {
  const worker = new Worker(new URL("./asking.test-support.ts", import.meta.url), { workerData: data });
  const [result] = await once(worker, "message", { signal: AbortSignal.timeout(60_000) });
  return result;
}

const metric = async (h: Harness, name: string, labels?: Readonly<Record<string, string>>): Promise<number> => {
  await h.settled();
  return h.metrics(name, labels);
};

/** Waits until a figure that is taken over once a second is there. */
async function until(what: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 10_000;
  while (!(await what())) {
    assert.ok(performance.now() < endsAt, "it did not come");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const isolation of ["inline", "worker"] as const) {
  test(`${isolation}: answers over UDP and TCP, is healthy, and counts under names that dashboards know`, async () => {
    const port = await freeUdpPort();
    await using h = await harness(MODULE, { objects: OBJECTS, isolation, options: { listen: `127.0.0.1:${port}` } });
    await using client = new UdpClient(port);
    assert.deepEqual(
      (await synced(client)).answers?.map((answer) => "data" in answer && answer.data),
      ["10.0.0.1"],
    );
    assert.equal((await client.ask(question("nobody.shop.svc.cluster.local"))).rcode, "NXDOMAIN");
    assert.equal((await client.ask(question("www.example.org"))).rcode, "REFUSED");
    const socket = connect(port, "127.0.0.1");
    socket.write(Buffer.concat([framed(question(CART, "A", 1)), framed(question(CART, "A", 2))]));
    assert.deepEqual(
      (await readAnswers(socket, 2)).map(({ id, rcode }) => [id, rcode]),
      [
        [1, "NOERROR"],
        [2, "NOERROR"],
      ],
    );
    socket.destroy();
    await until(async () => (await h.health()).every(({ ok }) => ok));
    const base = { server: `dns://127.0.0.1:${port}`, view: "" };
    const tcp = { ...base, zone: "cluster.local.", proto: "tcp", family: "1", type: "A" };
    await until(async () => (await metric(h, "dns_requests_total", tcp)) === 2);
    const refused = { ...base, zone: ".", rcode: "REFUSED", plugin: "server" };
    assert.equal(await metric(h, "dns_responses_total", refused), 1);
    const absent = { ...base, zone: "cluster.local.", rcode: "NXDOMAIN", plugin: "kubernetes" };
    assert.ok((await metric(h, "dns_responses_total", absent)) >= 1);
    assert.ok((await metric(h, "index_names")) > 0);
    assert.ok((await metric(h, "receive_buffer")) >= 65_536);
  });
}

test("while the main thread stands still for 100 ms of each second, no question is lost", async () => {
  const port = await freeUdpPort();
  await using h = await harness(plugin, { objects: OBJECTS, options: { listen: `127.0.0.1:${port}` } });
  {
    await using client = new UdpClient(port);
    await synced(client);
  }
  const result = asked({ port, name: CART, perSecond: 2000, count: 6000, waitMs: 5000 });
  const wait = new Int32Array(new SharedArrayBuffer(4));
  const blocking = setInterval(() => Atomics.wait(wait, 0, 0, 100), 1000);
  const { sent, answered, refused } = await result;
  clearInterval(blocking);
  assert.deepEqual([sent, answered, refused], [6000, 6000, 0]);
  assert.equal(h.state, "running");
});

test("questions that come while the thread is gone are answered by the next one", async () => {
  const port = await freeUdpPort();
  const { subject, crash, threads } = crashable();
  await using h = await harness(subject, { objects: OBJECTS, options: { listen: `127.0.0.1:${port}` } });
  {
    await using client = new UdpClient(port);
    await synced(client);
  }
  const result = asked({ port, name: CART, perSecond: 500, count: 1500, waitMs: 4000 });
  await new Promise((resolve) => setTimeout(resolve, 500));
  crash();
  const { sent, answered, refused } = await result;
  // Lost is only what lay in the old socket, or came before its end was known.
  assert.ok(answered >= sent - 100, `${answered} of ${sent} were answered`);
  assert.equal(refused, 0);
  assert.equal(threads[0].alive, true);
  await until(async () => (await metric(h, "taken_over_total")) > 0);
  await until(async () => (await h.health()).every(({ ok }) => ok));
});

test("a thread that is given up after three crashes is begun anew", async () => {
  const port = await freeUdpPort();
  const { subject, crash, threads } = crashable();
  await using h = await harness(subject, { objects: OBJECTS, options: { listen: `127.0.0.1:${port}` } });
  for (let crashes = 1; crashes <= 3; crashes++) {
    await until(async () => threads[0].alive);
    crash();
    await until(async () => !threads[0].alive);
  }
  await using client = new UdpClient(port);
  assert.match((await h.health())[0].detail ?? "", /1 of 1 threads do not answer/);
  const endsAt = performance.now() + 40_000;
  while (threads.length < 2 && performance.now() < endsAt) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal((await synced(client)).rcode, "NOERROR");
  assert.equal(h.state, "running");
});

test("a thread that is given up is begun anew at once when options change, as what brought it down may be mended", async () => {
  const port = await freeUdpPort();
  const { subject, crash, threads } = crashable();
  const options = { listen: `127.0.0.1:${port}` };
  await using h = await harness(subject, { objects: OBJECTS, options });
  for (let crashes = 1; crashes <= 3; crashes++) {
    await until(async () => threads[0].alive);
    crash();
    await until(async () => !threads[0].alive);
  }
  assert.equal(threads.length, 1);
  await h.reload({ ...options, aliases: { "db.example.org": "192.0.2.1" } });
  assert.equal(threads.length, 2);
  await using client = new UdpClient(port);
  assert.equal((await synced(client)).rcode, "NOERROR");
  assert.equal((await client.ask(question("db.example.org"))).rcode, "NOERROR");
});

test("threads share the port; each follows the index of the first, also when that one is started anew", async () => {
  const port = await freeUdpPort();
  const { subject, threads } = crashable();
  await using h = await harness(subject, { objects: OBJECTS, options: { listen: `127.0.0.1:${port}`, workers: 3 } });
  await until(async () => (await h.health()).every(({ ok }) => ok));
  const everyone = async (name: string, rcode: string): Promise<boolean> => {
    const answers: string[] = [];
    for (let i = 0; i < 24; i++) {
      await using client = new UdpClient(port);
      answers.push((await client.ask(question(name)).catch(() => undefined))?.rcode ?? "none");
    }
    return answers.every((one) => one === rcode);
  };
  await until(() => everyone(CART, "NOERROR"));
  threads[0].post({ kind: "crash" });
  await until(async () => !threads[0].alive);
  await until(async () => threads[0].alive);
  await h.apply(service("shop/till", { clusterIP: "10.0.0.2" }));
  await until(() => everyone("till.shop.svc.cluster.local", "NOERROR"));
});

test("aliases, upstreams and rights change while questions come, and none is lost; another port is another start", async () => {
  const port = await freeUdpPort();
  const { subject, threads, crash } = crashable();
  const options = { listen: `127.0.0.1:${port}` };
  await using h = await harness(subject, { objects: OBJECTS, options });
  await using client = new UdpClient(port);
  await synced(client);
  const alias = question("db.example.org");
  assert.equal((await client.ask(alias)).rcode, "REFUSED");
  const result = asked({ port, name: CART, perSecond: 1000, count: 2000, waitMs: 5000 });
  for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) {
    await h.reload({ ...options, aliases: { "db.example.org": address }, cache: { positive: 10 } });
    await until(async () => {
      const [first] = (await client.ask(alias)).answers ?? [];
      return first !== undefined && "data" in first && first.data === address;
    });
  }
  const { sent, answered, refused } = await result;
  assert.deepEqual([sent, answered, refused, threads.length], [2000, 2000, 0, 1]);
  // A thread that is started anew has the settings of now.
  crash();
  await until(async () => !threads[0].alive);
  await until(async () => threads[0].alive);
  await until(async () => (await client.ask(alias).catch(() => undefined))?.rcode === "NOERROR");
  await h.reload({ ...options, acl: { deny: ["127.0.0.0/8"] } });
  await until(async () => (await client.ask(question(CART))).rcode === "REFUSED");
  assert.equal(threads.length, 1);
  const other = await freeUdpPort();
  await h.reload({ listen: `127.0.0.1:${other}` });
  await using elsewhere = new UdpClient(other);
  await synced(elsewhere);
  assert.equal(threads.length, 2);
});

test("answers on several addresses of both families, over UDP and TCP", async () => {
  const [four, six, udp] = [await freeUdpPort(), await freeUdpPort(), await freeUdpPort()];
  const listen = [`127.0.0.1:${four}`, `[::1]:${six}`, { address: "127.0.0.1", port: udp, tcp: false }];
  await using h = await harness(plugin, { objects: OBJECTS, options: { listen } });
  await using plain = new UdpClient(four);
  await synced(plain);
  await using v6 = new UdpClient(six, "udp6");
  await using only = new UdpClient(udp);
  assert.equal((await v6.ask(question(CART), "::1")).rcode, "NOERROR");
  assert.equal((await only.ask(question(CART))).rcode, "NOERROR");
  for (const [port, address] of [
    [four, "127.0.0.1"],
    [six, "::1"],
  ] as const) {
    const socket = connect(port, address);
    socket.write(framed(question(CART, "A", 9)));
    assert.deepEqual(
      (await readAnswers(socket, 1)).map(({ id, rcode }) => [id, rcode]),
      [[9, "NOERROR"]],
    );
    socket.destroy();
  }
  const refused = connect(udp, "127.0.0.1");
  const [error] = await once(refused, "error");
  assert.equal(error.code, "ECONNREFUSED");
  const labels = { server: `dns://127.0.0.1:${four}`, view: "", zone: "cluster.local.", family: "2", type: "A" };
  await until(async () => (await metric(h, "dns_requests_total", { ...labels, proto: "udp" })) === 1);
  await until(async () => (await metric(h, "dns_requests_total", { ...labels, proto: "tcp" })) === 1);
});

test("other names are asked of upstreams for who may, and refused for who may not; aliases come first", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({
    answers: [{ type: "A", name: "www.example.org", ttl: 60, data: "192.0.2.80" }],
  }));
  const port = await freeUdpPort();
  const options = {
    listen: `127.0.0.1:${port}`,
    forward: upstream.address,
    aliases: { "cart.shop.svc.cluster.local": "192.0.2.9" },
  };
  await using h = await harness(plugin, { objects: OBJECTS, options });
  await using client = new UdpClient(port);
  const addresses = ({ answers }: Answered): unknown => answers?.map((one) => "data" in one && one.data);
  assert.deepEqual(addresses(await synced(client)), ["192.0.2.9"]);
  assert.deepEqual(addresses(await client.ask(question("www.example.org"))), ["192.0.2.80"]);
  assert.deepEqual(addresses(await client.ask(question("www.example.org", "A", 8))), ["192.0.2.80"]);
  assert.equal(upstream.queries.length, 1);
  const labels = { server: `dns://127.0.0.1:${port}`, view: "", zone: ".", rcode: "NOERROR" };
  for (const [plugin, count] of [
    ["forward", 1],
    ["cache", 1],
  ] as const) {
    await until(async () => (await metric(h, "dns_responses_total", { ...labels, plugin })) === count);
  }
  await h.reload({ ...options, acl: { recursion: [] } });
  await until(async () => (await client.ask(question("www.example.org"))).rcode === "REFUSED");
  assert.equal(upstream.queries.length, 1);
});

test("told to stop, it answers on for its lame duck and is not ready", async () => {
  const port = await freeUdpPort();
  const options = { listen: `127.0.0.1:${port}`, lameDuck: "700ms" };
  await using h = await harness(plugin, { objects: OBJECTS, options });
  await using client = new UdpClient(port);
  await synced(client);
  const stopped = h.stop();
  const startedAt = performance.now();
  while (performance.now() < startedAt + 500) {
    assert.equal((await client.ask(question(CART))).rcode, "NOERROR");
  }
  await stopped;
  assert.ok(performance.now() - startedAt >= 650);
});

test("a port that is taken fails the start with what to do", async (t) => {
  const taken = createSocket("udp4");
  await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", () => resolve()));
  t.after(() => taken.close());
  const { port } = taken.address();
  await assert.rejects(harness(plugin, { options: { listen: `127.0.0.1:${port}` } }), (error: Error) => {
    assert.match(`${error.message} ${String(error.cause)}`, /another program.*has the port/);
    return true;
  });
});

/** Another plugin, which answers names under example.test. */
function answering(answer: (query: DnsQuery) => DnsQueryAnswer | Promise<DnsQueryAnswer>): Plugin {
  return {
    name: "answering",
    apiVersion: "fairlead/v1",
    setup({ hooks }) {
      hooks.of<DnsQuery, DnsQueryAnswer>("dns.query").tap(answer);
    },
  };
}

test("other plugins answer, refuse or leave names that nobody owns, and cannot hold questions up", async () => {
  const port = await freeUdpPort();
  const seen: DnsQuery[] = [];
  const other = answering(async (query) => {
    seen.push(query);
    switch (query.name.split(".")[0]) {
      case "here":
        return {
          records: [
            { type: "A", data: "192.0.2.7", ttl: 60 },
            { type: "A", data: "192.0.2.8" },
          ],
        };
      case "never":
        return { veto: "NXDOMAIN" };
      case "broken":
        throw new Error("broken");
      case "nonsense":
        return { records: [{ type: "A", data: "not an address" }] };
      case "slow":
        return await new Promise((resolve) => setTimeout(() => resolve({ veto: "NXDOMAIN" }), 1000).unref());
      default:
        return undefined;
    }
  });
  await using h = await harness(plugin, {
    objects: OBJECTS,
    plugins: [other],
    options: { listen: `127.0.0.1:${port}` },
  });
  await using client = new UdpClient(port);
  await synced(client);
  await until(async () => (await client.ask(question("never.example.test"))).rcode === "NXDOMAIN");
  const { answers, rcode } = await client.ask(question("here.example.test"));
  assert.deepEqual(
    [rcode, answers?.map((one) => ["ttl" in one && one.ttl, one.name, "data" in one && one.data])],
    [
      "NOERROR",
      [
        [60, "here.example.test", "192.0.2.7"],
        [5, "here.example.test", "192.0.2.8"],
      ],
    ],
  );
  for (const name of ["none", "broken", "nonsense", "slow"]) {
    assert.equal((await client.ask(question(`${name}.example.test`))).rcode, "REFUSED", name);
  }
  assert.equal((await client.ask(question(CART))).rcode, "NOERROR");
  assert.deepEqual(seen[0], { name: "never.example.test.", type: "A", client: "127.0.0.1" });
  assert.ok(!seen.some(({ name }) => name.includes("cluster.local")));
  await until(async () => (await metric(h, "hook_answers_total")) === 1);
});

test("garbage of every length is no crash and no answer to an answer, and the next question is answered", async () => {
  const port = await freeUdpPort();
  await using h = await harness(plugin, { objects: OBJECTS, options: { listen: `127.0.0.1:${port}` } });
  await using client = new UdpClient(port);
  await synced(client);
  let seed = 1;
  const random = (): number => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed / 0x7fffffff;
  };
  const good = question(CART);
  for (let i = 0; i < 5000; i++) {
    const packet = Buffer.from(good.subarray(0, Math.floor(random() * (good.length + 8))));
    for (let flips = Math.floor(random() * 6); flips > 0 && packet.length > 0; flips--) {
      packet[Math.floor(random() * packet.length)] = Math.floor(random() * 256);
    }
    await client.send(packet);
  }
  await using fresh = new UdpClient(port);
  assert.equal((await fresh.ask(question(CART))).rcode, "NOERROR");
  await until(async () => (await metric(h, "malformed_total")) > 0);
  assert.equal(await metric(h, "panics_total"), 0);
  assert.equal(h.state, "running");
});

test("a client over its limit is answered with little or nothing, others as ever; who may not ask is refused", async () => {
  const port = await freeUdpPort();
  const options = { listen: `127.0.0.1:${port}`, limits: { queriesPerClient: 20 }, acl: { deny: ["127.0.0.9"] } };
  await using h = await harness(plugin, { objects: OBJECTS, options });
  await using client = new UdpClient(port);
  await until(async () => (await h.health()).every(({ ok }) => ok));
  for (let id = 0; id < 200; id++) {
    await client.send(question(CART, "A", id));
  }
  await until(async () => (await metric(h, "rate_limited_total")) >= 100);
});

conformance(MODULE, { options: { listen: "127.0.0.1:0" }, objects: OBJECTS });
