import assert from "node:assert/strict";
import { afterEach, beforeEach, suite, test } from "node:test";
import { configMaps } from "../kinds/index.ts";
import { controller as define } from "../reconcile/builder.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import type { ShardingOptions } from "./controller-shards.ts";
import { type Controller, createController } from "./create-controller.ts";

const FAST = { leaseDurationMs: 2_000, renewDeadlineMs: 1_200, retryPeriodMs: 100 };
const NAMESPACES = Array.from({ length: 30 }, (_, at) => `team-${at}`);
const KEYS = NAMESPACES.flatMap((namespace) => [`${namespace}/a`, `${namespace}/b`]);

let server: ApiServer;
const replicas: Replica[] = [];

beforeEach(async () => {
  server = await createApiServer({});
  for (const name of [...NAMESPACES, "system"]) {
    server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  for (const key of KEYS) {
    const [namespace, name] = key.split("/");
    server.objects.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name } });
  }
});
afterEach(async () => {
  await Promise.all(replicas.splice(0).map(({ controller }) => controller.stop()));
  await server.stop();
});

/** A process of its own, as far as a controller can be one. */
class Replica {
  readonly controller: Controller;
  readonly reconciled = new Set<string>();
  #news = Promise.withResolvers<void>();

  constructor(identity: string, options: ShardingOptions = {}) {
    const counting = define("counting")
      .for(configMaps)
      .reconcile(async (object) => {
        this.reconciled.add(object.key);
        this.#news.resolve();
      });
    this.controller = createController({
      cluster: { kubeconfig: { text: server.kubeconfig() } },
      controllers: [counting],
      shards: { namespace: "system", identity, ...FAST, ...options },
      ingest: "inline",
    }) as Controller;
    replicas.push(this);
  }

  get owned(): string[] {
    return KEYS.filter((key) => this.controller.shards?.owns(key) === true);
  }

  async start(): Promise<void> {
    await this.controller.start();
    this.controller.shards?.changes(() => this.#news.resolve());
  }

  /** Waits until it has such a part, and all of it is reconciled. */
  async until(hasPart: (owned: readonly string[]) => boolean): Promise<void> {
    while (!hasPart(this.owned) || !this.owned.every((key) => this.reconciled.has(key))) {
      await this.#news.promise;
      this.#news = Promise.withResolvers();
    }
  }
}

suite("controllers that share work out", { timeout: 30_000 }, () => {
  test("each object is reconciled where it belongs, and by the one that stays when another one leaves", async () => {
    const first = new Replica("one");
    const second = new Replica("two");
    await Promise.all([first.start(), second.start()]);
    await first.until((owned) => owned.length > 0 && owned.length < KEYS.length);
    await second.until((owned) => owned.length === KEYS.length - first.owned.length);
    for (const namespace of NAMESPACES) {
      const owners = [first, second].filter(({ owned }) => owned.includes(`${namespace}/a`));
      assert.equal(owners.length, 1);
      assert.ok(owners[0].owned.includes(`${namespace}/b`), "what is of one namespace stays together");
    }
    const text = await first.controller.metrics();
    assert.match(text, /^fairlead_shard_members\{group="fairlead"\} 2$/m);
    const check = (await first.controller.health()).checks.find(({ name }) => name === "shards");
    assert.deepEqual(check, { name: "shards", ok: true, live: false, detail: 'one of 2 in "fairlead"' });
    await second.controller.stop();
    assert.deepEqual(second.owned, []);
    await first.until((owned) => owned.length === KEYS.length);
    const other = KEYS.find((key) => !first.owned.includes(key));
    assert.equal(other, undefined);
    first.controller.shards?.check(KEYS[0]);
  });

  test("by object: what is of one namespace may belong to several", async () => {
    const first = new Replica("one", { by: "object" });
    const second = new Replica("two", { by: "object" });
    await Promise.all([first.start(), second.start()]);
    await first.until((owned) => owned.length > 0 && owned.length < KEYS.length);
    await second.until((owned) => owned.length === KEYS.length - first.owned.length);
    const split = NAMESPACES.filter(
      (namespace) => first.owned.includes(`${namespace}/a`) !== first.owned.includes(`${namespace}/b`),
    );
    assert.ok(split.length > 0);
    const foreign = second.owned[0];
    assert.throws(() => first.controller.shards?.check(foreign), { code: "SHARD_NOT_OWNED" });
  });

  for (const [options, wanted] of [
    [{ group: "a".repeat(41) }, /group must be a name of at most 40 letters/],
    [{ by: "uid" }, /by must be "namespace" or "object"/],
    [{ leaseDurationMs: 1_000 }, /shards must be right: leaseDurationMs must be more than renewDeadlineMs/],
  ] as const) {
    test(`refuses ${JSON.stringify(options).slice(0, 30)}`, () => {
      const shards = options as unknown as ShardingOptions;
      assert.throws(() => createController({ plugins: [], shards }), {
        code: "CONTROLLER_BAD_OPTION",
        message: wanted,
      });
    });
  }
});
