import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ClusterAccess } from "../../core/kube/access.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { WatchMemory } from "../../core/watch/watch-memory.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { FaultWorld, identityPlan, isSame, type Protocol, until, type WorldOptions } from "./fault-world.ts";

const CONFIG_MAPS = identityPlan("ConfigMap", "configmaps");
const WIDGETS = identityPlan("Widget", "widgets", { apiVersion: "example.org/v1", builtIn: false });
/** Fast enough for a test, slow enough for a busy machine and bookmarks that come once a minute. */
const LIMITS = { headMs: 5_000, watchIdleMs: 20_000, backoffMinMs: 100, backoffMaxMs: 2_000, confirmMs: 300 } as const;

const path = (namespace: string, name = ""): string =>
  `/api/v1/namespaces/${namespace}/configmaps${name && `/${name}`}`;
const configMap = (name: string): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data: { name },
});

describe("faults on the real control plane", { concurrency: false }, () => {
  let cluster: Cluster;
  const worlds: FaultWorld[] = [];
  let changes = 0;

  before(async () => {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
    for (let i = 0; i < 30; i++) {
      await cluster.send("POST", path("default"), configMap(`seed-${i}`));
    }
  });

  after(async () => {
    await cluster?.stop();
  });

  const access = (url = cluster.url): ClusterAccess => ({
    server: url,
    ca: cluster.caPem,
    tlsServerName: "127.0.0.1",
    insecureSkipTlsVerify: false,
    credentials: { certificate: cluster.admin.certPem, key: cluster.admin.keyPem },
    origin: "test",
  });

  async function onServer(apiPath = "/api/v1/configmaps"): Promise<Map<string, string>> {
    const { body } = await cluster.send("GET", apiPath);
    const items: { metadata: { namespace?: string; name: string; resourceVersion: string } }[] = body.items;
    return new Map(
      items.map(({ metadata }) => [`${metadata.namespace ?? ""}/${metadata.name}`, metadata.resourceVersion]),
    );
  }

  function world(options: Partial<WorldOptions> = {}): FaultWorld {
    const made = new FaultWorld({
      protocol: "h2",
      access: access(),
      plans: [CONFIG_MAPS],
      ...options,
      limits: { ...LIMITS, ...options.limits },
    });
    worlds.push(made);
    return made;
  }

  async function synced(options: Partial<WorldOptions> = {}): Promise<FaultWorld> {
    const made = world(options);
    made.engine.start();
    await until("synced", () => made.store.kind("configmaps").synced, 20_000);
    made.mark();
    return made;
  }

  /** One more change must come through, and then both must be equal. */
  async function recovered(made: FaultWorld, limitMs = 60_000): Promise<void> {
    await cluster.send("POST", path("default"), configMap(`change-${++changes}`));
    await until(`change ${changes}`, () => made.objects("configmaps").has(`default/change-${changes}`), limitMs);
    const expected = await onServer();
    await until("equal", () => isSame(made.objects("configmaps"), expected), 10_000);
  }

  async function run(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } finally {
      for (const made of worlds.splice(0)) {
        await made.stop();
      }
    }
  }

  for (const protocol of ["h2", "http/1.1"] as const satisfies readonly Protocol[]) {
    test(`one streamed list and a watch over ${protocol}, protobuf`, () =>
      run(async () => {
        const made = await synced({ protocol });
        await recovered(made);
        assert.deepEqual(made.requests(), []);
      }));
  }

  test("pages where streaming is off, as JSON too", () =>
    run(async () => {
      const plans = [{ ...CONFIG_MAPS, builtIn: false }];
      const memory = new WatchMemory();
      memory.rememberListOnly(CONFIG_MAPS);
      const made = await synced({ plans, memory, limits: { pageSize: 7 } });
      await recovered(made);
      made.engine.relist("configmaps", "test");
      await recovered(made);
      assert.deepEqual(made.requests("stream"), []);
      assert.equal(made.count("relists", "configmaps"), 1);
    }));

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`the API server restarts by ${signal}: resumed, loaded anew only if it forgot our version`, () =>
      run(async () => {
        const made = await synced();
        await cluster.restart("apiserver", signal);
        await recovered(made);
        // A server that has just started knows no history: it may say so, and only then everything is loaded anew.
        const expired = made.reports.filter((report) => report.includes("WATCH_EXPIRED")).length;
        assert.equal(made.requests("list", "stream").length, expired, made.reports.join("\n"));
      }));
  }

  test("an API server that freezes is waited for", () =>
    run(async () => {
      const made = await synced();
      cluster.freeze("apiserver");
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      cluster.thaw("apiserver");
      await recovered(made);
      assert.equal(made.count("relists", "configmaps"), 0);
    }));

  test("an expired version costs one load", () =>
    run(async () => {
      const made = await synced();
      await cluster.send("DELETE", path("default", "seed-0"));
      await cluster.expireVersions();
      await recovered(made);
      assert.ok(made.requests("list", "stream").length <= 2, JSON.stringify(made.requests()));
    }));

  test("a connection that is cut, half-open or swallowed is replaced", () =>
    run(async () => {
      const proxy = await cluster.proxy();
      const made = await synced({ access: access(`https://${proxy.host}:${proxy.port}`) });
      proxy.cut();
      await recovered(made);
      proxy.halfOpen();
      await recovered(made);
      proxy.blackHole();
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      proxy.cut();
      proxy.heal();
      await recovered(made);
      assert.equal(made.count("relists", "configmaps"), 0);
    }));

  test("a CRD deleted while watched empties its kind, and made again it is followed again", () =>
    run(async () => {
      const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
      const widgets = "/apis/example.org/v1/namespaces/default/widgets";
      const crd = {
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
      const create = async (name: string): Promise<void> => {
        const object = { apiVersion: "example.org/v1", kind: "Widget", metadata: { name } };
        for (;;) {
          const { status } = await cluster.request("POST", widgets, object);
          if (status < 400) {
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      const made = await synced({ plans: [CONFIG_MAPS, WIDGETS], limits: { notServedRetryMs: 500 } });
      assert.equal(made.store.kind("widgets").phase, 5);
      await cluster.send("POST", crds, crd);
      await create("one");
      await until("followed", () => made.objects("widgets").has("default/one"), 30_000);
      await cluster.send("DELETE", `${crds}/widgets.example.org`);
      const kind = made.store.kind("widgets");
      await until("empty", () => kind.size === 0 && kind.phase === 5, 30_000);
      await cluster.send("POST", crds, crd);
      await create("two");
      await until("followed again", () => made.objects("widgets").has("default/two"), 30_000);
      await recovered(made);
    }));

  test("a user without the right is told which one, keeps the rest going, and follows as soon as it is given", () =>
    run(async () => {
      const right = { resources: ["configmaps"], verbs: ["list", "watch"] };
      const kubeconfig = await cluster.createUser("limited", [{ ...right, resources: ["services"] }]);
      const services = identityPlan("Service", "services");
      const made = world({
        access: await resolveCluster({ kubeconfig }),
        plans: [CONFIG_MAPS, services],
        limits: { forbiddenRetryMs: 500 },
      });
      made.engine.start();
      await until("services", () => made.store.kind("services").synced, 10_000);
      await until("forbidden", () => made.store.kind("configmaps").phase === 6, 10_000);
      assert.match(made.reports.join(), /cannot (list|watch) resource .*configmaps/);
      await cluster.createUser("limited", [right]);
      await recovered(made);
    }));

  test("an API server behind another that is frozen for a while catches up by itself", () =>
    run(async () => {
      const second = await cluster.secondApiServer();
      const made = await synced({ access: access(second.url) });
      cluster.freeze(second.name);
      for (let i = 0; i < 20; i++) {
        await cluster.send("POST", path("default"), configMap(`behind-${i}`));
      }
      made.transport.reset("test");
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      cluster.thaw(second.name);
      await recovered(made);
      assert.equal(made.count("relists", "configmaps"), 0);
      await cluster.stopComponent(second.name);
    }));

  test("etcd restored from a snapshot: the ghosts are removed", () =>
    run(async () => {
      const made = await synced();
      const snapshot = await cluster.snapshotEtcd();
      for (let i = 0; i < 20; i++) {
        await cluster.send("POST", path("default"), configMap(`ghost-${i}`));
      }
      await until("ghosts", () => made.objects("configmaps").has("default/ghost-19"), 10_000);
      await cluster.restoreEtcd(snapshot);
      await until(
        "no ghosts",
        () => ![...made.objects("configmaps").keys()].some((key) => key.includes("ghost")),
        60_000,
      );
      await recovered(made);
      assert.match(made.reports.join(), /WATCH_TIME_TRAVEL/);
    }));
});
