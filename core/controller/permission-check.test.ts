import assert from "node:assert/strict";
import { test } from "node:test";
import type { PermissionRule } from "../api/plugin.ts";
import { covers, mergeRules, rulesAsYaml, rulesFor } from "./permission-check.ts";

const rule = (group: string, resources: string, verbs: string, names?: string): PermissionRule => ({
  apiGroups: [group],
  resources: resources.split(" "),
  verbs: verbs.split(" "),
  ...(names === undefined ? {} : { resourceNames: names.split(" ") }),
});

test("a rule covers what it names, with Kubernetes' wildcards", () => {
  const cases: [PermissionRule, string, string, string | undefined, boolean][] = [
    [rule("", "pods", "get"), "get", "pods", undefined, true],
    [rule("", "pods", "get"), "list", "pods", undefined, false],
    [rule("", "pods", "*"), "patch", "pods/status", undefined, false],
    [rule("", "pods/status", "patch"), "patch", "pods/status", undefined, true],
    [rule("", "*/status", "patch"), "patch", "pods/status", undefined, true],
    [rule("", "*", "get"), "get", "pods/log", undefined, true],
    [rule("*", "*", "*"), "get", "pods", undefined, true],
    [rule("apps", "pods", "get"), "get", "pods", undefined, false],
    [rule("", "pods", "get", "a b"), "get", "pods", "b", true],
    [rule("", "pods", "get", "a b"), "get", "pods", "c", false],
    [rule("", "pods", "list", "a"), "list", "pods", undefined, false],
  ];
  for (const [given, verb, resource, name, expected] of cases) {
    assert.equal(
      covers([given], { verb, group: "", resource, name }),
      expected,
      JSON.stringify([given, verb, resource]),
    );
  }
});

test("rules are merged to the least set, sorted", () => {
  assert.deepEqual(
    mergeRules([
      rule("apps", "deployments", "watch list"),
      rule("", "pods", "list watch"),
      rule("", "services", "list watch"),
      rule("", "pods", "list"),
      rule("", "configmaps", "get", "one"),
      rule("", "configmaps", "get", "two"),
      rule("", "secrets", "get", "one"),
      rule("", "secrets", "get"),
      rule("apps", "*", "list"),
    ]),
    [
      rule("", "configmaps", "get", "one two"),
      rule("", "pods services", "list watch"),
      rule("", "secrets", "get"),
      rule("apps", "*", "list"),
      rule("apps", "deployments", "watch"),
    ],
  );
});

test("plugins need to watch their kinds, their permissions, and to report events", () => {
  const plugin = { permissions: [rule("", "pods/status", "patch")], kinds: [{ apiVersion: "v1", plural: "pods" }] };
  const rules = rulesFor([plugin, plugin], [{ apiVersion: "apps/v1", plural: "deployments" }]);
  assert.deepEqual(rules, [
    rule("", "pods", "list watch"),
    rule("", "pods/status", "patch"),
    rule("apps", "deployments", "list watch"),
    rule("events.k8s.io", "events", "create patch"),
  ]);
  assert.equal(rulesAsYaml(rules.slice(1, 2)), '- apiGroups: [""]\n  resources: ["pods/status"]\n  verbs: ["patch"]\n');
  assert.deepEqual(rulesFor([], []), []);
});
