import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { createKubeClient, type KubeClient, type KubeObject, type WatchEvent } from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { createDiscovery } from "../../core/kube/discovery.ts";
import { connect } from "../../core/kube/http-transport.ts";
import { type Cluster, startCluster, whyNoCluster } from "./cluster.ts";
import { makeNamespace } from "./following.ts";
import { allOf, at, configMap, namesOf, openConnection, PROTOCOLS, refusal, untilOver } from "./kube-connection.ts";
import { outageTests } from "./kube-outages.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);
const options = { skip: missing ?? false };
const LOOK_MS = 50;
const DEADLINE_MS = 15_000;

let cluster: Cluster;

before(async () => {
  if (missing === undefined) {
    cluster = await startCluster({
      components: ["etcd", "apiserver"],
      // One answer in fifty ends its HTTP/2 connection in good order, in all tests; a polite end waits for watches.
      apiServerFlags: { "goaway-chance": "0.02", "shutdown-watch-termination-grace-period": "1s" },
    });
  }
});

after(() => cluster?.stop());

const container = { name: "web", image: "example.org/web:1" };

const deployment = (name: string): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
  },
});

for (const protocol of PROTOCOLS) {
  describe(`verbs over ${protocol}`, { ...options, concurrency: false }, () => {
    const namespace = `verbs-${protocol === "h2" ? 2 : 1}`;
    const maps = { apiVersion: "v1", plural: "configmaps", namespace };
    const map = (name: string) => ({ ...maps, name });
    const deployments = { apiVersion: "apps/v1", plural: "deployments", namespace };
    const pods = { apiVersion: "v1", plural: "pods", namespace };
    let connection: Awaited<ReturnType<typeof openConnection>>;
    let client: KubeClient;

    before(async () => {
      await makeNamespace(cluster, namespace);
      connection = await openConnection(cluster.kubeconfigPath, { protocols: [protocol], gzip: true });
      client = connection.client;
    });

    after(() => connection?.[Symbol.asyncDispose]());

    test("create, get and the ways in which they are refused", async () => {
      const made = await client.create(maps, configMap("one", { color: "red" }));
      assert.equal(connection.transport.stats().protocol, protocol);
      assert.deepEqual(await client.get(map("one")), { ...made, apiVersion: "v1", kind: "ConfigMap" });
      const fields = at(made, "metadata.managedFields.0.manager");
      assert.equal(fields, "fairlead");
      const codes = [
        (await refusal(client.create(maps, configMap("one")))).code,
        (await refusal(client.get(map("nobody")))).code,
        (await refusal(client.get({ ...map("one"), subresource: "status" }))).code,
        (await refusal(client.create({ ...maps, namespace: "no-such-namespace" }, configMap("one")))).code,
        (await refusal(client.json({ method: "PUT", path: `/api/v1/namespaces/${namespace}/configmaps` }))).code,
      ];
      assert.deepEqual(codes, [
        "KUBE_ALREADY_EXISTS",
        "KUBE_NOT_FOUND",
        "KUBE_NOT_FOUND",
        "KUBE_NOT_FOUND",
        "KUBE_METHOD_NOT_ALLOWED",
      ]);
      const invalid = await refusal(client.create(deployments, { ...deployment("wrong"), spec: { replicas: -1 } }));
      assert.equal(invalid.code, "KUBE_INVALID");
      assert.match(String(invalid.facts.causes), /spec\.replicas: Invalid value: -1/);
    });

    test("update with an old version is a conflict that says what to do", async () => {
      const old = await client.create(maps, configMap("updated", { turn: "0" }));
      const newer = await client.update(map("updated"), { ...old, data: { turn: "1" } });
      const error = await refusal(client.update(map("updated"), { ...old, data: { turn: "2" } }));
      assert.equal(error.code, "KUBE_CONFLICT");
      assert.match(error.message, /read the object again/);
      assert.deepEqual((await client.get(map("updated"))).metadata?.resourceVersion, newer.metadata?.resourceVersion);
    });

    test("patches: json, merge, strategic", async () => {
      await client.create(deployments, deployment("patched"));
      const name = { ...deployments, name: "patched" };
      await client.patch(name, "json", [{ op: "replace", path: "/spec/replicas", value: 2 }]);
      await client.patch(name, "merge", { metadata: { labels: { team: "blue" } } });
      const sidecar = { name: "sidecar", image: "example.org/sidecar:1" };
      // A merge patch would replace the list; a strategic one merges it by name.
      await client.patch(name, "strategic", { spec: { template: { spec: { containers: [sidecar] } } } });
      const found = await client.get(name);
      assert.deepEqual(
        [
          at(found, "spec.replicas"),
          at(found, "metadata.labels.team"),
          [0, 1].map((i) => at(found, `spec.template.spec.containers.${i}.name`)).sort(),
        ],
        [2, "blue", ["sidecar", "web"]],
      );
      const failed = await refusal(client.patch(name, "json", [{ op: "test", path: "/spec/replicas", value: 9 }]));
      assert.equal(failed.code, "KUBE_INVALID");
    });

    test("apply: a field of another manager is a conflict, unless it is forced", async () => {
      const name = map("applied");
      await client.apply(name, configMap("applied", { color: "red" }), { fieldManager: "first" });
      const blue = configMap("applied", { color: "blue" });
      const error = await refusal(client.apply(name, blue, { fieldManager: "second" }));
      assert.equal(error.code, "KUBE_CONFLICT");
      assert.match(String(error.facts.causes), /\.data\.color: conflict with "first"/);
      assert.equal(at(await client.get(name), "data.color"), "red");
      await client.apply(name, blue, { fieldManager: "second", force: true });
      assert.equal(at(await client.get(name), "data.color"), "blue");
    });

    test("a dry run of each write answers, and stores nothing", async () => {
      const dryRun = true;
      const kept = await client.create(maps, configMap("dry", { turn: "0" }));
      const dry = map("dry");
      const answers = [
        await client.create(maps, configMap("dry-created"), { dryRun }),
        await client.update(dry, { ...kept, data: { turn: "1" } }, { dryRun }),
        await client.patch(dry, "merge", { data: { turn: "2" } }, { dryRun }),
        await client.apply(dry, configMap("dry", { more: "3" }), { dryRun, fieldManager: "dry" }),
      ];
      await client.delete(dry, { dryRun });
      await client.deleteCollection(maps, { dryRun });
      assert.deepEqual(
        answers.map((answer) => at(answer, "data")),
        [undefined, { turn: "1" }, { turn: "2" }, { turn: "0", more: "3" }],
      );
      assert.deepEqual(await client.get(dry), { ...kept, apiVersion: "v1", kind: "ConfigMap" });
      assert.equal((await refusal(client.get(map("dry-created")))).code, "KUBE_NOT_FOUND");
    });

    test("delete: preconditions, propagation, and what is gone", async () => {
      const made = await client.create(maps, configMap("deleted"));
      const other = "00000000-0000-4000-8000-000000000000";
      assert.equal((await refusal(client.delete(map("deleted"), { uid: other }))).code, "KUBE_CONFLICT");
      assert.equal((await refusal(client.delete(map("deleted"), { resourceVersion: "1" }))).code, "KUBE_CONFLICT");
      await client.delete(map("deleted"), { uid: String(made.metadata?.uid) });
      assert.equal((await refusal(client.delete(map("deleted")))).code, "KUBE_NOT_FOUND");
      const name = { ...deployments, name: "held" };
      await client.create(deployments, deployment("held"));
      await client.delete(name, { propagation: "Foreground" });
      assert.deepEqual(at(await client.get(name), "metadata.finalizers"), ["foregroundDeletion"]);
      await client.patch(name, "merge", { metadata: { finalizers: null } });
      assert.equal((await refusal(client.get(name))).code, "KUBE_NOT_FOUND");
    });

    test("lists: items, pages, selectors; deleteCollection by label", async () => {
      const labels = { set: "many" };
      for (const name of ["m-1", "m-2", "m-3", "m-4", "m-5"]) {
        await client.create(maps, configMap(name, {}, labels));
      }
      const many = { labelSelector: "set=many" };
      const pages = await allOf(client.pages(maps, { limit: 2, ...many }));
      assert.deepEqual(
        pages.map((page) => [page.items.length, page.continue !== "", page.restarted]),
        [
          [2, true, false],
          [2, true, false],
          [1, false, false],
        ],
      );
      assert.equal(new Set(pages.map((page) => page.resourceVersion)).size, 1);
      const all = ["m-1", "m-2", "m-3", "m-4", "m-5"];
      assert.deepEqual(await namesOf(client.list(maps, { limit: 2, ...many })), all);
      assert.deepEqual(await namesOf(client.list(maps, { limit: 0, ...many })), all);
      assert.deepEqual(await namesOf(client.list(maps, { fieldSelector: "metadata.name=m-3" })), ["m-3"]);
      const [page] = pages;
      await client.create(maps, configMap("m-6", {}, labels));
      const exact = { resourceVersion: page?.resourceVersion, resourceVersionMatch: "Exact", ...many } as const;
      assert.deepEqual(await namesOf(client.list(maps, exact)), all);
      await client.deleteCollection(maps, many);
      assert.deepEqual(await namesOf(client.list(maps, many)), []);
      assert.equal((await refusal(client.list(maps, { labelSelector: "a in" }).next())).code, "KUBE_INVALID");
    });

    test("a watch gives what happens, in order, until the server ends it or the caller does", async () => {
      const made = await client.create(maps, configMap("watched", { turn: "0" }));
      const from = String(made.metadata?.resourceVersion);
      await client.patch(map("watched"), "merge", { data: { turn: "1" } });
      await client.delete(map("watched"));
      const selector = { fieldSelector: "metadata.name=watched", timeoutSeconds: 1 };
      const seen: WatchEvent[] = [];
      assert.equal(await untilOver(client.watch(maps, { resourceVersion: from, ...selector }), seen), "end");
      assert.deepEqual(
        seen.map((event) => [event.type, at(event.object, "data.turn")]),
        [
          ["MODIFIED", "1"],
          ["DELETED", "1"],
        ],
      );
      const abort = new AbortController();
      const cancelled = untilOver(client.watch(maps, { signal: abort.signal }), []);
      abort.abort();
      assert.equal(await cancelled, "KUBE_ABORTED");
    });

    test("status, scale, ephemeral containers, eviction", async () => {
      await client.create(deployments, deployment("scaled"));
      const name = { ...deployments, name: "scaled" };
      const scale = await client.get({ ...name, subresource: "scale" });
      assert.deepEqual([scale.kind, at(scale, "spec.replicas")], ["Scale", 1]);
      await client.update({ ...name, subresource: "scale" }, { ...scale, spec: { replicas: 5 } });
      const change = { spec: { replicas: 9 }, status: { observedGeneration: 7 } };
      await client.patch({ ...name, subresource: "status" }, "merge", change);
      const found = await client.get(name);
      assert.deepEqual([at(found, "spec.replicas"), at(found, "status.observedGeneration")], [5, 7]);

      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "one" }, spec: { containers: [container] } };
      await client.create(pods, pod);
      const one = { ...pods, name: "one" };
      const debug = { name: "debug", image: "example.org/debug:1" };
      await client.patch({ ...one, subresource: "ephemeralcontainers" }, "strategic", {
        spec: { ephemeralContainers: [debug] },
      });
      assert.equal(at(await client.get(one), "spec.ephemeralContainers.0.name"), "debug");
      const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "one", namespace } };
      await client.create({ ...one, subresource: "eviction" }, eviction);
      assert.equal((await refusal(client.get(one))).code, "KUBE_NOT_FOUND");
    });

    test("large answers come compressed, other forms by raw", async () => {
      for (const name of ["large-1", "large-2"]) {
        await client.create(maps, configMap(name, { text: "large".repeat(40_000) }));
      }
      const before = connection.transport.stats().bytesIn;
      const found = await client.get(map("large-1"));
      assert.equal(String(at(found, "data.text")).length, 200_000);
      assert.ok(connection.transport.stats().bytesIn - before < 50_000);
      const accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
      const path = `/api/v1/namespaces/${namespace}/configmaps?limit=1`;
      const { head, body } = await client.raw({ method: "GET", path, headers: { accept } });
      assert.deepEqual([head.status, JSON.parse(body.toString("utf8")).kind], [200, "Table"]);
      const capped = createKubeClient(connection.transport, { maxBodyBytes: 100_000 });
      assert.equal((await refusal(capped.get(map("large-1")))).code, "KUBE_BAD_RESPONSE");
    });
  });
}

describe("who may do what", { ...options, concurrency: false }, () => {
  const pods = { apiVersion: "v1", plural: "pods" };

  test("the rule of a refusal, put into a role, is the one that was missing", async () => {
    const rules = [{ verbs: ["get"], resources: ["configmaps"] }];
    await using reader = await openConnection(await cluster.createUser("few-rights", rules));
    const error = await refusal(reader.client.list(pods).next());
    assert.equal(error.code, "KUBE_FORBIDDEN");
    assert.equal(error.facts.rule, '- {apiGroups: [""], resources: ["pods"], verbs: ["list"]}');
    assert.match(error.message, /; add to a ClusterRole of few-rights: - \{apiGroups/);

    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const name = "pasted";
    await cluster.send("POST", `${rbac}/clusterroles`, { metadata: { name }, rules: parse(String(error.facts.rule)) });
    await cluster.send("POST", `${rbac}/clusterrolebindings`, {
      metadata: { name },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "few-rights" }],
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    });
    const deadline = Date.now() + DEADLINE_MS;
    while ((await untilOver(asEvents(reader.client.list(pods)), [])) !== "end") {
      assert.ok(Date.now() < deadline, "the pasted rule does not allow what was refused");
      await delay(LOOK_MS); // The authorizer hears of new rules by a watch of its own.
    }
  });

  test("the missing rule is told for namespaces, groups, subresources, and paths", async () => {
    await using nobody = await openConnection(await cluster.createUser("no-rights", []));
    const { client } = nobody;
    const scaled = { apiVersion: "apps/v1", plural: "deployments", namespace: "default", name: "one" };
    const errors = [
      await refusal(client.create({ apiVersion: "v1", plural: "configmaps", namespace: "default" }, configMap("no"))),
      await refusal(client.patch({ ...scaled, subresource: "scale" }, "merge", {})),
      await refusal(client.json({ method: "GET", path: "/metrics" })),
      await refusal(client.watch({ apiVersion: "v1", plural: "nodes" }).next()),
    ];
    assert.deepEqual(
      errors.map((error) => [error.code, error.facts.rule]),
      [
        ["KUBE_FORBIDDEN", '- {apiGroups: [""], resources: ["configmaps"], verbs: ["create"]}'],
        ["KUBE_FORBIDDEN", '- {apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]}'],
        ["KUBE_FORBIDDEN", '- {nonResourceURLs: ["/metrics"], verbs: ["get"]}'],
        ["KUBE_FORBIDDEN", '- {apiGroups: [""], resources: ["nodes"], verbs: ["watch"]}'],
      ],
    );
    assert.match(errors[0]?.message ?? "", /a Role of no-rights in namespace default/);
  });

  test("an expired client certificate is refused with what to do", async () => {
    const expired = { notAfter: new Date(Date.now() - 60_000) };
    const kubeconfig = await cluster.createUser("expired", [{ verbs: ["list"], resources: ["pods"] }], expired);
    for (const protocol of PROTOCOLS) {
      await using late = await openConnection(kubeconfig, { protocols: [protocol] });
      const error = await refusal(late.client.list(pods).next());
      assert.equal(error.code, "KUBE_UNAUTHORIZED");
      assert.match(error.message, /expired.*fetch the kubeconfig again/);
      assert.doesNotMatch(error.message, /BEGIN/);
    }
  });

  test("a server by an authority that is not known, or under another name, is refused", async () => {
    // Without the kubeconfig to read again: it would be, and found right.
    const access = { ...(await resolveCluster({ kubeconfig: cluster.kubeconfigPath })), renew: undefined };
    for (const [wrong, words] of [
      [{ ...access, ca: undefined }, /unknown CA/],
      [{ ...access, tlsServerName: "example.org" }, /other names/],
    ] as const) {
      const transport = connect(wrong);
      const error = await refusal(createKubeClient(transport).list(pods).next());
      await transport.close();
      assert.equal(error.code, "KUBE_TLS");
      assert.match(error.message, words);
    }
  });

  test("a rotated token file is read again: after its time, and at once when the server refuses the old one", async () => {
    const tokenFile = join(cluster.folder, "rotated-token");
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    const reviews = { apiVersion: "authentication.k8s.io/v1", plural: "selfsubjectreviews" };
    const access = await resolveCluster({ server: cluster.url, ca: cluster.caPem, tokenFile });
    const tokens = {
      first: await cluster.serviceAccountToken("default", "first"),
      second: await cluster.serviceAccountToken("default", "second"),
    };
    const me = async (client: KubeClient): Promise<unknown> =>
      at(await client.create(reviews, review), "status.userInfo.username");
    let now = 0;
    await writeFile(tokenFile, tokens.first);
    const transport = connect(access, { tokenFileEveryMs: 60_000, renewEveryMs: 0, now: () => now });
    try {
      const client = createKubeClient(transport);
      const seen = [await me(client)];
      await writeFile(tokenFile, tokens.second);
      seen.push(await me(client));
      now = 60_000;
      seen.push(await me(client));
      await writeFile(tokenFile, "no-token-of-this-cluster");
      now = 120_000;
      assert.equal((await refusal(me(client))).code, "KUBE_UNAUTHORIZED");
      await writeFile(tokenFile, tokens.first);
      const { requests } = transport.stats();
      seen.push(await me(client));
      const accounts = ["first", "first", "second", "first"].map((name) => `system:serviceaccount:default:${name}`);
      assert.deepEqual(seen, accounts);
      assert.equal(transport.stats().requests - requests, 2);
    } finally {
      await transport.close();
    }
  });
});

describe("discovery", { ...options, concurrency: false }, () => {
  const WIDGETS = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.org" },
    spec: {
      group: "example.org",
      scope: "Namespaced",
      names: { kind: "Widget", plural: "widgets", shortNames: ["wd"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        },
      ],
    },
  };

  test("resolves kinds, and names the nearest for one that is not served", async () => {
    await using connection = await openConnection(cluster.kubeconfigPath);
    const discovery = createDiscovery(connection.client);
    const pod = await discovery.resolve("v1", "Pod");
    assert.deepEqual([pod.plural, pod.namespaced, pod.shortNames], ["pods", true, ["po"]]);
    assert.ok(pod.verbs.includes("deletecollection"));
    assert.ok(pod.subresources.includes("ephemeralcontainers"));
    assert.equal((await discovery.resolve("v1", "Node")).namespaced, false);
    const wrong = await refusal(discovery.resolve("apps/v1", "Deploymant"));
    assert.equal(wrong.code, "KUBE_KIND_NOT_SERVED");
    assert.match(wrong.message, /the nearest are apps\/v1 Deployment,/);
    const old = await refusal(discovery.resolve("extensions/v1beta1", "Ingress"));
    assert.match(String(old.facts.nearest), /networking\.k8s\.io\/v1 Ingress/);
  });

  test("says the same from the aggregated document as group by group", async () => {
    await using connection = await openConnection(cluster.kubeconfigPath);
    const { client } = connection;
    const plain: Pick<KubeClient, "json"> = { json: ({ method, path }, more) => client.json({ method, path }, more) };
    const sorted = async (source: Pick<KubeClient, "json">) =>
      (await createDiscovery(source).all())
        .map((kind) => ({
          ...kind,
          verbs: [...kind.verbs].sort(),
          shortNames: [...kind.shortNames].sort(),
          subresources: [...kind.subresources].sort(),
        }))
        .sort((a, b) => (`${a.apiVersion} ${a.plural}` < `${b.apiVersion} ${b.plural}` ? -1 : 1));
    const before = connection.transport.stats().requests;
    const aggregated = await sorted(client);
    assert.equal(connection.transport.stats().requests - before, 2);
    assert.ok(aggregated.length > 50);
    assert.deepEqual(aggregated, await sorted(plain));
  });

  test("finds a kind whose definition has come meanwhile", async () => {
    await using connection = await openConnection(cluster.kubeconfigPath);
    const { client } = connection;
    let now = 0;
    const discovery = createDiscovery(client, () => now);
    assert.equal((await refusal(discovery.resolve("example.org/v1", "Widget"))).code, "KUBE_KIND_NOT_SERVED");
    await client.create({ apiVersion: "apiextensions.k8s.io/v1", plural: "customresourcedefinitions" }, WIDGETS);
    const deadline = Date.now() + DEADLINE_MS;
    let found: Awaited<ReturnType<typeof discovery.resolve>> | undefined;
    while (found === undefined) {
      assert.ok(Date.now() < deadline, "the new kind was not found");
      now += 5_000;
      found = await discovery.resolve("example.org/v1", "Widget").catch(() => undefined);
    }
    assert.deepEqual([found.plural, found.shortNames, found.subresources], ["widgets", ["wd"], ["status"]]);
  });
});

describe("an API server that fails", { ...options, concurrency: false }, () => outageTests(() => cluster));

/** A list where a watch is expected: only its end counts. */
async function* asEvents(list: AsyncIterable<KubeObject>): AsyncGenerator<WatchEvent> {
  for await (const object of list) {
    yield { type: "ADDED", object };
  }
}
