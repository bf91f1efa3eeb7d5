import assert from "node:assert/strict";
import { test } from "node:test";
import { configMaps } from "../kinds/core.ts";
import type { StoreReader } from "../store/reader.ts";
import { realClock } from "../watch/clock.ts";
import type { NamespaceScope } from "../watch/namespace-scope.ts";
import { KindMap } from "./kind-map.ts";
import { KnownState, type RecentWrites } from "./known-state.ts";
import { ownedKind } from "./owned-kind.ts";

interface Row {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** A store with one object, or none. */
function world(scope: NamespaceScope = {}) {
  const kind = ownedKind(configMaps, [], "me");
  const state: { object: Row | undefined; deleted: Row | undefined; synced: boolean; nowMs: number } = {
    object: undefined,
    deleted: undefined,
    synced: true,
    nowMs: 0,
  };
  const view = (row: Row | undefined) => row && { metadata: { ...row, ownerReferences: [] } };
  const objects = { get: () => view(state.object), deleted: { get: () => view(state.deleted) } };
  // Only what is read of a store.
  const store = {
    status: () => ({ synced: state.synced }),
    read: (callback: (view: unknown) => unknown) => callback({ kind: () => objects }),
  } as unknown as StoreReader;
  const clock = { ...realClock, now: () => state.nowMs };
  const known = new KnownState({ store, fieldManager: "me", clock, scope });
  const client = { json: () => Promise.reject(new Error("not asked for")) };
  const resource = new KindMap([kind], "me", client).known(kind);
  assert(resource);
  const writes: RecentWrites = new Map();
  const look = () => {
    const found = known.of(resource, "shop/a", writes);
    return typeof found === "object" ? found.version : found;
  };
  const wrote = (uid: string, resourceVersion: string) =>
    known.wrote(resource, { metadata: { name: "a", namespace: "shop", uid, resourceVersion } }, writes);
  return { state, look, wrote };
}

test("nothing is known before the kind is complete; then what is in the store, or that there is none", () => {
  const { state, look } = world();
  state.synced = false;
  assert.equal(look(), undefined);
  state.synced = true;
  assert.equal(look(), "absent");
  state.object = { uid: "u", resourceVersion: "5" };
  assert.equal(look(), "5");
});

test("the answer to a write counts until the store has it, whatever the length of its version", () => {
  const { state, look, wrote } = world();
  state.object = { uid: "u", resourceVersion: "9" };
  wrote("u", "10");
  assert.equal(look(), "10");
  state.object = { uid: "u", resourceVersion: "11" };
  assert.equal(look(), "11");
  state.object = { uid: "u", resourceVersion: "9" };
  assert.equal(look(), "9");
});

test("an object that was made is there before the store has it, and gone when the store tells so", () => {
  const { state, look, wrote } = world();
  state.deleted = { uid: "earlier", resourceVersion: "3" };
  wrote("u", "10");
  assert.equal(look(), "10");
  state.deleted = { uid: "u", resourceVersion: "10" };
  assert.equal(look(), "absent");
});

test("an object whose last state in the store is from before our write is gone all the same", () => {
  const { state, look, wrote } = world();
  state.object = { uid: "u", resourceVersion: "9" };
  wrote("u", "10");
  state.object = undefined;
  state.deleted = { uid: "u", resourceVersion: "9" };
  assert.equal(look(), "absent");
});

test("an object that never comes is believed in for five seconds", () => {
  const { state, look, wrote } = world();
  wrote("u", "10");
  state.nowMs = 4999;
  assert.equal(look(), "10");
  state.nowMs = 5000;
  assert.equal(look(), "absent");
});

test("nothing is known of namespaces that are not followed", () => {
  assert.equal(world({ allow: ["shop*"], deny: ["shop-2"] }).look(), "absent");
  assert.equal(world({ deny: ["shop"] }).look(), undefined);
});
