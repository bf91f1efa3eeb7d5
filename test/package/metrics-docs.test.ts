import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { metricGroups } from "./metrics-page.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), "utf8");
const metrics = new Map(
  metricGroups()
    .flatMap((group) => group.metrics)
    .map((metric) => [metric.name, metric]),
);

/** Labels that Prometheus adds, or several controllers of one registry. */
const ADDED_LABELS: readonly string[] = ["controller", "job", "instance", "namespace", "pod"];

test("every metric that a guide names exists, with the labels that it asks for", () => {
  const ours = globSync("plugins/*/index.ts", { cwd: ROOT }).map((path) => path.split("/")[1].replaceAll("-", "_"));
  // And the plugin that the guide writes.
  const plugins = [...ours, "team_labels"];
  let found = 0;
  for (const page of ["README.md", ...globSync("docs/guide/*.md", { cwd: ROOT })]) {
    for (const [, name, selector] of read(page).matchAll(
      /\b((?:fairlead|process|nodejs)_[a-z0-9_]+)\b(?:\{([^}]*)\})?/g,
    )) {
      if (plugins.some((plugin) => name.startsWith(`fairlead_${plugin}_`))) {
        continue;
      }
      found++;
      const metric = metrics.get(name);
      assert.ok(metric !== undefined, `${page}: there is no metric ${name}`);
      for (const [, label] of (selector ?? "").matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)) {
        assert.ok([...metric.labels, ...ADDED_LABELS].includes(label), `${page}: ${name} has no label ${label}`);
      }
    }
  }
  assert.ok(found > 20, "the search finds nothing");
});

test("the alerts of the guide are rules as Prometheus reads them", () => {
  const block = /```yaml\n(groups:[\s\S]*?)```/.exec(read("docs/guide/operate.md"));
  const { groups } = parse(block?.[1] ?? "");
  const rules = groups.flatMap((group: { rules: unknown[] }) => group.rules);
  assert.ok(rules.length >= 8);
  for (const rule of rules) {
    assert.match(rule.alert, /^Fairlead[A-Za-z]+$/);
    assert.match(rule.for, /^\d+[smh]$/);
    assert.match(rule.labels.severity, /^(critical|warning)$/);
    assert.ok(rule.annotations.summary.length > 10);
    const depth = [...rule.expr].reduce((open: number, letter) => {
      const now = open + Number("({[".includes(letter)) - Number(")}]".includes(letter));
      assert.ok(now >= 0, rule.expr);
      return now;
    }, 0);
    assert.equal(depth, 0, rule.expr);
    for (const [, name] of String(rule.expr).matchAll(/\b(?:rate|increase)\(([a-z0-9_]+)/g)) {
      assert.equal(metrics.get(name)?.type, "counter", `rate of ${name}, which is no counter`);
    }
  }
});
