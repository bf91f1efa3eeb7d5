import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { membersOf, winnerOf } from "./rendezvous.ts";

const KEYS = Array.from({ length: 20_000 }, (_, at) => `team-${at}`);

suite("rendezvous hashing", () => {
  test("gives each member about its part", () => {
    const members = membersOf(["a", "b", "c", "d", "e"]);
    const counts = new Map<string, number>();
    for (const key of KEYS) {
      const winner = winnerOf(key, members);
      counts.set(winner, (counts.get(winner) ?? 0) + 1);
    }
    for (const name of members.names) {
      const part = (counts.get(name) ?? 0) / KEYS.length;
      assert.ok(Math.abs(part - 0.2) < 0.015, `${name} has ${part}`);
    }
  });

  test("members with names that are nearly the same throw by themselves", () => {
    const members = membersOf(Array.from({ length: 10 }, (_, at) => `controller-7d9f-${at}`));
    const counts = new Map<string, number>();
    for (const key of KEYS) {
      const winner = winnerOf(key, members);
      counts.set(winner, (counts.get(winner) ?? 0) + 1);
    }
    for (const name of members.names) {
      assert.ok(Math.abs((counts.get(name) ?? 0) / KEYS.length - 0.1) < 0.015);
    }
  });

  test("moves no keys but those of who goes, or that who comes wins", () => {
    const before = membersOf(["a", "b", "c"]);
    const after = membersOf(["d", "c", "b", "a"]);
    for (const key of KEYS) {
      const [was, is] = [winnerOf(key, before), winnerOf(key, after)];
      assert.ok(is === was || is === "d");
    }
  });

  test("knows neither order nor repetition, and nobody wins among none", () => {
    assert.deepEqual(membersOf(["b", "a", "b"]), membersOf(["a", "b"]));
    assert.equal(winnerOf("x", membersOf([])), "");
    assert.equal(winnerOf("x", membersOf(["a"])), "a");
  });
});
