import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Leadership } from "../election/leadership.ts";
import { LiveTerm } from "../election/term.ts";
import { codeOf, FairleadError } from "../errors.ts";
import type { HookBoard } from "../hooks/hook-board.ts";
import type { KubeClient, KubeObject } from "../kube/client.ts";
import { silentLogger } from "../log.ts";
import { ManualClock, settle } from "../watch/manual-clock.test-support.ts";
import { KubeGate } from "./kube-gate.ts";
import type { KubeCall } from "./plugin-site.ts";

const CREATE: KubeCall = {
  verb: "create",
  args: [{ apiVersion: "v1", plural: "configmaps", namespace: "shop" }, { metadata: { name: "a" } }, {}],
};
const READ: KubeCall = {
  verb: "get",
  args: [{ apiVersion: "v1", plural: "configmaps", namespace: "shop", name: "a" }],
};

/** Leads in terms that the test begins and ends. */
class ScriptedLeadership implements Leadership {
  readonly identity = "one";
  readonly leader = "one";
  readonly clock = new ManualClock();
  #term: LiveTerm | undefined;
  #terms = 0;

  get isLeader(): boolean {
    return this.#term !== undefined;
  }

  lead(): void {
    const parts = { number: ++this.#terms, clock: this.clock, renewDeadlineMs: 10_000, lease: "shop/x" };
    const term = new LiveTerm(
      { ...parts, onOverdue: () => term.end("overdue") },
      this.clock.now(),
      this.clock.wallNow(),
    );
    this.#term = term;
  }

  lose(): void {
    this.#term?.end("it was lost");
    this.#term = undefined;
  }

  term(): LiveTerm {
    if (this.#term === undefined) {
      throw new FairleadError("ELECTION_NOT_LEADER", "no");
    }
    return this.#term;
  }

  fence(): void {
    this.term().check();
  }
}

/** What the client is asked, and how it answers. */
class Client {
  readonly sent: string[] = [];
  /** Tries of one request, as after 429: each is checked before it is sent. */
  tries: (() => Promise<void>)[] = [];
  connecting: Promise<void> = Promise.resolve();

  async open(): Promise<KubeClient> {
    await this.connecting;
    const send = async (verb: string, options: { beforeEach?: () => void; signal?: AbortSignal } | undefined) => {
      for (const wait of [...this.tries, async () => {}]) {
        options?.beforeEach?.();
        this.sent.push(verb);
        const { promise, reject } = Promise.withResolvers<never>();
        options?.signal?.addEventListener("abort", () => reject(new FairleadError("KUBE_ABORTED", "cancelled")));
        await Promise.race([wait(), promise]);
      }
      return {} as KubeObject;
    };
    return {
      create: (_target: unknown, _object: unknown, options: never) => send("create", options),
      get: (_target: unknown, options: never) => send("get", options),
      // Nothing else is called here.
    } as unknown as KubeClient;
  }
}

function gateOver(leadership: Leadership, board: Partial<HookBoard> = {}) {
  const client = new Client();
  const gate = new KubeGate({
    client: () => client.open(),
    board: { isTapped: () => false, ...board } as HookBoard,
    log: silentLogger,
    clock: new ManualClock(),
  });
  const call = gate.open({ name: "writer", rules: undefined, dryRun: false, leadership });
  const outcome = (given: KubeCall): Promise<string> => call(given).then(() => "done", codeOf);
  return { client, gate, outcome };
}

suite("writes of what only the leader may do", () => {
  test("pass while it leads, reads always", async () => {
    const leadership = new ScriptedLeadership();
    const { client, gate, outcome } = gateOver(leadership);
    assert.deepEqual([await outcome(CREATE), await outcome(READ)], ["ELECTION_NOT_LEADER", "done"]);
    leadership.lead();
    assert.equal(await outcome(CREATE), "done");
    leadership.lose();
    assert.equal(await outcome(CREATE), "ELECTION_NOT_LEADER");
    assert.deepEqual(client.sent, ["get", "create"]);
    assert.equal(gate.figuresOf("writer").refused, 2);
  });

  test("are refused right after a pause, before anything told of the loss", async () => {
    const leadership = new ScriptedLeadership();
    const { client, outcome } = gateOver(leadership);
    leadership.lead();
    await leadership.clock.advance(10_000);
    assert.equal(await outcome(CREATE), "ELECTION_LOST");
    assert.deepEqual(client.sent, []);
  });

  test("are not sent when the term ends while they wait for the connection", async () => {
    const leadership = new ScriptedLeadership();
    const { client, outcome } = gateOver(leadership);
    const { promise, resolve } = Promise.withResolvers<void>();
    client.connecting = promise;
    leadership.lead();
    const writing = outcome(CREATE);
    await settle();
    leadership.lose();
    leadership.lead();
    resolve();
    assert.equal(await writing, "ELECTION_LOST", "what was begun in an earlier term belongs to it");
    assert.deepEqual(client.sent, []);
  });

  test("are not sent when the term ends while writeBefore is asked", async () => {
    const leadership = new ScriptedLeadership();
    const { client, outcome } = gateOver(leadership, {
      isTapped: () => true,
      call: async () => {
        leadership.lose();
        return { answers: [], failures: [], late: [] };
      },
    });
    leadership.lead();
    assert.equal(await outcome(CREATE), "ELECTION_LOST");
    assert.deepEqual(client.sent, []);
  });

  test("are not tried again after the loss, and what is under way is cancelled", async () => {
    const leadership = new ScriptedLeadership();
    const { client, outcome } = gateOver(leadership);
    leadership.lead();
    client.tries = [() => leadership.clock.advance(20_000)];
    assert.equal(await outcome(CREATE), "ELECTION_LOST");
    assert.deepEqual(client.sent, ["create"]);
    leadership.lead();
    client.tries = [() => new Promise(() => {})];
    const writing = outcome(CREATE);
    await settle();
    leadership.lose();
    assert.equal(await writing, "ELECTION_LOST");
    assert.deepEqual(client.sent, ["create", "create"]);
  });
});
