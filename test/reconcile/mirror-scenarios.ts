import assert from "node:assert/strict";
import { type AnyObject, configMap, mapAt, mapsIn, namespace, type Scenario } from "./world.ts";

const MIRROR = { mirror: "true" };
const GROUND = [namespace("shop"), namespace("team-a"), namespace("team-b"), namespace("other")];
const source = (data: Record<string, string>, more = {}) => configMap("shop/ca", data, { labels: MIRROR, ...more });

/** What the mirror must do. Each also holds when it is killed and started again between any two steps. */
export const MIRROR_SCENARIOS: readonly Scenario[] = [
  {
    name: "a labelled ConfigMap is copied to every namespace with the prefix, and nowhere else",
    objects: GROUND,
    steps: [
      (cluster) => cluster.apply(source({ a: "1" })),
      (cluster) => cluster.apply(configMap("shop/plain", { b: "2" })),
    ],
    check: async (cluster) =>
      assert.deepEqual(await mapsIn(cluster), {
        "shop/ca": { a: "1" },
        "shop/plain": { b: "2" },
        "team-a/ca": { a: "1" },
        "team-b/ca": { a: "1" },
      }),
  },
  {
    name: "binary data and immutability are copied too",
    objects: GROUND,
    steps: [(cluster) => cluster.apply(source({ a: "1" }, { binaryData: { raw: "AAEC" }, immutable: true }))],
    check: async (cluster) => {
      const copy: AnyObject = await cluster.get(mapAt("team-a/ca"));
      assert.deepEqual([copy.data, copy.binaryData, copy.immutable], [{ a: "1" }, { raw: "AAEC" }, true]);
    },
  },
  {
    name: "a namespace that is made later is served",
    objects: GROUND,
    steps: [(cluster) => cluster.apply(source({ a: "1" })), (cluster) => cluster.apply(namespace("team-c"))],
    check: async (cluster) => assert.deepEqual((await mapsIn(cluster))["team-c/ca"], { a: "1" }),
  },
  {
    name: "a change of the source follows",
    objects: [...GROUND, source({ a: "1", gone: "x" })],
    steps: [(cluster) => cluster.apply(source({ a: "2", b: "3" }))],
    check: async (cluster) => {
      const maps = await mapsIn(cluster);
      assert.deepEqual(
        [maps["team-a/ca"], maps["team-b/ca"]],
        [
          { a: "2", b: "3" },
          { a: "2", b: "3" },
        ],
      );
    },
  },
  {
    name: "a copy that somebody changed or deleted is restored",
    objects: [...GROUND, source({ a: "1" })],
    steps: [
      (cluster) => cluster.patch(mapAt("team-a/ca"), { data: { a: "wrong", more: "x" } }),
      (cluster) => cluster.delete(mapAt("team-b/ca")),
    ],
    check: async (cluster) => {
      const maps = await mapsIn(cluster);
      assert.deepEqual([maps["team-a/ca"], maps["team-b/ca"]], [{ a: "1" }, { a: "1" }]);
    },
  },
  {
    name: "deleting the source removes all copies",
    objects: [...GROUND, source({ a: "1" })],
    steps: [(cluster) => cluster.delete(mapAt("shop/ca"))],
    check: async (cluster) => assert.deepEqual(await mapsIn(cluster), {}),
  },
  {
    name: "taking the label off removes all copies, and keeps the source",
    objects: [...GROUND, source({ a: "1" })],
    steps: [(cluster) => cluster.patch(mapAt("shop/ca"), { metadata: { labels: { mirror: null } } })],
    check: async (cluster) => assert.deepEqual(await mapsIn(cluster), { "shop/ca": { a: "1" } }),
  },
  {
    name: "a foreign ConfigMap of that name is never overwritten, and is reported on the source",
    objects: [...GROUND, configMap("team-a/ca", { mine: "yes" })],
    steps: [(cluster) => cluster.apply(source({ a: "1" })), (cluster) => cluster.apply(source({ a: "2" }))],
    check: async (cluster) => {
      const maps = await mapsIn(cluster);
      assert.deepEqual([maps["team-a/ca"], maps["team-b/ca"]], [{ mine: "yes" }, { a: "2" }]);
      assert.ok(
        (await cluster.events()).some(({ reason, about }) => reason === "MirrorCollision" && about === "shop/ca"),
      );
    },
  },
  {
    name: "the place of a foreign ConfigMap that goes is taken",
    objects: [...GROUND, configMap("team-a/ca", { mine: "yes" }), source({ a: "1" })],
    steps: [(cluster) => cluster.delete(mapAt("team-a/ca"))],
    check: async (cluster) => assert.deepEqual((await mapsIn(cluster))["team-a/ca"], { a: "1" }),
  },
  {
    name: "a mirror is never mirrored, whatever its labels",
    objects: [...GROUND, source({ a: "1" })],
    steps: [
      (cluster) => cluster.patch(mapAt("team-a/ca"), { metadata: { labels: MIRROR } }),
      (cluster) => cluster.delete(mapAt("shop/ca")),
    ],
    check: async (cluster) => assert.deepEqual(await mapsIn(cluster), {}),
  },
  {
    name: "an immutable source that is made anew replaces its immutable copies",
    objects: [...GROUND, source({ a: "1" }, { immutable: true })],
    steps: [
      (cluster) => cluster.delete(mapAt("shop/ca")),
      (cluster) => cluster.apply(source({ a: "2" }, { immutable: true })),
    ],
    check: async (cluster) => {
      const maps = await mapsIn(cluster);
      assert.deepEqual([maps["team-a/ca"], maps["team-b/ca"]], [{ a: "2" }, { a: "2" }]);
    },
  },
  {
    name: "two sources of one name: the first one keeps the place, and the other takes it when the first goes",
    objects: [...GROUND, source({ from: "shop" })],
    steps: [
      (cluster) => cluster.apply(configMap("other/ca", { from: "other" }, { labels: MIRROR })),
      (cluster) => cluster.delete(mapAt("shop/ca")),
    ],
    check: async (cluster) =>
      assert.deepEqual(await mapsIn(cluster), {
        "other/ca": { from: "other" },
        "team-a/ca": { from: "other" },
        "team-b/ca": { from: "other" },
      }),
  },
  {
    name: "a copy that somebody claims by taking the labels off is theirs",
    objects: [...GROUND, source({ a: "1" })],
    steps: [
      (cluster) => cluster.patch(mapAt("team-a/ca"), { metadata: { labels: null }, data: { mine: "yes" } }),
      (cluster) => cluster.delete(mapAt("shop/ca")),
    ],
    check: async (cluster) => assert.deepEqual(await mapsIn(cluster), { "team-a/ca": { a: "1", mine: "yes" } }),
  },
  {
    name: "a source that is larger than allowed is not copied, and is reported",
    objects: GROUND,
    steps: [(cluster) => cluster.apply(source({ a: "x".repeat(3000) }))],
    check: async (cluster) => {
      assert.deepEqual(Object.keys(await mapsIn(cluster)), ["shop/ca"]);
      assert.ok((await cluster.events()).some(({ reason }) => reason === "MirrorTooLarge"));
    },
  },
];
