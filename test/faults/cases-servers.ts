import type { Fault } from "../../core/testing/faults.ts";
import { startTcpProxy } from "../cluster/tcp-proxy.ts";
import { equal, expect, type FaultCase, pod, podAt, watched } from "./fault-case.ts";
import { HASTE, identityPlan, isSame, pass, serverObjects, until } from "./fault-world.ts";

const PLAIN = { verb: "watch", query: /^(?!.*sendInitialEvents)/ } as const;

const WIDGETS = identityPlan("Widget", "widgets", { apiVersion: "example.org/v1", builtIn: false });

const WIDGET_CRD = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.org" },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
};

const widget = (name: string) => ({
  apiVersion: "example.org/v1",
  kind: "Widget",
  metadata: { name, namespace: "default" },
});

/** Faults of the storm. */
const STORM: readonly Fault[] = [
  { kind: "status", code: 500 },
  { kind: "status", code: 503, retryAfterSeconds: 0 },
  { kind: "status", code: 429 },
  { kind: "status", code: 410, reason: "Expired" },
  { kind: "reset", afterBytes: 0 },
  { kind: "reset", afterBytes: 700 },
  { kind: "close", afterBytes: 300 },
  { kind: "halfOpen" },
  { kind: "blackHole", afterEvents: 1 },
  { kind: "garbage", afterBytes: 100, bytes: 50 },
  { kind: "contentType", value: "text/plain" },
  { kind: "wrongKind", afterEvents: 0 },
  { kind: "errorEvent", afterEvents: 1, code: 410, reason: "Expired" },
  { kind: "errorEvent", afterEvents: 0, code: 500 },
  { kind: "endWatch", afterEvents: 1 },
  { kind: "duplicates" },
  { kind: "slow", bytes: 100, everyMs: 10 },
];

/** A small generator of chance (mulberry32), so that a storm can be repeated. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What happens to servers, their answers, and the way to them. */
export const SERVER_CASES: readonly FaultCase[] = [
  {
    id: "time-travel",
    title: "server restored from an older snapshot",
    budget: { requests: 7, loads: 1 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const snapshot = server.snapshot();
      server.objects.apply(pod("ghost"));
      server.objects.apply(pod("a"));
      await equal(world, server);
      server.restore(snapshot);
      world.transport.reset("test");
      await until("the ghost is gone", () => !world.objects().has("default/ghost"));
      await equal(world, server);
      expect(world.reports.join().includes("WATCH_TIME_TRAVEL"), "it was not reported");
      await recovered(world);
      return world;
    },
  },
  {
    id: "time-travel-silent",
    title: "server restored behind a load balancer: the watch is only silent",
    budget: { requests: 8, loads: 1 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const snapshot = server.snapshot();
      server.objects.apply(pod("ghost"));
      await equal(world, server);
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "blackHole", afterEvents: 0 } });
      world.transport.reset("test");
      await watched(world, server);
      server.restore(snapshot);
      await until("the ghost is gone", () => !world.objects().has("default/ghost"));
      await recovered(world);
      return world;
    },
  },
  {
    id: "stale-replica",
    title: "reconnects reach a replica that lags",
    budget: { requests: 12, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      for (let i = 0; i < 5; i++) {
        server.objects.apply(pod(`lag-${i}`));
      }
      await equal(world, server);
      server.faults.add({ match: { ...PLAIN, times: 2 }, fault: { kind: "stale", behind: 3 } });
      world.transport.reset("test");
      await pass(500);
      await recovered(world);
      expect(!world.store.kind("pods").log.some((line) => line.startsWith("delete")), "an object vanished");
      return world;
    },
  },
  {
    id: "stale-list",
    title: "a list after 410 is answered by a replica that lags",
    budget: { requests: 7, loads: 2 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      for (let i = 0; i < 5; i++) {
        server.objects.apply(pod(`lag-${i}`));
      }
      await equal(world, server);
      server.faults.add({
        match: { ...PLAIN, times: 1 },
        fault: { kind: "errorEvent", afterEvents: 0, code: 410, reason: "Expired" },
      });
      server.faults.add({ match: { query: "sendInitialEvents", times: 1 }, fault: { kind: "stale", behind: 3 } });
      world.transport.reset("test");
      await recovered(world);
      expect(!world.store.kind("pods").log.some((line) => line.startsWith("delete")), "a stale list removed objects");
      return world;
    },
  },
  {
    id: "clock-jump",
    title: "the time of day jumps a year ahead and back",
    budget: { requests: 0, loads: 0 },
    async run({ synced, recovered }) {
      const world = await synced();
      world.wallJumpMs = 365 * 86_400_000;
      await recovered(world);
      world.wallJumpMs = -365 * 86_400_000;
      await recovered(world);
      await pass(200);
      return world;
    },
  },
  {
    id: "goaway",
    title: "the server sends every connection away",
    only: "h2",
    budget: { requests: 30, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const fault = server.faults.add({ match: { verb: "watch" }, fault: { kind: "goaway" } });
      world.transport.reset("test");
      for (let i = 0; i < 5; i++) {
        server.objects.apply(pod(`go-${i}`));
        await pass(50);
      }
      fault.remove();
      await recovered(world);
      return world;
    },
  },
  {
    id: "half-open",
    title: "the connection's other end is gone and nobody says so",
    budget: { requests: 6, loads: 0 },
    async run({ server, access, synced, recovered, later }) {
      const url = new URL(access.server);
      const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
      later(() => proxy.stop());
      const through = {
        ...access,
        server: `${url.protocol}//${proxy.host}:${proxy.port}`,
        tlsServerName: url.hostname,
      };
      const world = await synced({ access: through });
      proxy.halfOpen();
      server.objects.apply(pod("unseen"));
      await recovered(world);
      return world;
    },
  },
  {
    id: "cut-at-byte",
    title: "a proxy cuts every connection after so many bytes",
    budget: { requests: 16, loads: 0 },
    async run({ server, access, synced, recovered, later }) {
      const url = new URL(access.server);
      const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
      later(() => proxy.stop());
      const through = {
        ...access,
        server: `${url.protocol}//${proxy.host}:${proxy.port}`,
        tlsServerName: url.hostname,
      };
      const world = await synced({ access: through });
      proxy.resetAfter(3000, { times: 4 });
      for (let i = 0; i < 20; i++) {
        server.objects.apply(pod(`cut-${i}`));
        await pass(10);
      }
      await recovered(world);
      return world;
    },
  },
  {
    id: "partition",
    title: "no way to the server for a while, then a new connection",
    budget: { requests: 16, loads: 0 },
    async run({ server, access, synced, recovered, later }) {
      const url = new URL(access.server);
      const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
      later(() => proxy.stop());
      const through = {
        ...access,
        server: `${url.protocol}//${proxy.host}:${proxy.port}`,
        tlsServerName: url.hostname,
      };
      const world = await synced({ access: through });
      proxy.refuse();
      proxy.cut();
      server.objects.apply(pod("meanwhile"));
      server.objects.delete(podAt("a"));
      await pass(800);
      proxy.heal();
      await recovered(world);
      return world;
    },
  },
  {
    id: "huge-retry-after",
    title: "429 with a Retry-After of a month",
    budget: { requests: 3, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({
        match: { ...PLAIN, times: 1 },
        fault: { kind: "status", code: 429, retryAfterSeconds: 2_600_000 },
      });
      const from = performance.now();
      world.transport.reset("test");
      await recovered(world);
      expect(performance.now() - from >= 120_000 / HASTE, "it came back before the bound");
      return world;
    },
  },
  {
    id: "unauthorized",
    title: "401 in the middle",
    budget: { requests: 4, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({
        match: { ...PLAIN, times: 2 },
        fault: { kind: "status", code: 401, reason: "Unauthorized" },
      });
      world.transport.reset("test");
      await recovered(world);
      return world;
    },
  },
  {
    id: "forbidden",
    title: "the right to watch is taken away and given back",
    budget: { requests: 6, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const fault = server.faults.add({ match: PLAIN, fault: { kind: "status", code: 403, reason: "Forbidden" } });
      world.transport.reset("test");
      await until("forbidden", () => world.store.kind("pods").phase === 6);
      expect(isSame(world.objects(), serverObjects(server, "v1", "Pod")), "the cache was emptied");
      fault.remove();
      await recovered(world);
      return world;
    },
  },
  {
    id: "namespace-remade",
    title: "a followed namespace is deleted and made again",
    budget: { requests: 4, loads: 1 },
    async run({ server, world: make }) {
      const namespace = (name: string) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
      server.objects.apply(namespace("shop-1"));
      server.objects.apply(pod("p", "shop-1"));
      const world = make({ scope: { allow: ["shop-*"] } });
      world.engine.start();
      await until("synced", () => world.objects().has("shop-1/p"));
      world.mark();
      server.objects.delete(podAt("p", "shop-1"));
      server.objects.delete({ apiVersion: "v1", kind: "Namespace", name: "shop-1" });
      await until("the namespace is empty", () => world.objects().size === 0);
      server.objects.apply(namespace("shop-1"));
      server.objects.apply(pod("q", "shop-1"));
      await until("followed again", () => world.objects().has("shop-1/q") && world.objects().size === 1);
      return world;
    },
  },
  {
    id: "crd-remade",
    title: "a CRD is deleted while watched, and made again",
    budget: { requests: 20, loads: 18 },
    async run({ server, world: make }) {
      server.objects.apply(WIDGET_CRD);
      server.objects.apply(widget("one"));
      const world = make({ plans: [WIDGETS] });
      world.engine.start();
      await until("synced", () => world.objects("widgets").size === 1);
      world.mark();
      server.objects.delete({ ...WIDGET_CRD, name: WIDGET_CRD.metadata.name });
      const kind = world.store.kind("widgets");
      await until("empty and not served", () => kind.size === 0 && kind.phase === 5);
      server.objects.apply(WIDGET_CRD);
      server.objects.apply(widget("two"));
      await until("followed again", () => world.objects("widgets").has("default/two") && kind.size === 1);
      return world;
    },
  },
  {
    id: "storm",
    title: "everything at once, by chance, while objects come and go",
    budget: { requests: 250, loads: 60 },
    async run({ server, synced, recovered }) {
      const world = await synced({ limits: { headMs: 150, watchIdleMs: 400 } });
      const random = seededRandom(7);
      for (let i = 0; i < 120; i++) {
        const fault = STORM[Math.floor(random() * STORM.length)];
        server.faults.add({ match: { path: /pods$/, times: 1 }, fault });
        if (random() < 0.5) {
          world.transport.reset("storm");
        }
        server.objects.apply(pod(`storm-${Math.floor(random() * 20)}`));
        if (random() < 0.3) {
          const [name] = [...world.objects().keys()].filter((key) => key.startsWith("default/storm-"));
          if (name !== undefined) {
            server.objects.delete(podAt(name.slice("default/".length)));
          }
        }
        await pass(25);
      }
      server.faults.clear();
      world.transport.reset("the storm is over");
      await recovered(world);
      return world;
    },
  },
];
