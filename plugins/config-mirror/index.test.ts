import assert from "node:assert/strict";
import { test } from "node:test";
import { configMap, conformance, fakeCluster, namespace } from "../../core/testing/index.ts";
import plugin from "./index.ts";
import { ConfigMirrorOptions } from "./options.ts";

const START = Date.UTC(2026, 0, 1);
const ground = [namespace("shop"), namespace("team-a"), namespace("team-b")];
const source = configMap("shop/ca", { a: "1" }, { labels: { mirror: "true" } });

interface ConfigMap {
  readonly metadata: { readonly labels: Record<string, string>; readonly annotations: Record<string, string> };
  readonly data: Record<string, string>;
}

const copyIn = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", namespace: name, name: "ca" });
const written = (cluster: { requests(): readonly { verb: string; namespace?: string }[] }) =>
  cluster.requests().map(({ verb, namespace: where }) => `${verb} ${where}`);

test("writes each copy once, and nothing at all after a restart", async () => {
  await using cluster = await fakeCluster({ plugins: [plugin], objects: [...ground, source] });
  assert.deepEqual(written(cluster).sort(), ["create team-a", "create team-b"]);
  cluster.forget();
  await cluster.kill();
  await cluster.start();
  assert.deepEqual(written(cluster), []);
});

test("an update carries the version that was read: a newer change of somebody else is not lost", async () => {
  await using cluster = await fakeCluster({ plugins: [plugin], objects: [...ground, source], clock: START });
  cluster.server.faults.add({
    match: { verb: "update", times: 1 },
    fault: { kind: "status", code: 409, reason: "Conflict" },
  });
  await cluster.patch(source, { data: { a: "2" } });
  await cluster.advance("1m");
  const copies = await Promise.all(["team-a", "team-b"].map((name) => cluster.get<ConfigMap>(copyIn(name))));
  assert.deepEqual(
    copies.map((copy) => copy?.data),
    [{ a: "2" }, { a: "2" }],
  );
});

test("what others add to the metadata of a copy stays", async () => {
  await using cluster = await fakeCluster({ plugins: [plugin], objects: [...ground, source] });
  await cluster.patch(copyIn("team-a"), { metadata: { annotations: { note: "mine" }, labels: { more: "yes" } } });
  await cluster.patch(source, { data: { a: "2" } });
  const copy = await cluster.get<ConfigMap>(copyIn("team-a"));
  assert.deepEqual(
    [copy?.metadata.annotations.note, copy?.metadata.labels.more, copy?.data],
    ["mine", "yes", { a: "2" }],
  );
});

test("one namespace that refuses holds up no other, is reported once, and tried again", async () => {
  await using cluster = await fakeCluster({ plugins: [plugin], objects: ground, clock: START });
  const quota = cluster.server.faults.add({
    match: { verb: "create", path: "/api/v1/namespaces/team-a/configmaps" },
    fault: { kind: "status", code: 403, reason: "Forbidden", message: "exceeded quota: maps" },
  });
  await cluster.apply(source);
  assert.equal(await cluster.get(copyIn("team-a")), undefined);
  assert.notEqual(await cluster.get(copyIn("team-b")), undefined);
  await cluster.advance("11m");
  const refused = (await cluster.events()).filter(({ reason }) => reason === "MirrorRefused");
  assert.deepEqual(
    refused.map(({ about }) => about),
    ["shop/ca"],
  );
  assert.match(refused[0].message, /not copied to team-a; "team-a": .*exceeded quota/);
  quota.remove();
  await cluster.advance("6m");
  assert.notEqual(await cluster.get(copyIn("team-a")), undefined);
});

test("a namespace that is being deleted is left alone", async () => {
  const ending = namespace("team-late");
  await using cluster = await fakeCluster({ plugins: [plugin], objects: [...ground, ending, source], clock: START });
  const held = {
    ...configMap("team-late/held"),
    metadata: { name: "held", namespace: "team-late", finalizers: ["example.org/held"] },
  };
  await cluster.apply(held);
  await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: "team-late" });
  await cluster.advance("1m");
  cluster.forget();
  await cluster.patch(source, { data: { a: "2" } });
  await cluster.advance("10m");
  assert.deepEqual(written(cluster).sort(), ["update team-a", "update team-b"]);
  assert.deepEqual(
    (await cluster.events()).map(({ reason }) => reason),
    [],
  );
});

test("an old cache leads to no second copy and no overwritten one", async () => {
  await using cluster = await fakeCluster({ plugins: [plugin], objects: ground, clock: START });
  const catchUp = cluster.lag();
  await cluster.client.put(configMap("team-a/ca", { mine: "yes" }));
  await cluster.client.put(source);
  catchUp();
  await cluster.settled();
  assert.deepEqual((await cluster.get<ConfigMap>(copyIn("team-a")))?.data, { mine: "yes" });
  assert.deepEqual((await cluster.get<ConfigMap>(copyIn("team-b")))?.data, { a: "1" });
});

test("a copy that is deleted before anybody was told that it was made is made again", async () => {
  await using cluster = await fakeCluster({ plugins: [plugin], objects: ground, clock: START });
  const path = "/api/v1/namespaces/team-a/configmaps";
  const quota = cluster.server.faults.add({ match: { verb: "create", path }, fault: { kind: "status", code: 403 } });
  await cluster.apply(source);
  quota.remove();
  const catchUp = cluster.lag();
  await cluster.reconcile("shop/ca");
  assert.equal(await cluster.client.delete(copyIn("team-a")), true);
  catchUp();
  await cluster.settled();
  assert.equal(await cluster.get(copyIn("team-a")), undefined);
  await cluster.advance("11s");
  assert.deepEqual((await cluster.get<ConfigMap>(copyIn("team-a")))?.data, { a: "1" });
  assert.equal(cluster.waiting(), 0, "once the cache has it there is nothing to look for");
});

test("targets are chosen by prefix, by labels, or both; sources by any selector", async () => {
  const options = { sources: "tier in (ca, settings)", prefixes: ["x-"], namespaces: "mirror-into=yes" };
  const objects = [namespace("x-1"), namespace("other", { labels: { "mirror-into": "yes" } }), ...ground];
  const own = { ...source, metadata: { ...source.metadata, labels: { tier: "ca" } } };
  await using cluster = await fakeCluster({
    plugins: [{ use: plugin, options }],
    objects: [...objects, own, configMap("shop/b", {}, { labels: { mirror: "true" } })],
  });
  assert.deepEqual(written(cluster).sort(), ["create other", "create x-1"]);
  cluster.forget();
  await cluster.patch(
    { apiVersion: "v1", kind: "Namespace", name: "other" },
    { metadata: { labels: { "mirror-into": null } } },
  );
  assert.deepEqual(written(cluster), ["delete other"]);
});

test("options that would do nothing, or too much, are refused", () => {
  const problem = (given: unknown): string => {
    const { success, error } = ConfigMirrorOptions.safeParse(given);
    assert.equal(success, false);
    return error?.issues.map(({ message }) => message).join("; ") ?? "";
  };
  assert.match(problem({ sources: "" }), /every ConfigMap of the cluster/);
  assert.match(problem({ prefixes: [] }), /nothing would be copied anywhere/);
  assert.match(problem({ sources: "a=b=c" }), /no requirement of a label selector/);
  assert.match(problem({ maxBytes: 0 }), />=1/);
  assert.equal(ConfigMirrorOptions.safeParse({ prefixes: [], namespaces: "a=b" }).success, true);
});

conformance(new URL("./index.ts", import.meta.url), { objects: [...ground, source], isolations: ["inline"] });
