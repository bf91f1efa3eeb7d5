import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { configMaps, defineCustomKind, nodes, pods, services, text } from "../kinds/index.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { resolveCluster } from "../kube/cluster-config.ts";
import { attachReader } from "../store/attach-reader.ts";
import { createStore, type Store } from "../store/create-store.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import type { StoreReader } from "../store/reader.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { seededRandom } from "../testing/random.ts";
import { type Ingest, type IngestOptions, startIngest } from "./ingest.ts";
import { untilWithin } from "./until.test-support.ts";

const FEW = pods.select("phase");
const WIDE = pods.select("phase", "labels", "nodeName");
const CART = pods.select("phase", "labels").where({ labelSelector: "app=cart" });
const WIDGETS = defineCustomKind({
  apiVersion: "example.org/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
  fields: { size: text("spec.size") },
});

let server: ApiServer;
let started: Worker[] = [];
let ended = 0;
let following: Following | undefined;

const onWorker = (worker: Worker): void => {
  started.push(worker);
  worker.once("exit", () => ended++);
};

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "node-1" } });
  started = [];
  ended = 0;
  process.on("worker", onWorker);
});

afterEach(async () => {
  process.off("worker", onWorker);
  await following?.ingest.stop();
  following?.store.close();
  await server.stop();
});

function put(name: string, app = "cart", phase = "Running"): void {
  server.objects.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels: { app } },
    spec: { nodeName: "node-1", containers: [{ name: "web", image: "example.org/cart:1" }] },
    status: { phase },
  });
}

function putConfig(name: string, value: string): void {
  const metadata = { name, namespace: "shop" };
  server.objects.apply({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { value } });
}

const until = untilWithin(20_000);

interface Following {
  readonly store: Store;
  readonly reader: StoreReader;
  readonly ingest: Ingest;
  readonly errors: unknown[];
  readonly lines: string[];
}

const plansOf = (kinds: readonly AnyKind[]): RowPlan[] => kinds.map((kind) => kind.plan());

const QUICK = { backoffMinMs: 5, backoffMaxMs: 20, confirmMs: 5, forbiddenRetryMs: 20, notServedRetryMs: 20 };

async function follow(kinds: readonly AnyKind[], options: Partial<IngestOptions> = {}): Promise<Following> {
  const errors: unknown[] = [];
  const lines: string[] = [];
  const backend = options.mode === "inline" ? "local" : "shared";
  const plans = plansOf(kinds);
  const store = createStore({ plans, backend, maxBytes: 1 << 24, onError: (error) => errors.push(error) });
  const log = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const ingest = await startIngest({
    access: await resolveCluster({ kubeconfig: { text: server.kubeconfig() } }),
    store,
    plans,
    log: { debug: log, info: log, warn: log, error: log },
    limits: QUICK,
    ...options,
  });
  following = { store, reader: store.reader(), ingest, errors, lines };
  return following;
}

const seen = (reader: StoreReader, kind: string): string[] =>
  reader.read((view) =>
    view
      .kind(kind)
      .all()
      .map((one) => `${one.key} ${one.metadata.uid} ${one.metadata.resourceVersion}`)
      .sort(),
  );

function truth(kind: string, holds: (labels: Record<string, string>) => boolean = () => true): string[] {
  return server.objects
    .list("v1", kind)
    .filter(({ metadata }) => holds(metadata.labels ?? {}))
    .map(({ metadata }) => {
      const key = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
      return `${key} ${metadata.uid} ${metadata.resourceVersion}`;
    })
    .sort();
}

/** Keeps what a listener was told, and fails when a change does not fit on it. */
class Fold {
  readonly shown = new Map<string, string>();
  readonly batches: string[] = [];

  constructor(reader: Pick<StoreReader, "changes">, kind: AnyKind) {
    reader.changes(kind, (batch) => {
      this.batches.push(`${batch.kind} ${batch.size}`);
      for (const { op, old, new: now } of batch) {
        const stateOf = (one: typeof old): string =>
          `${one?.key} ${one?.metadata.uid} ${one?.metadata.resourceVersion}`;
        const key = (now ?? old)?.key ?? "";
        assert.equal(op !== "added", this.shown.has(key), `${op} ${key}`);
        if (op === "updated") {
          assert.notEqual(stateOf(now), this.shown.get(key), "told of what is the same");
        }
        if (op === "deleted") {
          this.shown.delete(key);
        } else {
          this.shown.set(key, stateOf(now));
        }
      }
    });
  }

  get states(): string[] {
    return [...this.shown.values()].sort();
  }
}

async function finish({ store, ingest, errors }: Following): Promise<void> {
  await ingest.stop();
  store.close();
  await until("nothing is open", () => server.requests.open().length === 0);
  assert.deepEqual(errors, []);
  assert.equal(ended, started.length);
}

for (const mode of ["thread", "inline"] as const) {
  describe(`kinds that come and go: ${mode}`, () => {
    test("kinds that stay the same are not asked for again; the others come and go for every reader", async () => {
      put("a");
      putConfig("c", "1");
      const running = await follow([FEW, nodes], { mode });
      const { reader, ingest, store } = running;
      await reader.whenSynced();
      const other = mode === "thread" ? attachReader(store.handle()) : reader;
      const podRequests = server.requests.count({ path: /pods/ });
      const nodeRequests = server.requests.count({ path: /nodes/ });
      await ingest.setPlans(plansOf([configMaps, nodes, FEW]));
      assert.deepEqual([...reader.kinds].sort(), ["configmaps", "nodes", "pods"]);
      const fold = new Fold(other, configMaps);
      await other.whenSynced(["configmaps"]);
      await until("the initial set", () => fold.states.join() === truth("ConfigMap").join());
      assert.deepEqual(seen(other, "configmaps"), truth("ConfigMap"));
      await ingest.setPlans(plansOf([FEW, configMaps]));
      assert.deepEqual([...other.kinds].sort(), ["configmaps", "pods"]);
      assert.deepEqual(seen(reader, "nodes"), [], "empty for a reader that knew the kind");
      assert.equal(reader.status("nodes").phase, 7);
      if (mode === "thread") {
        const late = attachReader(store.handle());
        assert.throws(() => late.status("nodes"), { code: "STORE_UNKNOWN_KIND" });
        late.close();
      }
      await until("no watch of nodes", () => server.requests.open({ path: /nodes/ }).length === 0);
      await ingest.setPlans(plansOf([FEW]));
      await until("told of the end", () => fold.states.length === 0);
      assert.equal(server.requests.count({ path: /pods/ }), podRequests);
      assert.equal(server.requests.count({ path: /nodes/ }), nodeRequests);
      put("b");
      await until("pods are followed", () => seen(reader, "pods").join() === truth("Pod").join());
      if (other !== reader) {
        other.close();
      }
      await finish(running);
    });

    test("a kind with another plan: the old rows stay, and go on, until the new ones are complete", async () => {
      for (let i = 0; i < 20; i++) {
        put(`p-${i}`, i % 2 === 0 ? "cart" : "bank");
      }
      const running = await follow([FEW], { mode });
      const { reader, ingest } = running;
      await reader.whenSynced();
      const all = new Fold(reader, FEW);
      await until("the initial set", () => all.shown.size === 20);
      const wide = narrowReader(reader, [WIDE]);
      const wideFold = new Fold(wide, WIDE);
      const held = server.faults.add({ match: { path: /pods/ }, fault: { kind: "halfOpen" } });
      const requests = server.requests.count({ path: /pods/ });
      await ingest.setPlans(plansOf([WIDE]));
      await until("the new watch", () => server.requests.count({ path: /pods/ }) > requests);
      put("p-20");
      server.objects.delete({ apiVersion: "v1", kind: "Pod", name: "p-0", namespace: "shop" });
      await until("the old watch goes on", () => all.states.join() === truth("Pod").join());
      assert.equal(wide.status("pods").synced, false);
      assert.equal(reader.status("pods").synced, true);
      assert.throws(() => reader.read((view) => view.kind("pods").byLabel("app", "cart")), {
        code: "STORE_INDEX_NOT_DECLARED",
      });
      held.remove();
      // The engine gives the request up after its time; it is sooner told by a plan and back again.
      await ingest.setPlans(plansOf([FEW]));
      await ingest.setPlans(plansOf([WIDE]));
      await wide.whenSynced();
      const told = all.batches.length;
      assert.equal(
        wide.read((view) => view.pods.byLabel("app", "bank").length),
        10,
      );
      assert.equal(
        wide.read((view) => view.pods.get("shop/p-20")?.spec.nodeName),
        "node-1",
      );
      await until("the wide listener", () => wideFold.states.join() === truth("Pod").join());
      assert.equal(all.batches.length, told, "nothing differs");
      await ingest.setPlans(plansOf([CART]));
      const inCart = truth("Pod", ({ app }) => app === "cart");
      await until("the selector", () => all.states.join() === inCart.join());
      assert.deepEqual(all.batches.at(-1), "changes 10");
      assert.deepEqual(seen(reader, "pods"), inCart);
      await until("one watch of pods", () => server.requests.open({ path: /pods/ }).length === 1);
      assert.equal(reader.status("pods").relists, 0);
      await finish(running);
    });

    test("kinds may be loading, failing, forbidden or not served", async () => {
      put("a");
      const failing = server.faults.add({ match: { path: /services/ }, fault: { kind: "status", code: 503 } });
      const forbidden = server.faults.add({ match: { path: /configmaps/ }, fault: { kind: "status", code: 403 } });
      const hung = server.faults.add({ match: { path: /pods/ }, fault: { kind: "halfOpen" } });
      const running = await follow([FEW, services, configMaps, WIDGETS, nodes], { mode });
      const { reader, ingest } = running;
      const phase = (kind: string): number => reader.status(kind).phase;
      await reader.whenSynced(["nodes"]);
      await until("all in trouble", () => phase("configmaps") === 6 && phase("widgets.example.org") === 5);
      await until("services fail", () => reader.status("services").errors > 0);
      const few = [WIDE, services.select("type"), configMaps.select("data"), WIDGETS.select("size").keep("slim")];
      await ingest.setPlans(plansOf([...few, nodes]));
      await until("still in trouble", () => phase("configmaps") === 6 && phase("widgets.example.org") === 5);
      await ingest.setPlans(plansOf([WIDE, nodes]));
      await ingest.setPlans(plansOf([...few, nodes]));
      failing.remove();
      forbidden.remove();
      hung.remove();
      await ingest.setPlans(plansOf([FEW, ...few.slice(1), nodes]));
      await reader.whenSynced(["pods", "services", "configmaps"]);
      assert.deepEqual(seen(reader, "pods"), truth("Pod"));
      // Once complete, a kind that is forbidden keeps what it has, under whatever plan.
      const again = server.faults.add({ match: { path: /pods/ }, fault: { kind: "status", code: 403 } });
      await ingest.setPlans(plansOf([WIDE, nodes]));
      await until("refused", () => again.hits > 0);
      assert.deepEqual(seen(reader, "pods"), truth("Pod"));
      again.remove();
      const wide = narrowReader(reader, [WIDE]);
      await wide.whenSynced();
      assert.deepEqual([...reader.kinds].sort(), ["nodes", "pods"]);
      await finish(running);
    });

    test("calls at once take effect in their order; what cannot be is refused, and changes nothing", async () => {
      put("a");
      const running = await follow([FEW], { mode });
      const { reader, ingest } = running;
      await Promise.all([
        ingest.setPlans(plansOf([services, configMaps])),
        ingest.setPlans([]),
        ingest.setPlans(plansOf([WIDE, nodes])),
      ]);
      assert.deepEqual([...reader.kinds].sort(), ["nodes", "pods"]);
      await reader.whenSynced();
      const twice = ingest.setPlans(plansOf([FEW, WIDE]));
      await assert.rejects(twice, { code: "STORE_KIND_EXISTS", message: /"pods" is named twice/ });
      const many = Array.from({ length: 257 }, (_, i) => ({ ...FEW.plan(), name: `k-${i}` }));
      await assert.rejects(ingest.setPlans(many), { code: "STORE_TOO_MANY_KINDS" });
      const bad = { ...FEW.plan(), indexes: [{ name: "x", on: "cell" as const, field: "nothing" }] };
      await assert.rejects(ingest.setPlans([bad]), { code: "STORE_BAD_PLAN" });
      assert.deepEqual([...reader.kinds].sort(), ["nodes", "pods"]);
      await ingest.stop();
      await assert.rejects(ingest.setPlans([]), { code: "WATCH_STOPPED" });
      await finish(running);
    });

    test("a scope by glob: the namespaces are followed only while there are kinds in them", async () => {
      put("a");
      const running = await follow([nodes], { mode, scope: { allow: ["sh*"] } });
      const { reader, ingest } = running;
      const watching = (): number => server.requests.open({ path: "/api/v1/namespaces" }).length;
      await reader.whenSynced();
      assert.equal(watching(), 0);
      for (const kind of [FEW, WIDE]) {
        await ingest.setPlans(plansOf([nodes, kind]));
        await narrowReader(reader, [kind]).whenSynced();
        assert.deepEqual(seen(reader, "pods"), truth("Pod"));
        assert.equal(watching(), 1);
      }
      await ingest.setPlans(plansOf([nodes]));
      await until("no watch of namespaces", () => watching() === 0);
      await ingest.setPlans(plansOf([nodes, FEW]));
      await reader.whenSynced();
      assert.deepEqual(seen(reader, "pods"), truth("Pod"));
      await finish(running);
    });

    test("stop at any moment leaves nothing", async () => {
      for (let i = 0; i < 50; i++) {
        put(`p-${i}`);
      }
      for (const waitMs of [0, 1, 3, 10, 30]) {
        const running = await follow([FEW, nodes], { mode });
        await running.reader.whenSynced();
        const asked = running.ingest.setPlans(plansOf([WIDE, services])).then(
          () => "done",
          (error: { code?: string }) => error.code,
        );
        if (waitMs > 0) {
          await sleep(waitMs);
        }
        await running.ingest.stop();
        assert.ok(["done", "WATCH_STOPPED"].includes((await asked) ?? ""));
        await finish(running);
      }
    });
  });
}

describe("kinds that come and go: a thread that is ended", () => {
  test("in the middle of it: the next one begins with what was asked for last, and the call is kept", async () => {
    for (let i = 0; i < 50; i++) {
      put(`p-${i}`);
    }
    const running = await follow([FEW, nodes]);
    const { reader, ingest, store } = running;
    await reader.whenSynced();
    const fold = new Fold(reader, FEW);
    const handles: unknown[] = [];
    store.onRenewed((handle) => handles.push(handle));
    const sets = [[WIDE, configMaps], [CART], [FEW, services, nodes], [WIDE, nodes]];
    for (const [round, kinds] of sets.entries()) {
      put(`round-${round}`);
      const asked = ingest.setPlans(plansOf(kinds));
      if (round % 2 === 0) {
        await sleep(round);
      }
      await started[started.length - 1].terminate();
      if (round === 2) {
        // Asked while there is no thread.
        await Promise.all([ingest.setPlans(plansOf([configMaps])), ingest.setPlans(plansOf(kinds))]);
      }
      await asked;
      for (const kind of kinds) {
        assert.ok(reader.kinds.includes(kind.name), `${kind.name} is there`);
      }
      await narrowReader(reader, kinds).whenSynced();
      const names = kinds.map((kind) => kind.name).sort();
      await until(`the kinds of round ${round}`, () => [...reader.kinds].sort().join() === names.join());
      await until(`round ${round}`, () => seen(reader, "pods").join() === truth("Pod").join());
      await until(`the listener in round ${round}`, () => fold.states.join() === truth("Pod").join());
    }
    assert.equal(ingest.restarts, sets.length);
    assert.equal(handles.length, sets.length);
    assert.equal(handles.at(-1), store.handle());
    await finish(running);
  });

  test("and not started again: the call is rejected", async () => {
    const store = createStore({ plans: plansOf([FEW]), maxBytes: 1 << 20 });
    store.writer();
    const crash = Promise.withResolvers<void>();
    const ingest = await startIngest({
      access: await resolveCluster({ kubeconfig: { text: server.kubeconfig() } }),
      store,
      plans: plansOf([FEW]),
      onCrash: () => crash.resolve(),
    });
    const asked = ingest.setPlans([]);
    await assert.rejects(asked, { code: "WATCH_THREAD_CRASHED" });
    await crash.promise;
    await assert.rejects(ingest.setPlans([]), { code: "WATCH_THREAD_CRASHED" });
    await ingest.stop();
  });
});

for (const mode of ["thread", "inline"] as const) {
  test(`200 random sets of kinds under churn, ${mode}: the store and the listeners have what the server has`, async () => {
    const random = seededRandom(7);
    for (let i = 0; i < 100; i++) {
      put(`p-${i}`, random.pick(["cart", "bank"]));
      putConfig(`c-${i}`, "0");
    }
    const choices: readonly (readonly (AnyKind | undefined)[])[] = [
      [undefined, FEW, WIDE, CART, pods.select("phase").keep("slim"), FEW],
      [undefined, configMaps, configMaps.select("data"), configMaps.select("labels")],
      [undefined, nodes, nodes.select("labels")],
      [undefined, services, WIDGETS],
    ];
    const last = [WIDE, configMaps.select("data"), nodes];
    const running = await follow(last, { mode });
    const { reader, ingest, errors } = running;
    await reader.whenSynced();
    const folds = {
      Pod: new Fold(reader, WIDE),
      ConfigMap: new Fold(reader, configMaps),
      Node: new Fold(reader, nodes),
    };
    const change = (): void => {
      const name = `p-${random.below(120)}`;
      if (random.next() < 0.3) {
        server.objects.delete({ apiVersion: "v1", kind: "Pod", name, namespace: "shop" });
      } else {
        put(name, random.pick(["cart", "bank"]), random.pick(["Pending", "Running"]));
      }
      putConfig(`c-${random.below(120)}`, `${random.next()}`);
    };
    let asked: Promise<void> = Promise.resolve();
    for (let i = 0; i < 200; i++) {
      const kinds = choices.flatMap((list) => random.pick(list) ?? []);
      asked = ingest.setPlans(plansOf(kinds));
      for (let n = 0; n < 5; n++) {
        change();
      }
      if (random.next() < 0.7) {
        await asked;
      }
      if (random.next() < 0.3) {
        await sleep(random.next() * 20);
      }
    }
    await ingest.setPlans(plansOf(last));
    await narrowReader(reader, last).whenSynced();
    for (let n = 0; n < 20; n++) {
      change();
    }
    for (const [kind, fold] of Object.entries(folds)) {
      const name = kind === "Pod" ? "pods" : kind === "Node" ? "nodes" : "configmaps";
      await until(`${kind} as on the server`, () => seen(reader, name).join() === truth(kind).join());
      await until(`listener of ${kind}`, () => fold.states.join() === truth(kind).join());
    }
    const wide = narrowReader(reader, last);
    assert.deepEqual(
      wide
        .read((view) =>
          view.pods.all().map((pod) => `${pod.metadata.name} ${pod.metadata.labels.app} ${pod.spec.nodeName}`),
        )
        .sort(),
      server.objects
        .list("v1", "Pod")
        .map(({ metadata }) => `${metadata.name} ${metadata.labels?.app} node-1`)
        .sort(),
    );
    assert.equal(server.requests.open({ verb: "watch" }).length, 3);
    assert.equal(reader.status("pods").drift, 0);
    assert.deepEqual(errors, []);
    await finish(running);
  });
}
