import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { openChannel } from "./pulled-port.ts";
import { type RpcOptions, RpcPeer } from "./rpc.ts";

class TestError extends Error {
  readonly code: string;
  readonly facts: object;

  constructor(code: string, message: string, facts: object = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

const makeError: RpcOptions["makeError"] = (code, message, facts) => new TestError(code, message, facts);

interface Pair extends Disposable {
  readonly near: RpcPeer;
  readonly far: RpcPeer;
}

function pair(options: Partial<RpcOptions> = {}): Pair {
  const [a, b] = openChannel();
  const near = new RpcPeer(a, { peer: "far", makeError, ...options });
  const far = new RpcPeer(b, { peer: "near", makeError });
  // The ports do not keep the test alive.
  const keep = setInterval(() => {}, 1000);
  return {
    near,
    far,
    [Symbol.dispose]: () => {
      clearInterval(keep);
      near.close(makeError("CLOSED", "closed"));
      far.close(makeError("CLOSED", "closed"));
    },
  };
}

test("answers come to whoever asked, in any order, from both sides", async () => {
  using both = pair();
  const { near, far } = both;
  const first = Promise.withResolvers<string>();
  far.handle("first", () => first.promise);
  far.handle("second", () => {
    first.resolve("1");
    return "2";
  });
  near.handle("back", (given) => [given]);
  assert.deepEqual(await Promise.all([near.request("first", 0), near.request("second", 0), far.request("back", 3)]), [
    "1",
    "2",
    [3],
  ]);
});

test("errors arrive with code, message and plain facts", async () => {
  using both = pair();
  both.far.handle("fail", () => {
    throw new TestError("TEST_FAIL", "told to fail", { count: 3, bad: () => {} });
  });
  both.far.handle("fail later", () => Promise.reject(new Error("no code")));
  both.far.handle("fail oddly", () => {
    throw {
      get code() {
        throw new Error("code");
      },
    };
  });
  const error: unknown = await both.near.request("fail", 0).catch((reason: unknown) => reason);
  assert.ok(error instanceof TestError);
  const { at, ...facts }: { readonly at?: unknown } = error.facts;
  assert.deepEqual([error.code, error.message, facts], ["TEST_FAIL", "told to fail", { count: 3 }]);
  assert.match(String(at), /rpc\.test\.ts:\d+:\d+$/);
  await assert.rejects(both.near.request("fail later", 0), { code: "UNKNOWN", message: "no code" });
  await assert.rejects(both.near.request("fail oddly", 0), { code: "UNKNOWN", message: /cannot be read/ });
  await assert.rejects(both.near.request("nothing", 0), { code: "RPC_UNKNOWN_METHOD" });
});

class View {
  get phase(): string {
    return "Running";
  }
}

for (const [what, value, path] of [
  ["a function", { call: () => {} }, "given.call is a function"],
  ["a symbol", [Symbol("s")], "given[0] is a symbol"],
  ["an instance", { pod: new View() }, "given.pod is an instance of View"],
  ["a proxy", { deep: new Proxy({}, {}) }, "could not be cloned"],
] as const) {
  test(`${what} does not cross, and is named`, async () => {
    using both = pair();
    both.far.handle("echo", (given) => given);
    both.far.handle("give", () => value);
    await assert.rejects(both.near.request("echo", value), (error: TestError) => {
      assert.equal(error.code, "RPC_NOT_CLONEABLE");
      assert.ok(error.message.includes(path), error.message);
      return true;
    });
    await assert.rejects(both.near.request("give", 0), { code: "RPC_NOT_CLONEABLE" });
    assert.equal(await both.near.request("echo", "still fine"), "still fine");
  });
}

test("plain data of all kinds crosses", async () => {
  using both = pair();
  both.far.handle("echo", (given) => given);
  const data = {
    a: [1, null, undefined, true, 2n],
    date: new Date(0),
    map: new Map([["k", new Set([1])]]),
    bytes: new Uint8Array([1, 2]),
  };
  assert.deepEqual(await both.near.request("echo", data), data);
});

test("buffers can be moved", async () => {
  using both = pair();
  both.far.handle("size", (given) => (given as ArrayBuffer).byteLength);
  const buffer = new ArrayBuffer(1000);
  assert.equal(await both.near.request("size", buffer, { transfer: [buffer] }), 1000);
  assert.equal(buffer.byteLength, 0);
});

test("a call that is not answered in time rejects, is cancelled, and says how far it came", async (t) => {
  using both = pair();
  const cancelled = Promise.withResolvers<unknown>();
  const reached = Promise.withResolvers<void>();
  both.far.handle("never", (_given, { signal }) => {
    reached.resolve();
    signal.addEventListener("abort", () => cancelled.resolve(signal.reason));
    return new Promise(() => {});
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const answer = both.near.request("never", 0, { deadlineMs: 50 });
  await reached.promise;
  // The acknowledgement is read in a later turn.
  await both.near.request("unknown", 0).catch(() => {});
  t.mock.timers.tick(50);
  await assert.rejects(answer, {
    code: "RPC_TIMEOUT",
    message: /still worked on/,
    facts: { method: "never", deadlineMs: 50, received: true },
  });
  const reason = await cancelled.promise;
  assert.equal(reason instanceof TestError && reason.code, "RPC_ABORTED");
  assert.equal(both.near.figures.waiting, 0);
});

test("a call ends with its signal", async () => {
  using both = pair();
  const controller = new AbortController();
  const cancelled = Promise.withResolvers<void>();
  both.far.handle("never", (_given, { signal }) => {
    signal.addEventListener("abort", () => cancelled.resolve());
    controller.abort();
    return new Promise(() => {});
  });
  await assert.rejects(both.near.request("never", 0, { signal: controller.signal }), { code: "RPC_ABORTED" });
  await cancelled.promise;
  await assert.rejects(both.near.request("never", 0, { signal: controller.signal }), { code: "RPC_ABORTED" });
});

test("at most so many calls are under way; the rest waits, and too many are refused", async () => {
  using both = pair({ credits: 4 });
  const held: (() => void)[] = [];
  let most = 0;
  const third = new EventTarget();
  both.far.handle("hold", async () => {
    most = Math.max(most, held.length + 1);
    await new Promise<void>((resolve) => {
      held.push(resolve);
      third.dispatchEvent(new Event("held"));
    });
  });
  const answers = Array.from({ length: 20 }, () => both.near.request("hold", 0));
  for (let done = 0; done < 20; done++) {
    if (held.length === 0) {
      await once(third, "held");
    }
    held.shift()?.();
  }
  await Promise.all(answers);
  assert.ok(most <= 4, `${most} at once`);
  const crowd = Array.from({ length: 10_010 }, () => both.near.request("hold", 0, { deadlineMs: 0 }));
  await assert.rejects(crowd[10_009], { code: "RPC_OVERLOADED" });
  both.near.close(makeError("CLOSED", "the end"));
  const ends = await Promise.allSettled(crowd);
  assert.deepEqual(
    new Set(ends.map((end) => end.status === "rejected" && end.reason.code)),
    new Set(["CLOSED", "RPC_OVERLOADED"]),
  );
});

test("an event that nobody takes in is dropped after a while, and counted", async () => {
  using both = pair();
  let heard = 0;
  const enough = Promise.withResolvers<void>();
  both.far.listen("told", () => {
    if (++heard === 1024) {
      enough.resolve();
    }
  });
  for (let i = 0; i < 5000; i++) {
    both.near.event("told", i);
  }
  assert.equal(both.near.figures.droppedEvents, 5000 - 1024);
  await enough.promise;
  // By this answer the acknowledgements are in.
  await both.near.request("unknown", 0).catch(() => {});
  assert.equal(both.near.event("told", 0), true);
});

test("a listener or handler that throws ends nothing", async () => {
  using both = pair();
  both.far.listen("told", () => {
    throw new Error("no");
  });
  both.far.handle("echo", (given) => given);
  both.near.event("told", 1);
  assert.equal(await both.near.request("echo", 1), 1);
  assert.equal(both.far.figures.garbage, 1);
});

test("closing rejects what waits and aborts what is served", async () => {
  using both = pair();
  const served = Promise.withResolvers<AbortSignal>();
  both.far.handle("never", (_given, { signal }) => {
    served.resolve(signal);
    return new Promise(() => {});
  });
  const answer = both.near.request("never", 0);
  const signal = await served.promise;
  both.far.close(makeError("FAR_GONE", "far is gone"));
  assert.equal(signal.aborted, true);
  both.near.close(makeError("NEAR_GONE", "near is gone"));
  await assert.rejects(answer, { code: "NEAR_GONE" });
  await assert.rejects(both.near.request("never", 0), { code: "NEAR_GONE" });
  assert.equal(both.near.event("told", 0), false);
});
