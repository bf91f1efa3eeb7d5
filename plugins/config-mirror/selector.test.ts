import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSelector } from "./selector.ts";

const matches = (selector: string, labels: Record<string, string>): boolean => {
  const parsed = parseSelector(selector);
  assert.ok(typeof parsed === "function", String(parsed));
  return parsed(labels);
};

test("selectors match as kubectl's do", () => {
  const web = { tier: "web", "example.org/team": "a", empty: "" };
  const table: readonly (readonly [string, boolean])[] = [
    ["", true],
    ["tier=web", true],
    ["tier==web", true],
    ["tier = web", true],
    ["tier=db", false],
    ["tier!=db", true],
    ["tier!=web", false],
    ["other!=web", true],
    ["tier", true],
    ["other", false],
    ["!other", true],
    ["! tier", false],
    ["tier in (web, db)", true],
    ["tier in (db)", false],
    ["other in (web)", false],
    ["tier notin (db,api)", true],
    ["tier notin (web)", false],
    ["other notin (web)", true],
    ["empty=", true],
    ["empty in (,x)", true],
    ["example.org/team=a,tier in (web,db)", true],
    ["example.org/team=a,tier=db", false],
    ["toString", false],
    ["!constructor", true],
  ];
  for (const [selector, expected] of table) {
    assert.equal(matches(selector, web), expected, selector);
  }
});

test("what is no selector is told", () => {
  for (const text of ["=", "a=b=c", "a in b", "a in (b", "a,,b", "a=b,", "a b", "a in (b c)", "-a", "a=-", "a=$(x)"]) {
    const told = parseSelector(text);
    assert.equal(typeof told, "string", text);
    assert.match(String(told), /is no requirement of a label selector/);
  }
});
