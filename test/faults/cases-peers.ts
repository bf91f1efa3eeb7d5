import { equal, expect, type FaultCase, pod, podAt, watched } from "./fault-case.ts";
import { HASTE, pass, until } from "./fault-world.ts";

const WATCH = { verb: "watch" } as const;
/** Watches that are not streamed lists. */
const PLAIN = { verb: "watch", query: /^(?!.*sendInitialEvents)/ } as const;

/** The cases that were run against the other Node clients. */
export const PEER_CASES: readonly FaultCase[] = [
  {
    id: "A",
    title: "watch answered with 500, three times",
    budget: { requests: 5, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 3 }, fault: { kind: "status", code: 500 } });
      server.faults.add({ match: { times: 1 }, fault: { kind: "endWatch", afterEvents: 0 } });
      world.transport.reset("test");
      await recovered(world);
      return world;
    },
  },
  {
    id: "B",
    title: "watch answered with 429 and Retry-After",
    budget: { requests: 4, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 2 }, fault: { kind: "status", code: 429, retryAfterSeconds: 1 } });
      world.transport.reset("test");
      await recovered(world);
      const [first, second, third] = world.requests("watch");
      expect(second.atMs - first.atMs >= 1000 && third.atMs - second.atMs >= 1000, "Retry-After was not honoured");
      return world;
    },
  },
  {
    id: "C",
    title: "list answered with 503",
    budget: { requests: 7, loads: 5 },
    async run({ server, world: make }) {
      const world = make();
      server.faults.add({ match: { path: /pods$/, times: 4 }, fault: { kind: "status", code: 503 } });
      world.engine.start();
      await until("three tries", () => world.requests().length >= 3);
      expect(!world.store.kind("pods").synced, "synced without a list");
      expect(world.requests("watch").length === 0, "watched without a list");
      await until("synced", () => world.store.kind("pods").synced);
      await equal(world, server);
      return world;
    },
  },
  {
    id: "D",
    title: "connection reset in mid-stream, three times",
    budget: { requests: 8, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 3 }, fault: { kind: "reset", afterBytes: 200 } });
      world.transport.reset("test");
      for (let i = 0; i < 10; i++) {
        server.objects.apply(pod(`d-${i}`));
      }
      server.objects.delete(podAt("a"));
      await recovered(world);
      return world;
    },
  },
  {
    id: "F",
    title: "stop while the list is in flight",
    budget: { requests: 1, loads: 1 },
    async run({ server, world: make }) {
      const world = make();
      server.faults.add({ match: { path: /pods$/ }, fault: { kind: "delay", ms: 50 } });
      world.engine.start();
      await until("the request", () => server.requests.count({ path: /pods$/ }) > 0);
      world.engine.stop();
      await pass(150);
      expect(!world.store.kind("pods").synced, "synced after stop");
      return world;
    },
  },
  {
    id: "G",
    title: "frame truncated, then the stream ends",
    budget: { requests: 3, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({
        match: { ...PLAIN, times: 1 },
        fault: { kind: "tornFrame", afterEvents: 1, bytes: 20, followedBy: "end" },
      });
      world.transport.reset("test");
      await watched(world, server);
      server.objects.apply(pod("g-1"));
      server.objects.apply(pod("g-2"));
      await recovered(world);
      expect(world.count("brokenFrames") === 1, "the torn frame was not counted");
      return world;
    },
  },
  {
    id: "H",
    title: "ERROR event 500 inside the stream",
    budget: { requests: 3, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({
        match: { ...PLAIN, times: 1 },
        fault: { kind: "errorEvent", afterEvents: 1, code: 500, reason: "InternalError" },
      });
      world.transport.reset("test");
      server.objects.apply(pod("h-1"));
      await recovered(world);
      expect(world.reports.join().includes("500"), "the error was not reported");
      return world;
    },
  },
  {
    id: "I",
    title: "ERROR event 410 inside the stream, objects gone meanwhile",
    budget: { requests: 4, loads: 1 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({
        match: { ...PLAIN, times: 1 },
        fault: { kind: "errorEvent", afterEvents: 0, code: 410, reason: "Expired" },
      });
      world.transport.reset("test");
      server.objects.delete(podAt("b"));
      await recovered(world);
      expect(world.store.kind("pods").log.includes("delete default/b"), "no tombstone for what vanished");
      return world;
    },
  },
  {
    id: "J",
    title: "server ends every watch at once",
    budget: { requests: 12, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const fault = server.faults.add({ match: WATCH, fault: { kind: "endWatch", afterEvents: 0 } });
      world.transport.reset("test");
      await pass(2000);
      expect(world.requests("watch").length >= 3, "it gave up");
      fault.remove();
      await recovered(world);
      return world;
    },
  },
  {
    id: "K",
    title: "every watch ends after one event",
    budget: { requests: 60, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const fault = server.faults.add({ match: WATCH, fault: { kind: "endWatch", afterEvents: 1 } });
      world.transport.reset("test");
      for (let i = 0; i < 40; i++) {
        server.objects.apply(pod(`k-${i}`));
      }
      const from = performance.now();
      await equal(world, server);
      const floorMs = 1000 / HASTE;
      const least = (world.requests("watch").length - 2) * floorMs;
      expect(performance.now() - from >= least, "watches closer together than the floor");
      fault.remove();
      await recovered(world);
      return world;
    },
  },
  {
    id: "L",
    title: "watch silent from birth",
    budget: { requests: 5, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "blackHole", afterEvents: 0 } });
      world.transport.reset("test");
      await watched(world, server);
      server.objects.apply(pod("l-1"));
      await recovered(world);
      return world;
    },
  },
  {
    id: "M",
    title: "black hole: no answer at all",
    budget: { requests: 4, loads: 2 },
    async run({ server, world: make }) {
      const world = make();
      server.faults.add({ match: { path: /pods$/, times: 1 }, fault: { kind: "halfOpen" } });
      world.engine.start();
      await until("synced", () => world.store.kind("pods").synced);
      await equal(world, server);
      return world;
    },
  },
];
