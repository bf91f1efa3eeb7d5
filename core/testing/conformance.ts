import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyPlugin } from "../api/plugin.ts";
import type { Isolation, PluginEntry } from "../controller/plugin-entry.ts";
import { describePlugin } from "../controller/plugin-load.ts";
import { judgeOptions } from "../controller/plugin-options.ts";
import { resourcesLeft, resourcesNow } from "./conformance-resources.ts";
import { type KindSample, samplesFor } from "./conformance-samples.ts";
import { type Harness, harness } from "./harness.ts";
import type { ObjectInput } from "./object.ts";

/** How a plugin is put to the test. All has defaults. */
export interface ConformanceOptions {
  /** Options that are good. Default: none. */
  readonly options?: unknown;
  /** What is in the cluster beside a few samples of the kinds that the plugin needs: definitions first. */
  readonly objects?: readonly ObjectInput[];
  /** Plugins that it cannot do without. */
  readonly plugins?: readonly (AnyPlugin | PluginEntry)[];
  /** Makes the plugin do what it is for, so that its writes are seen: applies objects, calls its services. */
  readonly exercise?: (harness: Harness) => Promise<void>;
  /** Where it must run. Default: inline, and as a worker too when it is given as the URL of its module. */
  readonly isolations?: readonly Isolation[];
}

/** One plugin and where it runs. */
interface Subject {
  readonly plugin: AnyPlugin | URL;
  readonly given: ConformanceOptions;
  readonly isolation: Isolation;
}

/**
 * Declares the tests that every plugin should pass; call it in a test file. Give the URL of the plugin's module, so that it is
 * tested in a thread of its own too: `conformance(new URL("./index.ts", import.meta.url), { options: { limit: 3 } })`.
 */
export function conformance(plugin: AnyPlugin | URL, given: ConformanceOptions = {}): void {
  test("conformance: is a plugin of this contract", async () => {
    await describePlugin(plugin);
  });
  test("conformance: options are checked, and unknown ones refused", () => checkOptions(plugin, given));
  for (const isolation of given.isolations ?? (plugin instanceof URL ? ["inline", "worker"] : ["inline"])) {
    const subject = { plugin, given, isolation };
    const name = `conformance, ${isolation}:`;
    test(`${name} starts and stops, twice, and leaves nothing running`, () => startTwice(subject));
    test(`${name} follows additions, changes and deletions without an error`, () => running(subject, follow));
    test(`${name} survives lists that begin anew, and being told of everything again`, () => running(subject, relist));
    test(`${name} stays up when the API server refuses its writes`, () => running(subject, refuseWrites));
    if (isolation === "worker") {
      test(`${name} runs again after a crash`, () => running(subject, crash));
    }
  }
}

interface Run {
  readonly h: Harness;
  readonly samples: readonly KindSample[];
  readonly exercise: (harness: Harness) => Promise<void>;
}

async function running({ plugin, given, isolation }: Subject, use: (run: Run) => Promise<void>): Promise<void> {
  const { declaration } = await describePlugin(plugin);
  const samples = samplesFor(declaration.kinds);
  await using h = await harness(plugin, {
    options: given.options,
    isolation,
    plugins: given.plugins,
    objects: [...(given.objects ?? []), ...samples.map(({ first }) => first)],
  });
  await use({ h, samples, exercise: given.exercise ?? (async () => {}) });
}

async function checkOptions(plugin: AnyPlugin | URL, { options }: ConformanceOptions): Promise<void> {
  const { schema } = (await describePlugin(plugin)).plugin;
  const verdict = await judgeOptions(schema, options);
  assert.ok(verdict.ok, `the options that the test gives are refused: ${JSON.stringify(verdict)}`);
  structuredClone(verdict.value);
  if (schema !== undefined) {
    const unknown = await judgeOptions(schema, { ...Object(options), "no-such-option": 1 });
    assert.ok(!unknown.ok, "an unknown option is taken without a word; use a strict schema, such as z.strictObject");
    for (const nonsense of [7, "text", ["list"]]) {
      const { ok } = await judgeOptions(schema, nonsense);
      assert.ok(!ok, `${JSON.stringify(nonsense)} is taken for options`);
    }
  }
}

async function startTwice(subject: Subject): Promise<void> {
  // What Node and libraries make once for the whole process is there after the first time.
  await running(subject, async () => {});
  const before = resourcesNow();
  await running(subject, async () => {});
  assert.deepEqual(await resourcesLeft(before), [], "left behind; end it when context.signal aborts");
}

async function follow({ h, samples, exercise }: Run): Promise<void> {
  for (const { second } of samples) {
    await h.apply(...second);
  }
  await exercise(h);
  for (const { first, second } of samples) {
    await h.delete(first, ...second);
  }
  assertNoErrors(h);
  const refused = h.requests().filter(({ error }) => /PERMISSION_NOT_DECLARED|FORBIDDEN/.test(error?.code ?? ""));
  assert.deepEqual(refused, [], "writes that `permissions` does not cover");
}

async function relist({ h, samples }: Run): Promise<void> {
  h.server.dropConnections();
  for (const { second } of samples) {
    for (const object of second) {
      h.server.objects.apply(object);
    }
  }
  h.server.bump();
  h.server.compact();
  await h.settled();
  await h.resync();
  await h.settled();
  assertNoErrors(h);
  const refusals = (await h.health()).filter(({ ok }) => !ok);
  assert.deepEqual(refusals, [], "health votes that are a no though all is well");
}

async function refuseWrites({ h, samples, exercise }: Run): Promise<void> {
  for (const verb of ["create", "update", "patch", "delete", "deletecollection"]) {
    h.server.faults.add({ match: { verb }, fault: { kind: "status", code: 422, reason: "Invalid" } });
  }
  for (const { second } of samples) {
    await h.apply(...second);
  }
  // What the exercise itself expects need not hold while writes fail.
  await exercise(h).catch(() => {});
  await h.settled();
  assert.equal(h.state, "running");
}

async function crash(run: Run): Promise<void> {
  await run.h.crash();
  await follow(run);
}

function assertNoErrors(h: Harness): void {
  assert.deepEqual(
    h.logs().filter(({ level }) => level === "error"),
    [],
    "errors in the log of the plugin",
  );
}
