import assert from "node:assert/strict";
import { test } from "node:test";
import type { HookAsk } from "../hooks/hook-board.ts";
import { electionCheck, Health, kindCheck, pluginCheck } from "./health.ts";
import { answerProbe } from "./health-text.ts";
import { figureSources, ingestSource, kindStatus, pluginFigures, pluginInfo } from "./metrics-sources.test-support.ts";

const never = (): boolean => false;
const failing = async (health: Health): Promise<Record<string, string | undefined>> =>
  Object.fromEntries((await health.report()).checks.filter(({ ok }) => !ok).map(({ name, detail }) => [name, detail]));

test("a controller that has everything is live and ready", async () => {
  const report = await new Health(figureSources(), never).report();
  assert.deepEqual(report, {
    live: true,
    ready: true,
    checks: [
      { name: "ping", ok: true, live: true },
      { name: "shutdown", ok: true, live: false },
      { name: "ingest", ok: true, live: true },
      { name: "kind/pods", ok: true, live: false },
    ],
  });
});

const now = 1_000_000_000;
const kindCases: readonly (readonly [string, Parameters<typeof kindStatus>[0], boolean, RegExp?])[] = [
  ["current", {}, true],
  ["loading", { synced: false, phase: 2 }, false, /not complete \(listing\)/],
  ["waiting for the server", { synced: false, phase: 4 }, false, /backing off/],
  ["forbidden", { synced: false, phase: 6 }, false, /forbidden/],
  ["forbidden after it was complete", { phase: 6 }, false, /forbidden/],
  ["not served", { synced: false, phase: 5 }, true, /does not have it/],
  ["300 seconds old", { currentAtMs: now - 300_000 }, true],
  ["older", { currentAtMs: now - 302_000, phase: 4 }, false, /current for 302 s \(backing off\)/],
];
for (const [what, more, ok, detail] of kindCases) {
  test(`a kind that is ${what} is ${ok ? "well" : "not well"}`, () => {
    const status = kindStatus({ currentAtMs: now, ...more });
    const check = kindCheck("pods", status, { nowMs: now, staleAfterSeconds: 300 });
    assert.equal(check.ok, ok);
    assert.match(check.detail ?? "", detail ?? /^$/);
    assert.equal(check.live, false);
  });
}

test("staleness can be switched off", () => {
  const status = kindStatus({ currentAtMs: 0 });
  assert.equal(kindCheck("pods", status, { nowMs: now, staleAfterSeconds: 0 }).ok, true);
});

test("a required plugin must run; another one leaves a remark", () => {
  const error = { code: "PLUGIN_CRASHED", message: "it crashed 3 times" };
  assert.equal(pluginCheck(pluginInfo()).ok, true);
  for (const state of ["waiting", "starting", "restarting", "stopping", "stopped", "failed", "disabled"] as const) {
    assert.equal(pluginCheck(pluginInfo({ state })).ok, false, state);
  }
  assert.deepEqual(pluginCheck(pluginInfo({ state: "disabled", error, required: false })), {
    name: "plugin/dns",
    ok: true,
    live: false,
    detail: "not required; disabled: it crashed 3 times (PLUGIN_CRASHED)",
  });
});

test("to lead and to follow is both well; to hear nothing of the lease for longer than it lasts is not", () => {
  const figures = {
    isLeader: false,
    leader: "two",
    silentMs: 100,
    failures: 0,
    problem: undefined,
    leaseDurationMs: 15_000,
  };
  const well = { name: "leader-election", ok: true, live: false };
  assert.deepEqual(electionCheck({ ...figures, isLeader: true }), { ...well, detail: "leading" });
  assert.deepEqual(electionCheck(figures), { ...well, detail: "following two" });
  assert.deepEqual(electionCheck({ ...figures, leader: "" }), { ...well, detail: "nobody leads" });
  const problem = { code: "KUBE_FORBIDDEN", message: "no" };
  assert.equal(electionCheck({ ...figures, failures: 3, problem, silentMs: 15_000 }).ok, true);
  assert.deepEqual(electionCheck({ ...figures, failures: 3, problem, silentMs: 15_600 }), {
    ...well,
    ok: false,
    detail: "the lease was not reached for 16 s: no (KUBE_FORBIDDEN)",
  });
});

test("an ingest thread that is started again is unready, one that was given up is dead", async () => {
  const down = (final: boolean) =>
    new Health(figureSources(undefined, ingestSource({ failure: { message: "it ended", final } })), never).report();
  assert.deepEqual([(await down(false)).live, (await down(false)).ready], [true, false]);
  assert.deepEqual([(await down(true)).live, (await down(true)).ready], [false, false]);
});

test("before the start and while it stops it is live but not ready", async () => {
  const before = await new Health(figureSources(undefined, { ingest: () => undefined }), never).report();
  assert.deepEqual([before.live, before.ready], [true, false]);
  const after = await new Health(figureSources(), () => true).report();
  assert.deepEqual([after.live, after.ready], [true, false]);
});

test("checks of the embedder count too, and one that throws is a failure", async () => {
  const own = { name: "own", ok: false, live: true, detail: "mine" };
  const report = await new Health(figureSources(), never, { checks: () => [own] }).report();
  assert.deepEqual([report.live, report.checks.at(-1)], [false, own]);
  const checks = (): never => {
    throw new Error("broken check");
  };
  assert.deepEqual(await failing(new Health(figureSources(), never, { checks })), { checks: "broken check" });
});

const voter = (name: string, ask: () => unknown): HookAsk => ({ plugin: "dns", name, ask: async () => ask() });

test("votes count, whatever a plugin gives; only a clear yes is one", async () => {
  const voters = [
    voter("yes", () => true),
    voter("fine", async () => ({ ok: true, detail: "3 zones" })),
    voter("no", () => false),
    voter("because", () => ({ ok: false, detail: "no zone" })),
    voter("throws", () => {
      throw new Error("broken vote");
    }),
    voter("rejects", () => Promise.reject(new Error("broken promise"))),
    voter("undefined", () => undefined),
    voter("text", () => "yes"),
    voter("null", () => null),
    voter("number", () => ({ ok: 1 })),
  ];
  const health = new Health(figureSources(undefined, pluginFigures({ healthVotes: () => voters })), never);
  assert.deepEqual(await failing(health), {
    "vote/dns/no": "the plugin says no",
    "vote/dns/because": "no zone",
    "vote/dns/throws": "broken vote",
    "vote/dns/rejects": "broken promise",
    "vote/dns/undefined": "the plugin says no",
    "vote/dns/text": "the plugin says no",
    "vote/dns/null": "the plugin says no",
    "vote/dns/number": "the plugin says no",
  });
});

test("votes are asked for once a second, however often somebody asks", async () => {
  let asked = 0;
  let clock = 0;
  const healthVotes = () => [voter("count", () => ++asked > 0)];
  const health = new Health(figureSources(undefined, pluginFigures({ healthVotes })), never, {}, () => clock);
  for (let i = 0; i < 100; i++) {
    await Promise.all([health.report(), health.report()]);
  }
  assert.equal(asked, 1);
  clock = 1000;
  await health.report();
  assert.equal(asked, 2);
});

test("a vote that has just come is asked for at once: what was there before says nothing of it", async () => {
  const votes: HookAsk[] = [];
  const health = new Health(figureSources(undefined, pluginFigures({ healthVotes: () => votes })), never, {}, () => 0);
  assert.deepEqual(await failing(health), {});
  votes.push(voter("answers", () => false));
  assert.deepEqual(await failing(health), { "vote/dns/answers": "the plugin says no" });
});

test("a vote that never comes is a no after a second, and is not asked for again meanwhile", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let asked = 0;
  let clock = 0;
  const answer = Promise.withResolvers<boolean>();
  const healthVotes = () => [
    voter("slow", () => {
      asked++;
      return answer.promise;
    }),
  ];
  const health = new Health(figureSources(undefined, pluginFigures({ healthVotes })), never, {}, () => clock);
  for (let i = 0; i < 5; i++) {
    const report = failing(health);
    t.mock.timers.tick(1000);
    assert.deepEqual(await report, { "vote/dns/slow": "no answer within 1000 ms" });
    clock += 1000;
  }
  assert.equal(asked, 1);
  answer.resolve(true);
  await answer.promise;
  assert.deepEqual(await failing(health), {});
});

const checks = [
  { name: "ping", ok: true, live: true },
  { name: "kind/pods", ok: false, live: false, detail: "not\ncomplete" },
  { name: "kind/widgets", ok: true, live: false, detail: "the cluster does not have it" },
];
const ask = { probe: "readyz", verbose: false, exclude: [] };

test("a probe that fails says what failed, as the API server does", () => {
  assert.deepEqual(answerProbe(checks, ask), {
    status: 500,
    body: [
      "[+]ping ok",
      "[-]kind/pods failed: not complete",
      "[+]kind/widgets ok: the cluster does not have it",
      "readyz check failed",
      "",
    ].join("\n"),
  });
});

test("a probe that passes says ok, and more when asked", () => {
  const well = checks.filter(({ ok }) => ok);
  assert.deepEqual(answerProbe(well, ask), { status: 200, body: "ok" });
  assert.deepEqual(answerProbe(well, { ...ask, verbose: true }), {
    status: 200,
    body: "[+]ping ok\n[+]kind/widgets ok: the cluster does not have it\nreadyz check passed\n",
  });
});

test("excluded checks do not count, unknown ones are told", () => {
  assert.deepEqual(answerProbe(checks, { ...ask, exclude: ["kind/pods"] }), { status: 200, body: "ok" });
  const { status, body } = answerProbe(checks, { ...ask, verbose: true, exclude: ["kind/pods", "etcd"] });
  assert.equal(status, 200);
  assert.match(body, /^\[\+\]kind\/pods excluded: ok$/m);
  assert.match(body, /cannot be excluded: no matches for "etcd"$/m);
});

test("a single check can be asked for", () => {
  assert.deepEqual(answerProbe(checks, { ...ask, check: "ping" }), { status: 200, body: "ok" });
  assert.deepEqual(answerProbe(checks, { ...ask, check: "kind/pods" }), {
    status: 500,
    body: "[-]kind/pods failed: not complete\n",
  });
  assert.equal(answerProbe(checks, { ...ask, check: "nothing" }).status, 404);
});
