import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { refusal, Scenario } from "./machine.test-support.ts";

const paged = (): Scenario => new Scenario({ noWatchList: true });

describe("reflector: list and watch", () => {
  test("R1 watches from the list's version, and again from the version of the last event", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "10", token: "" });
    assert.deepEqual([s.last.kind, s.last.version], ["openWatch", "10"]);
    s.reply({ kind: "head" }).event("11").event("12");
    s.now += 5000;
    s.reply({ kind: "end" });
    assert.deepEqual([s.last.kind, s.last.version, s.requests.length], ["openWatch", "12", 3]);
  });

  test("R2 list error, watch error, resume: each step goes on from what is known", () => {
    const s = paged().start().refuse(500);
    assert.equal(s.state.synced, false);
    s.retry();
    assert.equal(s.last.kind, "list");
    s.reply({ kind: "head" }).reply({ kind: "page", version: "1", token: "" });
    s.reply({ kind: "head" }).event("2").event("3").reply({ kind: "fail", code: "KUBE_RESET", message: "reset" });
    s.retry();
    assert.deepEqual([s.last.kind, s.last.version], ["openWatch", "3"]);
    assert.equal(s.counted("lists"), 2);
    assert.equal(s.count("endReplace"), 1);
  });

  test("R3 five failures wait between 31 and 62 times the first delay; forty flatten at the maximum", () => {
    for (const random of [0, 0.5, 0.999]) {
      const s = new Scenario({ limits: { backoffMinMs: 1, backoffMaxMs: 1000 } }).synced();
      s.random = () => random;
      let total = 0;
      for (let i = 0; i < 5; i++) {
        s.reply({ kind: "fail", code: "KUBE_UNREACHABLE", message: "refused" });
        total += s.retry();
      }
      assert.ok(total >= 31 && total <= 62, String(total));
      let longest = 0;
      for (let i = 0; i < 40; i++) {
        s.reply({ kind: "fail", code: "KUBE_UNREACHABLE", message: "refused" });
        longest = s.retry();
      }
      assert.ok(longest >= 500 && longest <= 1000, String(longest));
    }
  });

  test("R4 the given backoff is used, and forgotten after two healthy minutes", () => {
    const s = new Scenario({ limits: { backoffMinMs: 50, backoffFactor: 3 } }).synced();
    s.random = () => 0;
    const waits = [1, 2, 3].map(() => s.reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry());
    assert.deepEqual(waits, [50, 150, 450]);
    s.reply({ kind: "head" });
    for (let i = 0; i < 3; i++) {
      s.advance(50_000).reply({ kind: "bookmark", version: "200", initialEnd: false });
    }
    assert.equal(s.reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry(), 50);
  });

  test("R5 429 when a watch is opened backs off without listing", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "10", token: "" });
    for (let i = 0; i < 4; i++) {
      s.refuse(429).retry();
    }
    s.reply({ kind: "head" }).event("11");
    const kinds = s.requests.map((request) => request.kind);
    assert.deepEqual(kinds, ["list", "openWatch", "openWatch", "openWatch", "openWatch", "openWatch"]);
    assert.ok(s.requests.slice(1).every((request) => request.version === "10"));
    assert.equal(s.probes, 0);
  });

  test("R6 an internal error inside the stream is counted and the watch goes on from the same version", () => {
    const s = new Scenario().synced("7").reply({ kind: "status", status: refusal(500, "InternalError") });
    assert.equal(s.counted("errors"), 1);
    assert.equal(s.count("cancel"), 1);
    const wait = s.retry();
    assert.ok(wait >= 800);
    assert.deepEqual([s.last.kind, s.last.version], ["openWatch", "7"]);
  });

  test("R7 pages of 500 from one replacement; the version of the first page counts", () => {
    const s = paged().start();
    assert.deepEqual(s.last, { kind: "list", id: 1, version: "", limit: 500, token: "", jsonOnly: false });
    s.reply({ kind: "head" }).reply({ kind: "page", version: "30", token: "next" });
    assert.deepEqual(s.last, { kind: "list", id: 2, version: "", limit: 500, token: "next", jsonOnly: false });
    s.reply({ kind: "head" }).reply({ kind: "page", version: "31", token: "" });
    assert.equal(s.last.version, "30");
    assert.deepEqual([s.count("beginReplace"), s.count("endReplace"), s.counted("lists")], [1, 1, 1]);
  });

  test("R8 a relist asks for the last version; an expired version is loaded anew at once, without a version", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "10", token: "" });
    s.reply({ kind: "head" }).event("12").input({ kind: "relist", reason: "drift" });
    assert.deepEqual([s.last.kind, s.last.version], ["list", "12"]);
    s.reply({ kind: "head" }).reply({ kind: "page", version: "13", token: "" });
    s.now += 200_000;
    s.refuse(410, "Expired");
    assert.deepEqual([s.last.kind, s.last.version], ["list", ""]);
    assert.equal(s.timers.has("retry"), false);
  });

  test("R8 a version too large for the server waits and probes; a lagging replica is not listed", () => {
    const s = new Scenario().synced("100").refuse(504, "Timeout", { causes: ["ResourceVersionTooLarge"] });
    assert.equal(s.probes, 1);
    s.probed("100").retry();
    assert.deepEqual([s.last.kind, s.last.version], ["openWatch", "100"]);
    assert.equal(s.counted("relists"), 0);
  });

  test("R9 the server timeout is random between 300 and 600 seconds", () => {
    for (const [random, seconds] of [
      [0, 300],
      [0.5, 450],
      [0.9999999, 600],
    ] as const) {
      const s = new Scenario();
      s.random = () => random;
      s.start();
      assert.equal(s.last.kind === "openWatch" && s.last.timeoutSeconds, seconds);
    }
  });

  test("R10 a watch that ends within a second and brought nothing is a failure", () => {
    const s = new Scenario().synced("5");
    s.now += 5000;
    s.reply({ kind: "end" }).reply({ kind: "head" });
    s.now += 900;
    s.reply({ kind: "end" });
    assert.equal(s.state.phase, "backingOff");
    assert.equal(s.counted("errors"), 1);
    assert.ok(s.retry() >= 800);
    assert.equal(s.last.version, "5");
  });

  test("R11 stop before or during any request leaves none and hears nothing more", () => {
    const never = new Scenario().input({ kind: "stop" }).start();
    assert.equal(never.requests.length, 0);
    for (const s of [paged().start(), new Scenario().start(), new Scenario().synced()]) {
      const id = s.state.request;
      s.input({ kind: "stop" });
      assert.equal(s.count("cancel"), 1);
      const done = s.actions.length;
      s.input({ kind: "page", id, version: "9", token: "" }).input({ kind: "end", id }).start();
      s.input({ kind: "timer", name: "retry" }).input({ kind: "wake" });
      assert.equal(s.actions.length, done);
      assert.equal(s.timers.size, 0);
    }
  });

  test("R12 content of another kind breaks the stream: counted, resumed from the last good version", () => {
    const s = new Scenario().synced("5").event("6");
    s.reply({ kind: "broken", code: "WIRE_WRONG_KIND", message: "Table" });
    assert.equal(s.counted("brokenFrames"), 1);
    s.retry();
    assert.deepEqual([s.last.kind, s.last.version], ["openWatch", "6"]);
  });

  test("R14 a storage read error loads anew", () => {
    const s = new Scenario().synced("5").reply({ kind: "status", status: refusal(500, "StorageReadError") });
    s.retry();
    assert.deepEqual([s.last.kind, s.last.version, s.counted("relists")], ["openWatch", "", 1]);
  });

  test("R15 nothing is asked of the server while a watch is healthy", () => {
    const s = new Scenario().synced("5");
    const requests = s.requests.length;
    for (let i = 0; i < 60; i++) {
      s.advance(60_000).reply({ kind: "bookmark", version: String(6 + i), initialEnd: false });
    }
    assert.equal(s.requests.length, requests);
    assert.equal(s.probes, 0);
  });
});

describe("reflector: streamed list", () => {
  test("W1 is not synced before the end bookmark", () => {
    const s = new Scenario().start().reply({ kind: "head" }).reply({ kind: "data", bytes: 9, events: 3, version: "4" });
    assert.equal(s.count("markSynced"), 0);
    s.reply({ kind: "bookmark", version: "9", initialEnd: true });
    assert.equal(s.count("markSynced"), 1);
    assert.equal(s.state.version, "9");
    assert.equal(s.requests.length, 1);
    assert.deepEqual([s.counted("lists"), s.counted("watches")], [1, 1]);
  });

  test("W2 without WatchList: a paged list, then a watch", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "3", token: "" });
    assert.deepEqual(
      s.requests.map((r) => r.kind),
      ["list", "openWatch"],
    );
    assert.equal(s.last.kind === "openWatch" && s.last.sendInitialEvents, false);
  });

  for (const [code, reason] of [
    [422, "Invalid"],
    [400, "BadRequest"],
    [501, "NotImplemented"],
    [406, "NotAcceptable"],
  ] as const) {
    test(`W3 ${code} ${reason} falls back to a paged list at once and is remembered`, () => {
      const s = new Scenario().start().refuse(code, reason);
      assert.equal(s.last.kind, "list");
      assert.equal(s.count("rememberNoWatchList"), 1);
      s.reply({ kind: "head" }).reply({ kind: "page", version: "3", token: "" }).refuse(410, "Expired");
      assert.equal(s.last.kind, "list");
    });
  }

  test("W3 a server error falls back to a paged list after a pause, for this load only", () => {
    const s = new Scenario().start().refuse(500, "InternalError");
    s.retry();
    assert.equal(s.last.kind, "list");
    assert.equal(s.count("rememberNoWatchList"), 0);
  });

  test("W4 changes before the end bookmark do not move the version", () => {
    const s = new Scenario().start().reply({ kind: "head" });
    s.event("50").event("51").event("52");
    assert.equal(s.state.version, "");
    s.reply({ kind: "bookmark", version: "52", initialEnd: true });
    assert.equal(s.state.version, "52");
  });

  test("W5 429 is tried again as a stream", () => {
    const s = new Scenario().start();
    s.refuse(429).retry();
    s.refuse(429).retry();
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "8", initialEnd: true });
    assert.deepEqual(
      s.requests.map((r) => r.kind === "openWatch" && r.sendInitialEvents),
      [true, true, true],
    );
  });

  test("W6 cut before the bookmark: a new stream; cut after it: a plain watch from the last version", () => {
    const s = new Scenario().start().reply({ kind: "head" }).event("5").reply({ kind: "end" });
    assert.equal(s.count("cancelReplace"), 1);
    s.retry();
    assert.equal(s.last.kind === "openWatch" && s.last.sendInitialEvents, true);
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "8", initialEnd: true });
    s.reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry();
    assert.deepEqual([s.last.kind === "openWatch" && s.last.sendInitialEvents, s.last.version], [false, "8"]);
  });

  test("W6 a stream cut three times is paged", () => {
    const s = new Scenario().start();
    for (let i = 0; i < 3; i++) {
      s.reply({ kind: "head" }).event("5").reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry();
    }
    assert.equal(s.last.kind, "list");
  });

  test("W7 an established watch that expires is loaded anew", () => {
    const s = new Scenario().synced("5");
    s.reply({ kind: "status", status: refusal(410, "Expired") });
    assert.deepEqual([s.last.kind === "openWatch" && s.last.sendInitialEvents, s.last.version], [true, ""]);
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "9", initialEnd: true });
    assert.equal(s.count("endReplace"), 2);
    assert.equal(s.count("markSynced"), 1);
  });

  test("W7 a version that expires again and again is loaded with growing pauses", () => {
    const s = new Scenario().synced("5");
    const waits: number[] = [];
    s.reply({ kind: "status", status: refusal(410, "Expired") });
    for (let i = 0; i < 5; i++) {
      s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "9", initialEnd: true });
      s.reply({ kind: "status", status: refusal(410, "Expired") });
      waits.push(s.retry());
    }
    assert.ok(
      waits.every((wait, i) => i === 0 || wait > waits[i - 1] || wait >= 15_000),
      String(waits),
    );
  });

  test("W8 a bookmark without the end mark does not end the load", () => {
    const s = new Scenario()
      .start()
      .reply({ kind: "head" })
      .reply({ kind: "bookmark", version: "9", initialEnd: false });
    assert.equal(s.state.mode, "streaming");
    assert.equal(s.state.version, "");
  });

  test("W9 the version told while streaming: none at first, the old one during a relist, the bookmark's after it", () => {
    const s = new Scenario().start().reply({ kind: "head" }).event("4");
    assert.equal(s.count("setVersion"), 0);
    s.reply({ kind: "bookmark", version: "9", initialEnd: true }).input({ kind: "relist", reason: "drift" });
    s.reply({ kind: "head" }).event("11");
    assert.equal(s.state.version, "9");
    s.reply({ kind: "bookmark", version: "12", initialEnd: true });
    assert.deepEqual(
      s.actions.flatMap((a) => (a.kind === "setVersion" ? [a.version] : [])),
      ["9", "12"],
    );
  });

  test("W10 no end mark: silence or the deadline falls back to a paged list, remembered", () => {
    const silent = new Scenario().start().reply({ kind: "head" }).event("4").advance(15_000);
    assert.equal(silent.last.kind, "list");
    const busy = new Scenario().start().reply({ kind: "head" });
    for (let i = 0; i < 60; i++) {
      busy.event(String(100 + i)).advance(1000);
    }
    assert.equal(busy.last.kind, "list");
    assert.equal(busy.count("rememberNoWatchList"), 1);
    assert.equal(busy.count("cancel"), 1);
  });

  test("W11 told not to stream, it never does", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "3", token: "" });
    s.refuse(410, "Gone").reply({ kind: "head" }).reply({ kind: "page", version: "4", token: "" });
    s.input({ kind: "relist", reason: "drift" });
    assert.ok(s.requests.every((r) => r.kind === "list" || !r.sendInitialEvents));
  });
});

describe("reflector: silence, pauses, absence", () => {
  test("no answer within the head deadline: backs off, then checks the server's version", () => {
    const s = new Scenario().synced("5");
    s.now += 5000;
    s.reply({ kind: "end" }).advance(30_000);
    assert.equal(s.state.phase, "backingOff");
    assert.equal(s.count("cancel"), 1);
    s.retry();
    s.reply({ kind: "head" });
    assert.equal(s.probes, 1);
  });

  test("a silent watch is replaced after 75 s from the same version", () => {
    const s = new Scenario().synced("5").reply({ kind: "bookmark", version: "6", initialEnd: false }).advance(74_000);
    assert.equal(s.requests.length, 1);
    s.advance(2_000);
    assert.deepEqual([s.requests.length, s.last.version, s.count("cancel")], [2, "6", 1]);
    s.reply({ kind: "head" });
    assert.equal(s.probes, 1);
  });

  test("a server that never sends bookmarks is given more time at each silence", () => {
    const s = new Scenario().synced("5");
    for (let i = 0; i < 20; i++) {
      s.advance(75_000);
      if (!s.state.headSeen) {
        s.reply({ kind: "head" });
      }
    }
    assert.ok(s.requests.length <= 9, String(s.requests.length));
  });

  test("a process that slept reads its sockets before it calls a watch silent", () => {
    const s = new Scenario().synced("5").reply({ kind: "bookmark", version: "6", initialEnd: false });
    s.now += 500_000;
    s.timers.delete("idle");
    s.input({ kind: "timer", name: "idle" });
    assert.equal(s.requests.length, 1);
    s.event("7").advance(60_000);
    assert.equal(s.requests.length, 1);
  });

  test("Retry-After is honoured up to a bound", () => {
    const s = new Scenario().synced("5");
    s.now += 5000;
    s.reply({ kind: "end" }).refuse(429, "TooManyRequests", { retryAfterMs: 17_000 });
    const wait = s.retry();
    assert.ok(wait >= 17_000 && wait < 18_000, String(wait));
    s.refuse(503, "", { retryAfterMs: 1e9 });
    const capped = s.retry();
    assert.ok(capped >= 120_000 && capped < 121_000, String(capped));
  });

  test("watches that end after one event each are opened at most once a second", () => {
    const s = new Scenario().synced("5");
    for (let i = 6; i < 106; i++) {
      s.reply({ kind: "head" }).event(String(i)).reply({ kind: "end" });
      if (s.timers.has("retry")) {
        s.retry();
      }
    }
    assert.ok(s.now >= 99_000, String(s.now));
    assert.equal(s.last.version, "105");
    assert.equal(s.counted("relists"), 0);
  });

  test("a continue token that expires lists all in one response, in a new replacement", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "30", token: "next" });
    s.refuse(410, "Expired");
    const { kind, version } = s.last;
    const token = s.last.kind === "list" ? s.last.token : undefined;
    assert.deepEqual([kind, version, token, s.last.kind === "list" && s.last.limit], ["list", "", "", 0]);
    assert.deepEqual([s.count("beginReplace"), s.count("cancelReplace")], [2, 1]);
  });

  test("a failed page is asked for again with the same token, and less of it when it broke off", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "30", token: "next" });
    s.reply({ kind: "head" }).reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry();
    assert.deepEqual([s.last.kind === "list" && s.last.token, s.last.kind === "list" && s.last.limit], ["next", 250]);
    assert.equal(s.count("beginReplace"), 1);
  });

  test("a continue token that leads nowhere lists all in one response", () => {
    const s = paged().start().reply({ kind: "head" }).reply({ kind: "page", version: "30", token: "same" });
    s.reply({ kind: "head" }).reply({ kind: "page", version: "30", token: "same" }).retry();
    assert.deepEqual([s.last.kind === "list" && s.last.limit, s.last.kind === "list" && s.last.token], [0, ""]);
  });

  test("forbidden: told once, tried again slowly, recovers", () => {
    const s = new Scenario().start();
    let total = 0;
    for (let i = 0; i < 5; i++) {
      s.refuse(403, "Forbidden");
      assert.equal(s.state.phase, "forbidden");
      total += s.retry();
    }
    assert.ok(total >= 300_000);
    assert.equal(s.actions.filter((a) => a.kind === "report").length, 1);
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "3", initialEnd: true });
    assert.equal(s.state.phase, "watching");
  });

  test("not served: a synced kind is cleared after two answers, and comes back by itself", () => {
    const s = new Scenario().synced("5");
    s.now += 5000;
    s.reply({ kind: "end" }).refuse(404, "NotFound");
    assert.equal(s.count("clear"), 0);
    s.retry();
    s.refuse(404, "NotFound");
    assert.equal(s.count("clear"), 1);
    assert.equal(s.state.phase, "notServed");
    s.retry();
    s.refuse(404, "NotFound");
    assert.equal(s.count("clear"), 1);
    s.input({ kind: "wake" });
    assert.equal(s.last.version, "");
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "2", initialEnd: true });
    assert.deepEqual([s.state.phase, s.state.version], ["watching", "2"]);
  });

  test("refused credentials keep the version, and renewed ones end the wait", () => {
    const s = new Scenario().synced("5");
    s.now += 5000;
    s.reply({ kind: "end" }).refuse(401, "Unauthorized").input({ kind: "wake" });
    assert.deepEqual([s.last.kind, s.last.version, s.state.open], ["openWatch", "5", true]);
  });

  test("bytes that keep breaking are asked for as JSON, and stepped over by a list at last", () => {
    const s = new Scenario().synced("5");
    for (let i = 0; i < 3; i++) {
      s.reply({ kind: "broken", code: "WIRE_BAD_FRAME", message: "" }).retry();
    }
    assert.equal(s.last.jsonOnly, true);
    assert.equal(s.last.version, "5");
    for (let i = 0; i < 3; i++) {
      s.reply({ kind: "broken", code: "WIRE_BAD_FRAME", message: "" }).retry();
    }
    assert.equal(s.last.version, "");
  });

  test("events in an impossible order load anew", () => {
    const s = new Scenario().synced("5").reply({ kind: "disorder", message: "7 after 9" });
    s.retry();
    assert.equal(s.last.version, "");
  });
});

describe("reflector: a server that goes back in time", () => {
  test("two answers below our version load everything anew, from a version below", () => {
    const s = new Scenario().synced("426");
    s.reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry();
    s.reply({ kind: "head" }).probed("223");
    assert.equal(s.counted("relists"), 0);
    s.advance(2000).probed("223");
    assert.deepEqual([s.last.kind === "openWatch" && s.last.sendInitialEvents, s.last.version], [true, ""]);
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "224", initialEnd: true });
    assert.deepEqual([s.state.version, s.count("endReplace"), s.counted("relists")], ["224", 2, 1]);
  });

  test("one low answer is not believed", () => {
    const s = new Scenario().synced("426");
    s.reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry();
    s.reply({ kind: "head" }).probed("223").advance(2000).probed("430").advance(60_000);
    assert.equal(s.counted("relists"), 0);
    assert.equal(s.probes, 2);
  });

  test("an answer that events overtook says nothing of them: a busy kind is not loaded anew", () => {
    const s = new Scenario().synced("426");
    s.reply({ kind: "fail", code: "KUBE_RESET", message: "" }).retry();
    s.reply({ kind: "head" }).event("430").probed("427").advance(2000).event("440").advance(60_000);
    assert.deepEqual([s.probes, s.counted("relists")], [1, 0]);
  });

  test("a failing probe is repeated, more and more slowly, and disturbs nothing", () => {
    const s = new Scenario().synced("426").reply({ kind: "fail", code: "KUBE_RESET", message: "" });
    s.retry();
    s.reply({ kind: "head" });
    for (let i = 0; i < 5; i++) {
      s.input({ kind: "probeFailed", id: s.lastProbe });
      const at = s.timers.get("probe") ?? Number.NaN;
      s.advance(at - s.now);
    }
    assert.equal(s.probes, 6);
    assert.equal(s.requests.length, 2);
  });

  test("a stale list after an expired version is doubted once", () => {
    const s = new Scenario().synced("426").reply({ kind: "status", status: refusal(410, "Expired") });
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "300", initialEnd: true });
    assert.deepEqual([s.state.version, s.state.mode, s.count("endReplace")], ["", "waiting", 1]);
    s.retry();
    s.reply({ kind: "head" }).reply({ kind: "bookmark", version: "430", initialEnd: true });
    assert.equal(s.state.version, "430");
  });
});
