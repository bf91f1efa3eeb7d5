import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import type { KubeClient, KubeObject } from "../../core/kube/client.ts";
import { createKubeClient } from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { connect, type HttpTransport } from "../../core/kube/http-transport.ts";
import { defineResource } from "../../core/reconcile/resource.ts";
import { type Cluster, startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { at, refusal } from "../cluster/kube-connection.ts";

const Port = z.strictObject({
  name: z.string().regex(/^[a-z]+$/),
  port: z.int().min(1).max(65535),
  protocol: z.enum(["TCP", "UDP"]).default("TCP"),
});

const Shop = defineResource({
  group: "shop.example.org",
  version: "v1",
  kind: "Shop",
  plural: "shops",
  shortNames: ["sh"],
  categories: ["all"],
  description: "A shop.",
  spec: z
    .strictObject({
      image: z.string().min(1).describe("What runs."),
      replicas: z.int().min(0).max(50).default(1),
      minReplicas: z.int().default(0),
      ports: z
        .array(Port)
        .max(10)
        .default([])
        .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] }),
      surge: z.union([z.int(), z.string()]).optional(),
      note: z.string().nullable().optional(),
      labels: z.record(z.string(), z.string()).optional(),
      extra: z.looseObject({ known: z.string().optional() }).optional(),
      anything: z.any().optional(),
      contact: z.email().optional(),
      since: z.iso.datetime().optional(),
      share: z.number().gt(0).lte(1).optional(),
      cache: z.strictObject({ size: z.int().default(3), paths: z.array(z.string()).default(["/"]) }).prefault({}),
      store: z
        .discriminatedUnion("type", [
          z.strictObject({ type: z.literal("disk"), path: z.string() }),
          z.strictObject({ type: z.literal("bucket"), bucket: z.string(), region: z.enum(["eu", "us"]) }),
        ])
        .optional(),
    })
    .meta({
      "x-kubernetes-validations": [
        { rule: "self.minReplicas <= self.replicas", message: "minReplicas is above replicas" },
      ],
    }),
  status: z.object({ readyReplicas: z.int().default(0), selector: z.string().optional() }),
  columns: {
    Ready: ".status.readyReplicas",
    Image: { path: ".spec.image", priority: 1, description: "What runs." },
    Since: ".spec.since",
  },
  rules: [{ rule: "size(self.metadata.name) < 20", message: "the name is too long" }],
  scale: { specReplicas: ".spec.replicas", statusReplicas: ".status.readyReplicas", labelSelector: ".status.selector" },
  selectableFields: [".spec.image"],
  versions: {
    v1beta1: {
      spec: z.looseObject({ image: z.string() }),
      status: z.object({}),
      deprecated: "use shop.example.org/v1",
    },
  },
});

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);

describe("a CustomResourceDefinition out of a resource, on a real API server", { skip: missing ?? false }, () => {
  let cluster: Cluster;
  let transport: HttpTransport;
  let client: KubeClient;
  const shops = { apiVersion: "shop.example.org/v1", plural: "shops", namespace: "default" };

  before(async () => {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
    transport = connect(await resolveCluster({ kubeconfig: cluster.kubeconfigPath }));
    client = createKubeClient(transport);
  });

  after(async () => {
    await transport?.close();
    await cluster?.stop();
  });

  const shop = (name: string, spec: object, more: object = {}): KubeObject => ({
    apiVersion: "shop.example.org/v1",
    kind: "Shop",
    metadata: { name },
    spec,
    ...more,
  });

  test("is accepted without a warning, established, and the same when it is applied again", async () => {
    const crds = { apiVersion: "apiextensions.k8s.io/v1", plural: "customresourcedefinitions" };
    const target = { ...crds, name: "shops.shop.example.org" };
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${target.name}?fieldManager=test&fieldValidation=Strict`;
    const { head } = await client.raw({
      method: "PATCH",
      path,
      body: JSON.stringify(Shop.crd()),
      headers: { "content-type": "application/apply-patch+yaml", accept: "application/json" },
    });
    assert.equal(head.headers.warning, undefined);
    let live = await client.get(target);
    const deadline = performance.now() + 10_000;
    const conditions = () =>
      (at(live, "status.conditions") ?? []) as { type: string; status: string; message: string }[];
    while (!conditions().some(({ type, status }) => type === "Established" && status === "True")) {
      assert(performance.now() < deadline, "not established");
      live = await client.get(target);
    }
    assert.deepEqual(
      conditions().filter(({ type }) => type === "NonStructuralSchema" || type === "Terminating"),
      [],
    );
    const again = await client.apply(target, Shop.crd(), { fieldManager: "test" });
    assert.equal(again.metadata?.resourceVersion, live.metadata?.resourceVersion);
  });

  test("gives defaults, prunes what is not known, and the object is read as its type", async () => {
    const made = await client.create(shops, shop("one", { image: "a", unknown: 1, extra: { more: 1 }, anything: [1] }));
    assert.deepEqual(made.spec, {
      image: "a",
      replicas: 1,
      minReplicas: 0,
      ports: [],
      cache: { size: 3, paths: ["/"] },
      extra: { more: 1 },
      anything: [1],
    });
    const read = Shop.read(made);
    const replicas: number = read.spec.replicas;
    assert.deepEqual([replicas, read.metadata.name, read.spec.cache.paths], [1, "one", ["/"]]);
  });

  const good: readonly (readonly [name: string, spec: object])[] = [
    ["a number or a text", { surge: "25%" }],
    ["a number or a text", { surge: 3 }],
    ["null where it is allowed", { note: null }],
    ["a map", { labels: { a: "b" } }],
    ["one case of a union", { store: { type: "disk", path: "/x" } }],
    ["the other case of a union", { store: { type: "bucket", bucket: "b", region: "eu" } }],
    ["a time", { since: "2026-01-31T08:00:00Z" }],
    [
      "a list with keys",
      {
        ports: [
          { name: "a", port: 1 },
          { name: "b", port: 1, protocol: "UDP" },
        ],
      },
    ],
  ];
  for (const [at, [name, spec]] of good.entries()) {
    test(`takes ${name}: ${JSON.stringify(spec)}`, async () => {
      const made = await client.create(shops, shop(`good-${at}`, { image: "a", ...spec }));
      assert.doesNotThrow(() => Shop.read(made));
    });
  }

  const bad: readonly (readonly [name: string, spec: object, message: RegExp, isForServer?: true])[] = [
    ["no image", {}, /spec\.image: Required value/],
    ["an empty text", { image: "" }, /spec\.image.*at least 1 chars/],
    ["a number that is too large", { image: "a", replicas: 51 }, /spec\.replicas.*less than or equal to 50/],
    ["a fraction", { image: "a", replicas: 1.5 }, /spec\.replicas.*must be of type integer/],
    ["the wrong type", { image: 3 }, /spec\.image.*must be of type string/],
    [
      "a value that is not listed",
      { image: "a", ports: [{ name: "a", port: 1, protocol: "X" }] },
      /Unsupported value: "X"/,
    ],
    ["a pattern that does not fit", { image: "a", ports: [{ name: "A", port: 1 }] }, /should match/],
    [
      "one key twice",
      {
        image: "a",
        ports: [
          { name: "a", port: 1 },
          { name: "a", port: 2 },
        ],
      },
      /Duplicate value/,
      true,
    ],
    ["a broken rule", { image: "a", minReplicas: 3 }, /minReplicas is above replicas/, true],
    ["no address", { image: "a", contact: "nobody" }, /spec\.contact/],
    ["no time", { image: "a", since: "yesterday" }, /spec\.since/],
    ["a share of nothing", { image: "a", share: 0 }, /spec\.share.*greater than 0/],
    ["a case that is none", { image: "a", store: { type: "disk" } }, /spec\.store/],
    ["a mixture of cases", { image: "a", store: { type: "tape" } }, /spec\.store/],
    ["a boolean where a number or text is", { image: "a", surge: true }, /spec\.surge/],
  ];
  for (const [name, spec, message, isForServer] of bad) {
    test(`refuses ${name}`, async () => {
      const error = await refusal(client.create(shops, shop("bad", spec)));
      assert.equal(error.code, "KUBE_INVALID");
      assert.match(error.message, message);
      if (isForServer !== true) {
        assert.throws(() => Shop.read(shop("bad", spec)), {
          code: "RESOURCE_BAD_OBJECT",
          message: /Shop "bad" does not fit/,
        });
      }
    });
  }

  test("keeps the rule for the whole object", async () => {
    const error = await refusal(client.create(shops, shop("a-name-of-many-letters", { image: "a" })));
    assert.match(error.message, /the name is too long/);
  });

  test("has status and scale subresources, columns, a field to select by, and an older version", async () => {
    const one = { ...shops, name: "one" };
    const status = {
      readyReplicas: 2,
      observedGeneration: 1,
      conditions: [
        { type: "A", status: "True", reason: "Is", message: "", lastTransitionTime: "2026-01-31T08:00:00Z" },
      ],
    };
    await client.patch({ ...one, subresource: "status" }, "merge", { status });
    const wrong = { status: { conditions: [{ type: "A", status: "Perhaps" }] } };
    assert.equal((await refusal(client.patch({ ...one, subresource: "status" }, "merge", wrong))).code, "KUBE_INVALID");
    const scale = await client.get({ ...one, subresource: "scale" });
    assert.deepEqual([at(scale, "spec.replicas"), at(scale, "status.replicas")], [1, 2]);
    const table = await client.json({
      method: "GET",
      path: "/apis/shop.example.org/v1/namespaces/default/shops?fieldSelector=spec.image%3Da&limit=1",
      headers: { accept: "application/json;as=Table;g=meta.k8s.io;v=v1" },
    });
    // A Table has these.
    const columns = table.columnDefinitions as { name: string; type: string; priority: number }[];
    assert.deepEqual(
      columns.map((column) => [column.name, column.type, column.priority]),
      [
        ["Name", "string", 0],
        ["Ready", "integer", 0],
        ["Image", "string", 1],
        ["Since", "date", 0],
        ["Age", "date", 0],
      ],
    );
    const older = await client.raw({
      method: "GET",
      path: "/apis/shop.example.org/v1beta1/namespaces/default/shops/one",
      headers: { accept: "application/json" },
    });
    assert.match(String(older.head.headers.warning), /use shop\.example\.org\/v1/);
  });
});
