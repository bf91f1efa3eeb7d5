import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { nodes, pods } from "../kinds/index.ts";
import { resolveCluster } from "../kube/cluster-config.ts";
import { createStore, type Store } from "../store/create-store.ts";
import type { StoreReader } from "../store/reader.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Ingest, type IngestOptions, startIngest } from "./ingest.ts";
import { untilWithin } from "./until.test-support.ts";

const FEW = pods.select("phase", "labels");
type Kinds = readonly [typeof FEW, typeof nodes];
const STABLE = 300;

let server: ApiServer;
/** Threads that were started since the test began, and those that ended. */
let started: Worker[] = [];
let ended = 0;
let onEnd = (): void => {};
let following: Following | undefined;

const onWorker = (worker: Worker): void => {
  started.push(worker);
  worker.once("exit", () => {
    ended++;
    onEnd();
  });
};

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "node-1" } });
  started = [];
  ended = 0;
  onEnd = () => {};
  process.on("worker", onWorker);
});

afterEach(async () => {
  process.off("worker", onWorker);
  await following?.ingest.stop();
  following?.store.close();
  await server.stop();
});

function put(name: string, labels: Record<string, string>, phase = "Running"): void {
  server.objects.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels },
    spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
    status: { phase },
  });
}

const remove = (name: string) => server.objects.delete({ apiVersion: "v1", kind: "Pod", name, namespace: "shop" });

/** What the server has, as `key uid version`. */
function truth(): string[] {
  return server.objects
    .list("v1", "Pod")
    .map(({ metadata }) => `shop/${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
    .sort();
}

/** Keeps what a listener was told, and fails for what it was told twice. */
class Fold {
  readonly shown = new Map<string, string>();
  readonly #told = new Set<string>();

  constructor(reader: StoreReader<Kinds>) {
    reader.changes(FEW, (batch) => {
      for (const { op, old, new: now } of batch) {
        const key = (now ?? old)?.key ?? "";
        const state = `${key} ${(now ?? old)?.metadata.uid} ${(now ?? old)?.metadata.resourceVersion}`;
        assert.equal(op !== "added", this.shown.has(key), `${op} ${key}`);
        assert.equal(this.#told.has(`${op === "deleted"} ${state}`), false, `${op} ${state} came twice`);
        this.#told.add(`${op === "deleted"} ${state}`);
        if (old !== undefined) {
          assert.equal(`${key} ${old.metadata.uid} ${old.metadata.resourceVersion}`, this.shown.get(key));
        }
        if (op === "deleted") {
          this.shown.delete(key);
        } else {
          this.shown.set(key, state);
        }
      }
    });
  }

  get states(): string[] {
    return [...this.shown.values()].sort();
  }
}

const until = untilWithin(20_000);

interface Following {
  readonly store: Store<Kinds>;
  readonly reader: StoreReader<Kinds>;
  readonly ingest: Ingest;
  readonly fold: Fold;
  readonly errors: unknown[];
  readonly lines: string[];
}

async function follow(options: Partial<IngestOptions> = {}): Promise<Following> {
  const errors: unknown[] = [];
  const lines: string[] = [];
  const plans = [FEW.plan(), nodes.plan()];
  const store = createStore<Kinds>({ plans, maxBytes: 1 << 24, onError: (error) => errors.push(error) });
  const log = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const ingest = await startIngest({
    access: await resolveCluster({ kubeconfig: { text: server.kubeconfig() } }),
    store,
    plans,
    log: { debug: log, info: log, warn: log, error: log },
    ...options,
  });
  const reader = store.reader();
  const fold = new Fold(reader);
  following = { store, reader, ingest, fold, errors, lines };
  await reader.whenSynced();
  return following;
}

/** Everything ended, and the reader keeps one memory, alone. */
async function finish({ store, reader, ingest, errors }: Following): Promise<void> {
  await ingest.stop();
  const { memories, readers } = reader.stats();
  assert.deepEqual({ memories, readers }, { memories: 1, readers: 1 });
  store.close();
  assert.equal(reader.stats().readers, 0);
  assert.deepEqual(errors, []);
  assert.equal(ended, started.length);
}

test("a crashed ingest thread: reads go on from the old memory, then listeners are told what differs, once", async () => {
  for (let i = 0; i < STABLE; i++) {
    put(`stable-${i}`, { app: "stable" });
  }
  put("goes", { app: "cart" });
  put("changes", { app: "cart" });
  put("comes-again", { app: "cart" });
  const running = await follow({ limits: { backoffMinMs: 20 } });
  const { reader, ingest, fold, lines } = running;
  await until("the initial set", () => fold.shown.size === STABLE + 3);
  const before = reader.status("pods");
  let reads = 0;
  const looking = setInterval(() => {
    reads++;
    assert.equal(
      reader.read((view) => view.pods.byLabel("app", "stable").length),
      STABLE,
    );
    assert.equal(reader.status("pods").synced, true);
    assert.equal(reader.status("nodes").synced, true);
  }, 1);
  for (let round = 1; round <= 3; round++) {
    const down = Promise.withResolvers<void>();
    onEnd = down.resolve;
    await started[started.length - 1].terminate();
    await down.promise;
    await assert.rejects(ingest.figures(), { code: "WATCH_THREAD_CRASHED" });
    remove(round === 1 ? "goes" : `new-${round - 1}`);
    put("changes", { app: "cart", round: `${round}` });
    remove("comes-again");
    put("comes-again", { app: "cart" });
    put(`new-${round}`, { app: "cart" });
    const asked = server.requests.count({ path: /pods/ });
    await until("another thread", () => started.length === round + 1);
    if (round === 1) {
      // The next one ends while it loads.
      await until("the list", () => server.requests.count({ path: /pods/ }) > asked);
    } else {
      await until(`round ${round}`, () => fold.states.join() === truth().join());
    }
  }
  clearInterval(looking);
  assert.ok(reads > 10, `${reads} reads`);
  assert.deepEqual(reader.read((view) => view.pods.all().map((pod) => pod.key)).length, truth().length);
  const after = reader.status("pods");
  assert.ok(after.events >= 2 * before.events && after.watches > before.watches, "counters go on");
  assert.equal(ingest.restarts, 3);
  assert.equal(lines.filter((line) => line.startsWith("store renewed")).length, 3);
  put("late", { app: "cart" });
  await until("a change after all that", () => fold.states.join() === truth().join());
  await finish(running);
});

test("unique label values do not fill the dictionary: the store is renewed, and questions are answered all the time", async () => {
  for (let i = 0; i < 20; i++) {
    put(`stable-${i}`, { app: "stable" });
  }
  const rule = { checkEveryMs: 10, minStrings: 500, growth: 2, minGarbageBytes: 1, minAgeMs: 0 };
  const running = await follow({ renewal: rule });
  const { reader, ingest, fold, lines } = running;
  const renewals = (): number => lines.filter((line) => line.startsWith("store renewed")).length;
  let most = 0;
  let written = 0;
  await until("three renewals", () => {
    for (let i = 0; i < 5; i++) {
      put("churn", { app: "cart", build: `b-${written++}` });
    }
    most = Math.max(most, reader.stats().dictionary.strings);
    return renewals() >= 3 && reader.stats().memories === 1;
  });
  const activity = ingest.activity();
  assert.ok(written > 1500, `${written} values`);
  assert.ok(most < written, `${most} of ${written} strings`);
  assert.match(lines.find((line) => line.startsWith("store renewed")) ?? "", /strings for 22 objects are unused/);
  assert.deepEqual(Object.keys(await activity), ["pods", "nodes"]);
  await until("the last state", () => fold.states.join() === truth().join());
  assert.equal(ingest.restarts, 0);
  await finish(running);
});

test("stop during a renewal leaves nothing", async () => {
  const running = await follow();
  onEnd = () => void running.ingest.stop();
  await started[0].terminate();
  await running.ingest.stop();
  assert.equal(started.length, 1);
  await finish(running);
});
