import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Controller, createController, FairleadError } from "../../core/index.ts";
import { defineCustomKind } from "../../core/kinds/custom.ts";
import { text } from "../../core/kinds/field.ts";
import { configMaps, pods, services } from "../../core/kinds/index.ts";
import type { AnyKind } from "../../core/kinds/kind.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { createStore } from "../../core/store/create-store.ts";
import { seededRandom } from "../../core/testing/random.ts";
import { startIngest } from "../../core/watch/ingest.ts";
import { type Cluster, startCluster, type TcpProxy, whyNoCluster } from "./cluster.ts";
import { commandLineTests } from "./command-line.ts";
import { essences, makeNamespace, onServer, recordingLog, until, writeAtRandom } from "./following.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);
const options = { skip: missing ?? false };
const MODES = ["thread", "inline"] as const;
const KINDS = [pods, services, configMaps] as const;
const FORBIDDEN = 6;
/** An API server that is asked to end lets go of its watches soon. */
const QUICK_END = { "shutdown-watch-termination-grace-period": "1s" };
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

let cluster: Cluster;

before(async () => {
  if (missing === undefined) {
    cluster = await startCluster({ components: ["etcd", "apiserver"], apiServerFlags: QUICK_END });
  }
});

after(() => cluster?.stop());

const maps = (namespace: string, name = ""): string =>
  `/api/v1/namespaces/${namespace}/configmaps${name === "" ? "" : `/${name}`}`;

const widgetsOf = (group: string) =>
  defineCustomKind({
    apiVersion: `${group}/v1`,
    kind: "Widget",
    plural: "widgets",
    namespaced: true,
    fields: { size: text("spec.size") },
  });

const crdOf = (group: string) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind: "Widget", plural: "widgets" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
});

/** Makes a widget as soon as its kind is served. */
async function makeWidget(group: string, name: string): Promise<void> {
  const widget = { apiVersion: `${group}/v1`, kind: "Widget", metadata: { name }, spec: { size: "large" } };
  const deadline = Date.now() + 15_000;
  while ((await cluster.request("POST", `/apis/${group}/v1/namespaces/default/widgets`, widget)).status !== 201) {
    assert.ok(Date.now() < deadline, `${group} is not served`);
    await delay(20); // The API server begins to serve a new kind when it has heard of it.
  }
}

/** A store and its ingest with limits that createController has no option for. */
async function ingestOf(kubeconfig: string, kinds: readonly AnyKind[], mode: (typeof MODES)[number]) {
  const plans = kinds.map((kind) => kind.plan());
  const store = createStore({ backend: mode === "inline" ? "local" : "shared", plans });
  const log = recordingLog();
  const limits = { forbiddenRetryMs: 300, notServedRetryMs: 300, confirmMs: 200 };
  const ingest = await startIngest({ access: await resolveCluster({ kubeconfig }), store, plans, mode, log, limits });
  return {
    reader: store.reader(),
    log,
    async [Symbol.asyncDispose]() {
      await ingest.stop();
      store.close();
    },
  };
}

describe("a cluster that is well", { ...options, concurrency: true }, () => {
  for (const ingest of MODES) {
    test(`${ingest}: equals the server after random writes, and so does what listeners were told`, async () => {
      const namespace = `random-${ingest}`;
      await makeNamespace(cluster, namespace);
      const random = seededRandom(7);
      await writeAtRandom(cluster, namespace, random, 40);
      const how = { cluster: { kubeconfig: cluster.kubeconfigPath }, kinds: KINDS, ingest };
      await using controller = createController(how);
      const told = new Map<string, string>();
      const firstBatches = new Map<string, string>();
      for (const kind of KINDS) {
        controller.on(kind, (batch) => {
          firstBatches.set(kind.name, firstBatches.get(kind.name) ?? batch.kind);
          for (const { old, new: now } of batch) {
            const key = `${kind.name} ${(now ?? old)?.key}`;
            if (now === undefined) {
              told.delete(key);
            } else {
              told.set(key, now.metadata.resourceVersion);
            }
          }
        });
      }
      await controller.start();
      controller.store.flush();
      assert.deepEqual([...firstBatches.values()], ["synced", "synced", "synced"]);
      await writeAtRandom(cluster, namespace, random, 160);
      for (const { name } of KINDS) {
        const expected = await onServer(cluster, name, namespace);
        const held = () => essences(controller.store.dump(name, { namespace }));
        const same = () => JSON.stringify(held()) === JSON.stringify(expected);
        await until(`${name} are the same`, same, 5_000).catch(() => {});
        assert.deepEqual(held(), expected);
        assert.ok(Object.keys(expected).length > 3);
        controller.store.flush();
        const versions = Object.entries(expected).map(([key, essence]) => [`${name} ${key}`, JSON.parse(essence)[1]]);
        const here = [...told].filter(([key]) => key.startsWith(`${name} ${namespace}/`));
        assert.deepEqual(here.sort(), versions);
        const { relists, errors, drift } = controller.store.status(name);
        assert.deepEqual({ relists, errors, drift }, { relists: 0, errors: 0, drift: 0 });
      }
    });

    test(`${ingest}: a kind that may not be listed is named with the rule; the others work`, async () => {
      const user = `no-maps-${ingest}`;
      const rules = [{ verbs: ["list", "watch", "get"], resources: ["pods", "services"] }];
      const kubeconfig = await cluster.createUser(user, rules);
      const log = recordingLog();
      const how = { cluster: { kubeconfig }, kinds: KINDS, ingest, log };
      await using controller = await createController(how).start();
      const { synced, phase } = controller.store.status(configMaps);
      assert.deepEqual([synced, phase], [false, FORBIDDEN]);
      await until("the rule is logged", () => log.lines.some((line) => line.includes("configmaps")));
      const said = log.lines.filter((line) => line.includes("KUBE_FORBIDDEN")).map((line) => line.replaceAll("\\", ""));
      assert.equal(said.length, 1);
      assert.ok(
        said[0]?.includes(`- {apiGroups: [""], resources: ["configmaps"], verbs: ["list", "watch"]}`),
        said.join(),
      );
      await makeNamespace(cluster, user);
      await writeAtRandom(cluster, user, seededRandom(3), 20);
      const expected = await onServer(cluster, "services", user);
      await until("services are followed", () => {
        const held = essences(controller.store.dump("services", { namespace: user }));
        return JSON.stringify(held) === JSON.stringify(expected);
      });
    });

    test(`${ingest}: a kind that was forbidden recovers by itself once it is granted`, async () => {
      const user = `late-${ingest}`;
      const kubeconfig = await cluster.createUser(user, [{ verbs: ["list", "watch"], resources: ["pods"] }]);
      await using followed = await ingestOf(kubeconfig, [pods, configMaps], ingest);
      await until("forbidden", () => followed.reader.status("configmaps").phase === FORBIDDEN);
      await cluster.createUser(user, [{ verbs: ["list", "watch"], resources: ["pods", "configmaps"] }]);
      await until("complete", () => followed.reader.status("configmaps").synced);
      assert.equal(followed.reader.status("pods").relists, 0);
    });

    test(`${ingest}: a CRD that comes, goes and comes again`, async () => {
      const group = `${ingest}.example.org`;
      const name = `widgets.${group}`;
      const widgets = widgetsOf(group);
      await using followed = await ingestOf(cluster.kubeconfigPath, [pods, widgets], ingest);
      const { reader } = followed;
      const told: string[] = [];
      reader.changes(widgets, (batch) => {
        for (const { op, old, new: now } of batch) {
          told.push(`${op} ${(now ?? old)?.metadata.name}`);
        }
      });
      await until("said to be not served", () =>
        followed.log.lines.some((line) => line.includes("KUBE_KIND_NOT_SERVED")),
      );
      assert.equal(reader.status(name).synced, false);
      await cluster.send("POST", CRDS, crdOf(group));
      await makeWidget(group, "first");
      await until("first", () => told.includes("added first"));
      await cluster.send("DELETE", `${CRDS}/${name}`);
      await until("gone", () => told.includes("deleted first"));
      await until("empty", () => reader.status(name).objects === 0);
      // The definition is gone only when its objects are.
      await until("removed", () => told.length === 2);
      let made = await cluster.request("POST", CRDS, crdOf(group));
      for (; made.status === 409; made = await cluster.request("POST", CRDS, crdOf(group))) {
        await delay(50); // Its finalizer takes a while, and nothing tells when it is through but this.
      }
      await makeWidget(group, "second");
      await until("second", () => told.includes("added second"));
      assert.deepEqual(told, ["added first", "deleted first", "added second"]);
      assert.equal(reader.status("pods").relists, 0);
    });
  }

  commandLineTests(() => cluster);

  test("with its own limits a controller finds a CRD that comes later", async () => {
    const group = "later.example.org";
    const widgets = widgetsOf(group);
    const log = recordingLog();
    const how = { cluster: { kubeconfig: cluster.kubeconfigPath }, kinds: [pods, widgets], log } as const;
    await using controller = await createController(how).start();
    assert.deepEqual([controller.store.status(pods).synced, controller.store.status(widgets).synced], [true, false]);
    await cluster.send("POST", CRDS, crdOf(group));
    await makeWidget(group, "later");
    await until("the widget is there", () => controller.store.status(widgets).objects === 1, 25_000);
    assert.ok(log.lines.some((line) => line.includes("KUBE_KIND_NOT_SERVED")));
  });

  test("two controllers in one process do not know of each other", async () => {
    const how = { cluster: { kubeconfig: cluster.kubeconfigPath }, kinds: [configMaps] } as const;
    const first = await createController(how).start();
    await using second = await createController({ ...how, namespaces: { deny: ["default"] } }).start();
    await cluster.send("POST", maps("default"), { metadata: { name: "for-one" } });
    await until("the first has it", () => first.store.read((view) => view.configmaps.has("default/for-one")));
    await first.stop();
    await makeNamespace(cluster, "both");
    await cluster.send("POST", maps("both"), { metadata: { name: "for-both" } });
    await until("the second goes on", () => second.store.read((view) => view.configmaps.has("both/for-both")));
    assert.equal(
      second.store.read((view) => view.configmaps.has("default/for-one")),
      false,
    );
  });
});

/** Handles that a controller could leave behind. */
function handles(): readonly string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /Timeout|TCP|TLS|Worker|MessagePort|Process|GetAddrInfo/.test(name))
    .sort();
}

/** What is there when the test's own connections are closed. */
async function quietHandles(): Promise<readonly string[]> {
  cluster.client.close();
  await delay(50); // Sockets are gone some turns after they were closed.
  return handles();
}

describe("nothing is left behind", { ...options, concurrency: false }, () => {
  const badYaml = "apiVersion: v1\nclusters: [ {\n";

  /** Ends before a start is known to be hopeless, so that each tells why it was not complete in time. */
  async function refused(source: object, ingest: (typeof MODES)[number]): Promise<FairleadError> {
    const controller = createController({ cluster: source, kinds: KINDS, ingest, startTimeoutMs: 2_500 });
    try {
      await controller.start();
    } catch (error) {
      assert.ok(error instanceof FairleadError);
      return error;
    }
    return assert.fail("it started");
  }

  test("after a start that cannot succeed: each says why", async () => {
    const before = await quietHandles();
    const broken = join(cluster.folder, "broken.yaml");
    await writeFile(broken, badYaml);
    const rules = [{ verbs: ["list", "watch"], resources: ["pods"] }];
    const expired = await cluster.createUser("expired", rules, { notAfter: new Date(Date.now() - 60_000) });
    const stranger = { server: cluster.url, certificate: cluster.admin.certPem, key: cluster.admin.keyPem };
    const cases: readonly (readonly [name: string, source: object, code: string, words: RegExp, problem?: string])[] = [
      ["missing file", { kubeconfig: join(cluster.folder, "nothing") }, "KUBE_BAD_CONFIG", /nothing/],
      ["broken YAML", { kubeconfig: broken }, "KUBE_BAD_CONFIG", /broken\.yaml/],
      ["unknown context", { kubeconfig: cluster.kubeconfigPath, context: "tset" }, "KUBE_BAD_CONFIG", /"tset"/],
      [
        "nobody there",
        { server: "https://127.0.0.1:1" },
        "CONTROLLER_START_TIMEOUT",
        /127\.0\.0\.1:1/,
        "KUBE_UNREACHABLE",
      ],
      [
        "expired certificate",
        { kubeconfig: expired },
        "CONTROLLER_START_TIMEOUT",
        /refuses our credentials/,
        "KUBE_UNAUTHORIZED",
      ],
      ["unknown authority", stranger, "CONTROLLER_START_TIMEOUT", /unknown CA/, "KUBE_TLS"],
    ];
    for (const ingest of MODES) {
      const errors = await Promise.all(cases.map(([, source]) => refused(source, ingest)));
      for (const [i, error] of errors.entries()) {
        const [name, , code, words, problem] = cases[i] ?? assert.fail();
        assert.deepEqual([name, error.code, error.facts.problem], [name, code, problem]);
        assert.match(error.message, words, name);
        assert.doesNotMatch(error.message, /BEGIN|PRIVATE/, name);
      }
    }
    assert.deepEqual(await quietHandles(), before);
  });

  test("after a stop at any moment of the start", async () => {
    const before = await quietHandles();
    const random = seededRandom(11);
    const outcomes = new Set<string>();
    for (let round = 0; round < 16; round++) {
      const ingest = MODES[round % 2];
      const controller = createController({
        cluster: { kubeconfig: cluster.kubeconfigPath },
        kinds: KINDS,
        ingest,
      });
      const started = controller.start().then(
        () => "started",
        (error: FairleadError) => error.code,
      );
      await delay(random.below(round < 12 ? 120 : 5)); // Moments are what this is about.
      await Promise.all([controller.stop(), controller.stop()]);
      outcomes.add(await started);
    }
    assert.deepEqual(
      [...outcomes].filter((outcome) => !/^(started|CONTROLLER_STOPPED)$/.test(outcome)),
      [],
    );
    assert.ok(outcomes.has("CONTROLLER_STOPPED"));
    assert.deepEqual(await quietHandles(), before);
  });

  test("after the block of `await using`, and after a signal", async () => {
    const before = await quietHandles();
    const how = { cluster: { kubeconfig: cluster.kubeconfigPath }, kinds: KINDS } as const;
    {
      await using controller = await createController(how).start();
      assert.ok(controller.store.status(configMaps).synced);
    }
    assert.deepEqual(await quietHandles(), before);
    const abort = new AbortController();
    const controller = createController({ ...how, signal: abort.signal });
    await controller.start();
    abort.abort();
    await controller.stop();
    assert.deepEqual(await quietHandles(), before);
  });
});

interface Follower {
  readonly ingest: string;
  readonly controller: Controller<typeof KINDS>;
  readonly log: ReturnType<typeof recordingLog>;
  /** Changes of config maps in the test's namespace since they were looked at. */
  readonly told: string[];
}

describe("outages", { ...options, concurrency: false }, () => {
  const namespace = "outages";
  const followers: Follower[] = [];
  let proxy: TcpProxy;

  before(async () => {
    await makeNamespace(cluster, namespace);
    proxy = await cluster.proxy();
    const kubeconfig = await cluster.writeKubeconfig("outages", { url: `https://${proxy.host}:${proxy.port}` });
    for (const name of ["old-1", "old-2", "old-3"]) {
      await put(name);
    }
    for (const ingest of MODES) {
      const log = recordingLog();
      const told: string[] = [];
      const controller = createController({ cluster: { kubeconfig }, kinds: KINDS, ingest, log });
      controller.on(configMaps, (batch) => {
        for (const { op, old, new: now } of batch) {
          const { namespace: where, name } = (now ?? old)?.metadata ?? {};
          if (batch.kind !== "synced" && where === namespace) {
            told.push(`${op} ${name}`);
          }
        }
      });
      await controller.start();
      followers.push({ ingest, controller, log, told });
    }
  });

  after(async () => {
    await Promise.all(followers.map(({ controller }) => controller.stop()));
  });

  async function put(name: string): Promise<void> {
    await cluster.send("POST", maps(namespace), { metadata: { name } });
  }

  const relistsOf = ({ controller }: Follower) => KINDS.map(({ name }) => controller.store.status(name).relists);

  /** Whatever happens, both are told of exactly these changes of config maps in the end, and equal the server. */
  async function afterwards(expected: readonly string[], limitMs = 30_000): Promise<void> {
    const onServerNow = await onServer(cluster, "configmaps", namespace);
    for (const { ingest, controller, told, log } of followers) {
      const same = () => {
        controller.store.flush();
        const held = essences(controller.store.dump("configmaps", { namespace }));
        return told.length >= expected.length && JSON.stringify(held) === JSON.stringify(onServerNow);
      };
      await until(`${ingest} equals the server`, same, limitMs).catch((error: Error) => {
        error.message += `\n${told.join("\n")}\n${log.lines.slice(-20).join("\n")}`;
        throw error;
      });
      assert.deepEqual(told.splice(0).sort(), [...expected].sort(), ingest);
    }
  }

  test("a connection that is cut is made again and nothing is listed again", async () => {
    const reconnects = followers.map(({ controller }) => controller.store.status(configMaps).reconnects);
    proxy.cut();
    await put("after-cut");
    await afterwards(["added after-cut"]);
    for (const [i, follower] of followers.entries()) {
      assert.ok(follower.controller.store.status(configMaps).reconnects > (reconnects[i] ?? 0));
      assert.deepEqual(relistsOf(follower), [0, 0, 0]);
    }
  });

  test("an API server that is killed is waited for; listed again is only what it has forgotten", async () => {
    await cluster.restart("apiserver", "SIGKILL");
    await put("after-kill");
    await afterwards(["added after-kill"]);
    for (const { controller, log } of followers) {
      for (const { name } of KINDS) {
        const { relists } = controller.store.status(name);
        const expired = log.lines.filter((line) => line.includes("WATCH_EXPIRED") && line.includes(`"${name}"`));
        assert.ok(relists <= expired.length, `${name}: ${relists} relists, ${expired.length} times expired`);
      }
    }
  });

  test("versions that expired while it was cut off: one list, with the deletions that were missed", async () => {
    const before = followers.map(relistsOf);
    proxy.refuse();
    proxy.cut();
    await cluster.send("DELETE", maps(namespace, "old-1"));
    await put("while-away");
    await cluster.compactEtcd();
    await cluster.restart("apiserver", "SIGKILL");
    proxy.heal();
    await afterwards(["deleted old-1", "added while-away"]);
    for (const [i, follower] of followers.entries()) {
      assert.equal((relistsOf(follower)[2] ?? 0) - (before[i]?.[2] ?? 0), 1, follower.ingest);
      const gone = follower.controller.store.read((view) => view.configmaps.deleted.get(namespace, "old-1")?.key);
      assert.equal(gone, `${namespace}/old-1`);
    }
  });

  test("an etcd that is set back: what was made since is removed", async () => {
    const snapshot = await cluster.snapshotEtcd();
    // More than the API server writes itself when it starts: by then its version must still be before ours.
    const ghosts = Array.from({ length: 60 }, (_, i) => `ghost-${i}`);
    await Promise.all(ghosts.map(put));
    await afterwards(ghosts.map((name) => `added ${name}`));
    await cluster.restoreEtcd(snapshot);
    await afterwards(
      ghosts.map((name) => `deleted ${name}`),
      60_000,
    );
    for (const { log } of followers) {
      assert.match(log.lines.join("\n"), /WATCH_TIME_TRAVEL/);
    }
    await put("after-restore");
    await afterwards(["added after-restore"]);
  });
});
