import { type Controller, createController } from "../../core/controller/create-controller.ts";
import { pods } from "../../core/kinds/index.ts";
import type { ApiServer } from "../../core/testing/api-server.ts";
import { type CaseContext, expect, type FaultCase, pod, podAt } from "./fault-case.ts";
import { kindOf, type SeenRequest, until } from "./fault-world.ts";

const followed = pods.select("phase", "labels");
type Kinds = readonly [typeof followed];

/** A controller with its own thread, as an embedder has it; not started. */
function controllerOf({ server, later }: CaseContext): Controller<Kinds> {
  const controller = createController({ cluster: { kubeconfig: { text: server.kubeconfig() } }, kinds: [followed] });
  later(() => controller.stop());
  return controller;
}

/** The requests of all clients, from the server's own log. */
function requestsOf(server: ApiServer): { requests(...kinds: SeenRequest["kind"][]): SeenRequest[] } {
  return {
    requests: (...kinds) =>
      server.requests
        .all()
        .map(({ path, query, at }) => ({ path, kind: kindOf(`${path}?${query}`), atMs: at }))
        .filter(({ kind }) => kinds.length === 0 || kinds.includes(kind)),
  };
}

/** What user code does to the runtime. */
export const LISTENER_CASES: readonly FaultCase[] = [
  {
    id: "E",
    title: "a listener throws on every event",
    budget: { requests: 1, loads: 1 },
    async run(context) {
      const { server } = context;
      const controller = controllerOf(context);
      let thrown = 0;
      const seen: string[] = [];
      controller.changes(followed, () => {
        thrown++;
        throw new Error("by the test");
      });
      controller.changes(followed, (batch) => {
        for (const change of batch) {
          seen.push(`${change.op} ${(change.new ?? change.old)?.key}`);
        }
      });
      await controller.start();
      server.objects.apply(pod("e-1"));
      await until("the other listener", () => seen.includes("added default/e-1"));
      server.objects.delete(podAt("e-1"));
      await until("the deletion", () => seen.includes("deleted default/e-1"));
      expect(thrown >= 3, "the listener that throws was not called any more");
      return requestsOf(server);
    },
  },
  {
    id: "E2",
    title: "a listener throws on the initial list",
    budget: { requests: 1, loads: 1 },
    async run(context) {
      const { server } = context;
      const controller = controllerOf(context);
      const seen: string[] = [];
      controller.changes(followed, (batch) => {
        if (batch.kind === "synced") {
          throw new Error("by the test");
        }
        for (const change of batch) {
          seen.push(change.op);
        }
      });
      await controller.start();
      server.objects.apply(pod("e-2"));
      await until("the next batch", () => seen.includes("added"));
      expect(
        controller.store.read((view) => view.pods.has("default/e-2")),
        "the store went no further",
      );
      return requestsOf(server);
    },
  },
  {
    id: "O",
    title: "a slow listener: added, changed, deleted, made again",
    budget: { requests: 1, loads: 1 },
    async run(context) {
      const { server } = context;
      const controller = controllerOf(context);
      const present = new Set<string>();
      const wrong: string[] = [];
      let busy = false;
      controller.changes(followed, (batch) => {
        if (busy) {
          wrong.push("called while it was running");
        }
        busy = true;
        const until = performance.now() + 20;
        while (performance.now() < until) {
          // Busy, as a careless listener is.
        }
        for (const change of batch) {
          const key = (change.new ?? change.old)?.key ?? "";
          if ((change.op === "added") === present.has(key)) {
            wrong.push(`${change.op} ${key}`);
          }
          if (change.op === "deleted") {
            present.delete(key);
          } else {
            present.add(key);
          }
        }
        busy = false;
      });
      await controller.start();
      for (let i = 0; i < 30; i++) {
        server.objects.apply(pod(`o-${i % 3}`));
        server.objects.delete(podAt(`o-${i % 3}`));
      }
      server.objects.apply(pod("o-last"));
      await until("the last one", () => present.has("default/o-last"));
      expect(wrong.length === 0, `out of order: ${wrong.join(", ")}`);
      expect(present.size === 4, `${present.size} objects are thought to be there`);
      return requestsOf(server);
    },
  },
];
