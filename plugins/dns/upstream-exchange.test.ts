import assert from "node:assert/strict";
import { test } from "node:test";
import packet from "dns-packet";
import { ManualClock } from "../../core/watch/manual-clock.test-support.ts";
import { wireName } from "./resolve-question.ts";
import { newStats } from "./resolve-stats.ts";
import { Exchange } from "./upstream-exchange.ts";
import { RandomSource } from "./upstream-random.ts";
import type { ReplyListener } from "./upstream-udp.ts";

test("a mistake of whoever takes the reply is told, and does not reach the socket", () => {
  const told: unknown[] = [];
  const parts = {
    clock: new ManualClock(),
    random: new RandomSource(),
    stats: newStats(),
    failed: (error: unknown) => told.push(error),
  };
  const sent: { packet: Buffer; listener: ReplyListener }[] = [];
  const mistake = new Error("a mistake");
  const question = { name: wireName("www.example.test") ?? "", type: 1, dnssec: false, checkingDisabled: false };
  const exchange = new Exchange(question, parts, {
    send: (bytes, _overTcp, listener) => {
      sent.push({ packet: bytes, listener });
      return { end: () => {} };
    },
    form: () => ({ edns: false, randomCase: false, udpSize: 1232 }),
    refusesEdns: () => {},
    changesCase: () => {},
    answered: () => {},
    end: () => {
      throw mistake;
    },
  });
  exchange.start(false);
  const { questions } = packet.decode(sent[0].packet);
  sent[0].listener.onReply(packet.encode({ type: "response", id: 0, questions, answers: [] }));
  assert.deepEqual(told, [mistake]);
});
