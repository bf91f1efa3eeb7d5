import { equal, expect, type FaultCase, pod, podAt, watched } from "./fault-case.ts";
import { pass, until } from "./fault-world.ts";

const PLAIN = { verb: "watch", query: /^(?!.*sendInitialEvents)/ } as const;
const STREAMED = { verb: "watch", query: "sendInitialEvents" } as const;

/** What servers, proxies and load balancers do to the content of streams. */
export const STREAM_CASES: readonly FaultCase[] = [
  {
    id: "lying-type",
    title: "a proxy's HTML page with status 200, then a JSON label on other bytes",
    budget: { requests: 5, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "contentType", value: "text/html" } });
      server.faults.add({
        match: { ...PLAIN, nth: 2, times: 1 },
        fault: { kind: "contentType", value: "application/octet-stream" },
      });
      world.transport.reset("test");
      await recovered(world);
      expect(world.count("brokenFrames") === 2, "wrong types were not counted as broken streams");
      return world;
    },
  },
  {
    id: "oversize",
    title: "a frame of forty megabytes, sent on although nobody listens",
    budget: { requests: 14, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({
        match: { ...PLAIN, times: 1 },
        fault: { kind: "oversizeFrame", afterEvents: 0, bytes: 40 * 1024 * 1024 },
      });
      world.transport.reset("test");
      await watched(world, server);
      server.objects.apply(pod("o-1"));
      await recovered(world);
      expect(world.count("brokenFrames") === 1, "it was not counted as a broken frame");
      return world;
    },
  },
  {
    id: "garbage",
    title: "random bytes inside the stream",
    budget: { requests: 4, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "garbage", afterBytes: 50, bytes: 300 } });
      world.transport.reset("test");
      for (let i = 0; i < 5; i++) {
        server.objects.apply(pod(`n-${i}`));
      }
      await recovered(world);
      return world;
    },
  },
  {
    id: "wrong-kind",
    title: "an object of another kind inside the stream",
    budget: { requests: 3, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "wrongKind", afterEvents: 1 } });
      world.transport.reset("test");
      await watched(world, server);
      server.objects.apply(pod("w-1"));
      server.objects.apply(pod("w-2"));
      await recovered(world);
      expect(world.count("brokenFrames") === 1, "it was not counted as a broken frame");
      return world;
    },
  },
  {
    id: "slow",
    title: "a stream that trickles",
    budget: { requests: 2, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "slow", bytes: 64, everyMs: 5 } });
      world.transport.reset("test");
      await watched(world, server);
      for (let i = 0; i < 5; i++) {
        server.objects.apply(pod(`s-${i}`));
      }
      await recovered(world);
      return world;
    },
  },
  {
    id: "duplicates",
    title: "every event sent twice",
    budget: { requests: 2, loads: 0 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      server.faults.add({ match: { ...PLAIN, times: 1 }, fault: { kind: "duplicates" } });
      world.transport.reset("test");
      await watched(world, server);
      server.objects.apply(pod("twice"));
      server.objects.delete(podAt("twice"));
      await recovered(world);
      const { log } = world.store.kind("pods");
      expect(
        log.filter((line) => line.startsWith("add default/twice")).length === 1,
        "an object came back from the dead",
      );
      return world;
    },
  },
  {
    id: "no-bookmarks",
    title: "a quiet kind on a server without bookmarks",
    budget: { requests: 8, loads: 0 },
    async run({ server, synced, recovered }) {
      const fault = server.faults.add({ match: { verb: "watch" }, fault: { kind: "noBookmarks" } });
      const world = await synced();
      await pass((4 * 75_000) / 40);
      expect(world.requests("watch").length >= 1, "a silent watch was never replaced");
      fault.remove();
      await recovered(world);
      return world;
    },
  },
  {
    id: "no-end-mark",
    title: "the bookmark that ends a streamed list never comes",
    budget: { requests: 5, loads: 3 },
    async run({ server, world: make, recovered }) {
      server.faults.add({ match: STREAMED, fault: { kind: "noBookmarks", initialEnd: true } });
      const world = make();
      world.engine.start();
      await until("synced", () => world.store.kind("pods").synced);
      await recovered(world);
      world.engine.relist("pods", "test");
      await recovered(world);
      await until("listed again", () => world.requests("list").length === 2 && world.store.kind("pods").phase === 3);
      expect(world.requests("stream").length === 1, "it was not remembered");
      return world;
    },
  },
  {
    id: "no-streaming",
    title: "a server without streamed lists",
    budget: { requests: 3, loads: 2 },
    async run({ server, world: make, recovered }) {
      server.behaviour.watchList = false;
      const world = make();
      world.engine.start();
      await until("synced", () => world.store.kind("pods").synced);
      await recovered(world);
      return world;
    },
  },
  {
    id: "stream-cut",
    title: "every streamed list cut before its end",
    budget: { requests: 5, loads: 4 },
    async run({ server, world: make, recovered }) {
      server.faults.add({ match: STREAMED, fault: { kind: "reset", afterBytes: 300 } });
      const world = make();
      world.engine.start();
      await recovered(world);
      return world;
    },
  },
  {
    id: "page-cut",
    title: "every large list page cut by a proxy",
    budget: { requests: 16, loads: 8 },
    async run({ server, world: make, recovered }) {
      for (let i = 0; i < 60; i++) {
        server.objects.apply(pod(`many-${i}`));
      }
      server.faults.add({ match: STREAMED, fault: { kind: "status", code: 422, reason: "Invalid" } });
      for (const limit of [500, 250, 125, 62]) {
        server.faults.add({
          match: { verb: "list", query: `limit=${limit}` },
          fault: { kind: "close", afterBytes: 4000 },
        });
      }
      const world = make();
      world.engine.start();
      await recovered(world);
      return world;
    },
  },
  {
    id: "token-expired",
    title: "continue token expired in the middle of a list",
    budget: { requests: 5, loads: 3 },
    async run({ server, world: make, recovered }) {
      for (let i = 0; i < 10; i++) {
        server.objects.apply(pod(`page-${i}`));
      }
      server.faults.add({ match: STREAMED, fault: { kind: "status", code: 422, reason: "Invalid" } });
      const world = make({ limits: { pageSize: 4 } });
      server.faults.add({
        match: { query: "continue=", times: 1 },
        fault: { kind: "status", code: 410, reason: "Expired" },
      });
      world.engine.start();
      await until("the second page", () => world.requests("page").length > 0);
      server.objects.delete(podAt("a"));
      await recovered(world);
      return world;
    },
  },
  {
    id: "expired-loop",
    title: "410 after every load",
    budget: { requests: 26, loads: 12 },
    async run({ server, synced, recovered }) {
      const world = await synced();
      const fault = server.faults.add({
        match: { verb: "watch", query: /resourceVersion=\d/ },
        fault: { kind: "errorEvent", afterEvents: 0, code: 410, reason: "Expired" },
      });
      server.faults.add({ match: STREAMED, fault: { kind: "status", code: 422, reason: "Invalid" } });
      world.transport.reset("test");
      await pass(2000);
      expect(world.requests("list").length >= 3, "it gave up");
      fault.remove();
      await equal(world, server);
      await recovered(world);
      return world;
    },
  },
];
