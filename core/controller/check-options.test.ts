import assert from "node:assert/strict";
import { test } from "node:test";
import { pods } from "../kinds/index.ts";
import { checkOptions, checkPluginList } from "./check-options.ts";
import { createController } from "./create-controller.ts";

const plugin = { name: "x", apiVersion: "fairlead/v1", setup: () => {} };

const BAD: readonly (readonly [name: string, options: unknown, message: string])[] = [
  ["nothing", undefined, "the options must be an object, not undefined"],
  ["null", null, "the options must be an object, not null"],
  [
    "an option that does not exist",
    { namespace: "shop" },
    'there is no option "namespace", did you mean "namespaces"?',
  ],
  ["a kind outside of a list", { kinds: pods }, 'kinds must be a list of kinds, as of "fairlead/kinds": kinds: [pods]'],
  ["names of kinds", { kinds: ["pods"] }, 'kinds must be a list of kinds, as of "fairlead/kinds": kinds: [pods]'],
  [
    "a kind that is undefined",
    { kinds: [undefined] },
    'kinds must be a list of kinds, as of "fairlead/kinds": kinds: [pods]',
  ],
  ["a namespace as text", { namespaces: "shop" }, 'namespaces must be an object, not "shop"'],
  [
    "a pattern as text",
    { namespaces: { allow: "shop" } },
    'namespaces must be right: allow must be a list of strings such as ["shop", "team-*"], not "shop"',
  ],
  ["a slip in ingest", { ingest: "worker" }, 'ingest must be "thread" or "inline", not "worker"'],
  ["a time as text", { startTimeoutMs: "5s" }, 'startTimeoutMs must be a number from 0, not "5s"'],
  [
    "a time that is not a number",
    { auditEveryMs: Number.NaN },
    "auditEveryMs must be milliseconds from 0 to 1000000000, not NaN",
  ],
  [
    "a time that no timer takes, which would list from the server without end",
    { auditEveryMs: Number.POSITIVE_INFINITY },
    "auditEveryMs must be milliseconds from 0 to 1000000000, not Infinity",
  ],
  ["a logger that is none", { log: {} }, "log must be a logger; it has no debug, info, warn, error"],
  [
    "an AbortController",
    { signal: new AbortController() },
    "signal must be an AbortSignal; it has no addEventListener, removeEventListener",
  ],
  ["a cluster of null", { cluster: null }, "cluster must be an object, not null"],
  [
    "a controller that is not ended",
    { controllers: [{ for: () => {} }] },
    'controllers must be a list of controllers that end in .reconcile(…), as of "fairlead/reconcile"',
  ],
  ["plugins as an object", { plugins: {} }, "plugins must be a list, not object"],
  [
    "a slip in a plugin's isolation",
    { plugins: [{ use: plugin, isolation: "thread" }] },
    'plugins must be right: plugins[0].isolation must be "inline" or "worker", not "thread"',
  ],
  [
    "several",
    { ingest: 1, statisticsEveryMs: -1 },
    'ingest must be "thread" or "inline", not 1; statisticsEveryMs must be milliseconds from 0 to 1000000000, not -1',
  ],
];

for (const [name, options, message] of BAD) {
  test(`refuses ${name}`, () => {
    assert.throws(() => checkOptions(options), {
      code: "CONTROLLER_BAD_OPTION",
      message: `the controller cannot be made: ${message}`,
    });
  });
}

test("takes what is undefined for what is left out, and loggers and signals of any make", () => {
  checkOptions({ kinds: [pods], log: console, signal: AbortSignal.abort(), status: undefined, plugins: [plugin] });
});

test("a controller and a reload refuse what they cannot follow", async () => {
  // What a program without types gives.
  const options = { kinds: [pods], namespaces: "shop" } as unknown as { kinds: [typeof pods] };
  assert.throws(() => createController(options), { code: "CONTROLLER_BAD_OPTION" });
  assert.throws(() => checkPluginList(undefined), { code: "CONTROLLER_BAD_OPTION" });
  await assert.rejects(createController({ kinds: [pods] }).reload({} as never), { code: "CONTROLLER_BAD_OPTION" });
});
