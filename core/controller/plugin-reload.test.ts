import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf } from "../errors.ts";
import { nodes } from "../kinds/index.ts";
import { createApiServer } from "../testing/api-server.ts";
import { seededRandom } from "../testing/random.ts";
import { createController } from "./create-controller.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import { recordingLog } from "./recording-log.test-support.ts";

const ROUNDS = 60;

for (const [seed, ingest] of [
  [1, "inline"],
  [2, "inline"],
  [3, "thread"],
] as const) {
  test(`reloads at random, many at once, some of them failing, leave exactly the last good set (${ingest}, ${seed})`, async (t) => {
    const random = seededRandom(seed);
    const server = await createApiServer({});
    server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    const alive = new Map<string, number>();
    const move = (name: string, by: number): void => void alive.set(name, (alive.get(name) ?? 0) + by);
    let mostAlive = 0;
    const plugin = (name: string, more: Partial<AnyPlugin>): AnyPlugin => ({
      name,
      apiVersion: "fairlead/v1",
      ...more,
      setup({ hooks, services, timers, signal }) {
        move(name, 1);
        mostAlive = Math.max(mostAlive, alive.get(name) ?? 0);
        signal.addEventListener("abort", () => move(name, -1));
        for (const service of more.provides ?? []) {
          services.provide(service, { name: () => name });
        }
        for (const kind of Object.keys(more.needs ?? {})) {
          hooks.changes(kind).tap(() => {});
        }
        timers.every("1ms", () => {});
        hooks.health("well", () => true);
      },
    });
    const good = [
      plugin("a", { needs: { pods: ["phase"] }, provides: ["sa"] }),
      plugin("b", { needs: { pods: ["labels"], services: true }, after: ["sa"] }),
      plugin("c", { needs: { configmaps: true }, after: ["b"] }),
      plugin("d", { needs: { services: ["clusterIP"] } }),
      plugin("e", {}),
    ];
    const broken: readonly AnyPlugin[] = [
      { ...plugin("broken", { needs: { secrets: true } }), setup: () => Promise.reject(new Error("no luck")) },
      plugin("loop", { after: ["loop"] }),
    ];
    const log = recordingLog();
    const cluster = { kubeconfig: { text: server.kubeconfig() } };
    const controller = createController({ cluster, kinds: [nodes], plugins: [], ingest, log });
    t.after(async () => {
      await controller.stop();
      await server.stop();
    });
    await controller.start();
    let last: readonly string[] = [];
    const waiting: Promise<void>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const entries: PluginEntry[] = good
        .filter(() => random.next() < 0.6)
        .map((use) => ({ use, stopTimeoutMs: 1000 + random.below(3) }));
      const names = entries.map(({ use }) => (use as AnyPlugin).name);
      const isBad = random.next() < 0.3;
      if (isBad) {
        entries.push({ use: random.pick(broken) });
      }
      waiting.push(
        controller.reload(entries).then(
          () => {
            assert.equal(isBad, false);
            last = names;
          },
          (error: unknown) => {
            assert.equal(isBad, true, codeOf(error));
          },
        ),
      );
      if (random.next() < 0.5) {
        await Promise.all(waiting.splice(0));
      }
    }
    await Promise.all(waiting);
    const running = controller.plugins().filter(({ state }) => state === "running");
    assert.deepEqual(running.map(({ name }) => name).sort(), [...last].sort());
    assert.equal(running.length, controller.plugins().length);
    assert.equal(mostAlive, 1);
    for (const { name } of good) {
      assert.equal(alive.get(name) ?? 0, last.includes(name) ? 1 : 0, name);
    }
    const wanted = new Set(["nodes", ...running.flatMap(({ needs }) => Object.keys(needs))]);
    assert.deepEqual([...controller.store.kinds].sort(), [...wanted].sort());
    assert.equal((await controller.health()).checks.filter(({ name }) => name.startsWith("vote/")).length, last.length);
    await controller.stop();
    assert.deepEqual(
      [...alive.values()].filter((count) => count !== 0),
      [],
    );
  });
}

/** A plugin that writes down its lives and the options that it is given. */
function taking(name: string, told: string[], answer: (options: unknown) => boolean | Promise<boolean>): AnyPlugin {
  return {
    name,
    apiVersion: "fairlead/v1",
    options: {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          JSON.stringify(value).includes("bad") ? { issues: [{ message: "it is bad" }] } : { value },
      },
    },
    setup({ hooks, options, signal }) {
      told.push(`${name} begins with ${JSON.stringify(options)}`);
      signal.addEventListener("abort", () => told.push(`${name} ends`));
      hooks.options.tap((next) => {
        told.push(`${name} is given ${JSON.stringify(next)}`);
        return answer(next);
      });
    },
  };
}

test("a plugin that takes other options over goes on; one that does not, or cannot, is started anew", async (t) => {
  const server = await createApiServer({});
  const told: string[] = [];
  const willing = taking("willing", told, async () => true);
  const choosy = taking("choosy", told, (next) => JSON.stringify(next).includes("warm"));
  const throwing = taking("throwing", told, () => {
    throw new Error("not now");
  });
  const entries = (options: unknown, more: readonly PluginEntry[] = []): PluginEntry[] => [
    ...[willing, choosy, throwing].map((use) => ({ use, options })),
    ...more,
  ];
  const controller = createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    plugins: entries({ set: 1 }),
    log: recordingLog(),
  });
  t.after(async () => {
    await controller.stop();
    await server.stop();
  });
  await controller.start();
  told.splice(0);
  await controller.reload(entries({ set: "warm" }));
  assert.deepEqual(told.splice(0).sort(), [
    'choosy is given {"set":"warm"}',
    'throwing begins with {"set":"warm"}',
    "throwing ends",
    'throwing is given {"set":"warm"}',
    'willing is given {"set":"warm"}',
  ]);
  await controller.reload(entries({ set: "warm" }));
  assert.equal(told.length, 0);
  await controller.reload(entries({ set: "cold" }));
  assert.ok(told.includes('choosy begins with {"set":"cold"}') && !told.includes("willing ends"));
  told.splice(0);
  await assert.rejects(controller.reload(entries({ set: "bad" })), { code: "PLUGIN_OPTIONS" });
  assert.equal(told.length, 0);
  const failing: AnyPlugin = {
    name: "failing",
    apiVersion: "fairlead/v1",
    setup() {
      throw new Error("it never starts");
    },
  };
  await assert.rejects(controller.reload(entries({ set: "warm" }, [{ use: failing }])), {
    code: "PLUGIN_SETUP_FAILED",
  });
  assert.deepEqual(
    told.filter((line) => line.startsWith("willing")),
    ['willing is given {"set":"warm"}', 'willing is given {"set":"cold"}'],
  );
  told.splice(0);
  // The choosy one did not take the options of before: it is the one that is started anew.
  await controller.reload(entries({ set: "cold" }));
  assert.deepEqual(
    told.filter((line) => !line.startsWith("choosy")),
    [],
  );
});
