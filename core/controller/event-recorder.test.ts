import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { FairleadError } from "../errors.ts";
import { ManualClock, settle } from "../watch/manual-clock.test-support.ts";
import { EventRecorder, type ReportedEvent } from "./event-recorder.ts";
import type { KubeCall } from "./plugin-site.ts";
import { type RecordingLog, recordingLog } from "./recording-log.test-support.ts";

let clock: ManualClock;
let log: RecordingLog;
let sent: KubeCall[];
let answer: () => Promise<unknown>;
let recorder: EventRecorder;

beforeEach(() => {
  clock = new ManualClock();
  log = recordingLog();
  sent = [];
  answer = async () => ({});
  const send = (call: KubeCall): Promise<unknown> => {
    sent.push(call);
    return answer();
  };
  recorder = new EventRecorder({ plugin: "restarts", log, clock, send });
});

const event = (name: string, message = "it happened"): ReportedEvent => ({
  type: "Warning",
  about: { apiVersion: "v1", kind: "Pod", namespace: "shop", name, uid: `uid-${name}` },
  reason: "RestartsTooOften",
  message,
});

test("an event says who reports what about which object", async () => {
  recorder.report(event("cart-1", "ä".repeat(2000)));
  await recorder.flush();
  const [target, object] = sent[0].args as [object, Record<string, unknown>];
  assert.deepEqual(target, { apiVersion: "events.k8s.io/v1", plural: "events", namespace: "shop" });
  const { metadata, note, eventTime, reportingInstance, ...rest } = object;
  assert.match((metadata as { name: string }).name, /^cart-1\.[0-9a-f]{16}$/);
  assert.ok(Buffer.byteLength(note as string) <= 1024 && !(note as string).includes("\uFFFD"));
  assert.match(eventTime as string, /^\d{4}-.*\.\d{6}Z$/);
  assert.ok(typeof reportingInstance === "string" && reportingInstance !== "");
  assert.deepEqual(rest, {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    reportingController: "fairlead/restarts",
    action: "RestartsTooOften",
    reason: "RestartsTooOften",
    regarding: event("cart-1").about,
    type: "Warning",
  });
});

test("repeated events are joined and counted at the server every ten seconds", async () => {
  for (let i = 0; i < 100; i++) {
    recorder.report(event("cart-1", `restart ${i}`));
  }
  await settle();
  assert.equal(sent.length, 1);
  await clock.advance(10_000);
  assert.deepEqual(
    sent.map(({ verb }) => verb),
    ["create", "patch"],
  );
  const [target, type, patch] = sent[1].args as [{ name: string }, string, { series: { count: number } }];
  const created = sent[0].args[1] as { metadata: { name: string } };
  assert.deepEqual([target.name, type, patch.series.count], [created.metadata.name, "merge", 100]);
  await clock.advance(400_000);
  assert.equal(sent.length, 2);
  recorder.report(event("cart-1"));
  await recorder.flush();
  assert.equal(sent[2].verb, "create");
});

test("too many are dropped and counted, and nobody waits", async () => {
  for (let i = 0; i < 10_000; i++) {
    recorder.report(event(`cart-${i}`));
  }
  await recorder.flush();
  assert.deepEqual([sent.length, recorder.figures.dropped], [50, 9950]);
  await clock.advance(2000);
  for (let i = 0; i < 100; i++) {
    recorder.report(event(`web-${i}`));
  }
  await recorder.flush();
  assert.equal(sent.length, 60);
});

test("where events are forbidden it is told once a minute, and tried again", async () => {
  answer = () => Promise.reject(new FairleadError("KUBE_FORBIDDEN", "no"));
  for (let i = 0; i < 20; i++) {
    recorder.report(event(`cart-${i}`));
    await recorder.flush();
  }
  assert.deepEqual([sent.length, log.lines.length], [1, 1]);
  await clock.advance(60_000);
  answer = async () => ({});
  recorder.report(event("cart-1"));
  await recorder.flush();
  assert.equal(recorder.figures.sent, 1);
});

test("stopping sends what waits, and gives up after the deadline", async () => {
  recorder.report(event("cart-1"));
  recorder.report(event("cart-1"));
  await recorder.stop(500);
  assert.deepEqual(
    sent.map(({ verb }) => verb),
    ["create", "patch"],
  );
  recorder.report(event("cart-2"));
  assert.equal(sent.length, 2);
  assert.equal(clock.running, 0);
  const send = (_: KubeCall, signal: AbortSignal): Promise<unknown> =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const hanging = new EventRecorder({ plugin: "restarts", log, clock, send });
  hanging.report(event("cart-3"));
  const stopping = hanging.stop(500);
  await clock.advance(500);
  await stopping;
  assert.deepEqual([hanging.figures.dropped, clock.running], [1, 0]);
});

test("one object that is talked about too much takes nothing from the others", async () => {
  for (let i = 0; i < 100; i++) {
    recorder.report({ ...event("noisy"), reason: `Reason${i}` });
    await clock.advance(1000);
  }
  assert.equal(sent.length, 25);
  recorder.report(event("quiet"));
  await recorder.flush();
  assert.equal(sent.length, 26);
  await clock.advance(300_000);
  recorder.report({ ...event("noisy"), reason: "Late" });
  recorder.report({ ...event("noisy"), reason: "TooLate" });
  await recorder.flush();
  assert.equal(sent.length, 27);
});

test("an event is sent until the server is back, and counts what came meanwhile", async () => {
  answer = () => Promise.reject(new FairleadError("KUBE_UNREACHABLE", "nobody there"));
  recorder.report(event("cart-1"));
  await settle();
  recorder.report(event("cart-1"));
  await clock.advance(20_000);
  assert.deepEqual([sent.length, recorder.figures.dropped, log.lines.length], [3, 0, 0]);
  answer = async () => ({});
  await clock.advance(10_000);
  const created = sent[3].args[1] as { readonly series: { readonly count: number } };
  assert.deepEqual([sent[3].verb, created.series.count, recorder.figures.sent], ["create", 2, 1]);
  await clock.advance(60_000);
  assert.equal(sent.length, 4);
});

test("an event that nobody takes for two minutes is dropped and told once", async () => {
  answer = () => Promise.reject(new FairleadError("KUBE_UNAVAILABLE", "not now"));
  recorder.report(event("cart-1"));
  await clock.advance(600_000);
  assert.deepEqual([sent.length, recorder.figures.dropped, log.lines.length], [12, 1, 1]);
});

test("an event that the server has forgotten is made again; one whose answer was lost is not made twice", async () => {
  recorder.report(event("cart-1"));
  await settle();
  answer = () => Promise.reject(new FairleadError("KUBE_NOT_FOUND", "gone"));
  recorder.report(event("cart-1"));
  await clock.advance(10_000);
  answer = () => Promise.reject(new FairleadError("KUBE_ALREADY_EXISTS", "there"));
  await clock.advance(10_000);
  answer = async () => ({});
  await clock.advance(10_000);
  assert.deepEqual(
    sent.map(({ verb }) => verb),
    ["create", "patch", "create", "patch"],
  );
  assert.equal(recorder.figures.dropped, 0);
});
