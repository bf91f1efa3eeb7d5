import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BUILT_IN_KINDS } from "../kinds/built-in.ts";
import { messageOfKind } from "../kinds/message.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { RowBuilder } from "../store/row.ts";
import { createWatchDecoder, type WatchSink } from "./decoder.ts";
import {
  MapInterner,
  plainRow,
  Sampler,
  type Struct,
  toJson,
  toProtobuf,
  watchFrame,
  wrap,
} from "./sample.test-support.ts";

const KINDS = BUILT_IN_KINDS;

test("a row from protobuf equals the row from JSON, for every kind and field", () => {
  for (const kind of KINDS) {
    const plan = kind.plan();
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const object = new Sampler(seed).object(plan);
        assert.deepEqual(fromProtobuf(plan, object), fromJson(plan, object));
      }),
      { numRuns: 200 },
    );
  }
});

function fromProtobuf(plan: RowPlan, object: Struct): unknown {
  const message = messageOfKind(plan.apiVersion, plan.kind);
  assert(message);
  return watch(plan, "protobuf", watchFrame("ADDED", wrap(plan.apiVersion, plan.kind, toProtobuf(message, object))));
}

function fromJson(plan: RowPlan, object: Struct): unknown {
  const message = messageOfKind(plan.apiVersion, plan.kind);
  assert(message);
  const event = { type: "ADDED", object: { kind: plan.kind, apiVersion: plan.apiVersion, ...toJson(message, object) } };
  return watch(plan, "json", new TextEncoder().encode(`${JSON.stringify(event)}\n`));
}

function watch(plan: RowPlan, format: "protobuf" | "json", bytes: Uint8Array): unknown[] {
  const seen: unknown[] = [];
  const interner = new MapInterner();
  const sink: WatchSink = {
    event: (type, row) => seen.push([type, plainRow(plan, row.words.subarray(0, row.length), interner)]),
    bookmark: (...bookmark) => seen.push(["BOOKMARK", ...bookmark]),
    error: (status) => seen.push(["ERROR", status]),
  };
  const decoder = createWatchDecoder(plan, format, interner, new RowBuilder(), sink);
  decoder.push(bytes);
  decoder.end();
  return seen;
}
