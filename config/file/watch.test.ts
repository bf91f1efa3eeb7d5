import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { FairleadError } from "../../core/errors.ts";
import { configChanges } from "./controller-options.ts";
import { type LoadedConfig, loadConfig } from "./load.ts";
import { type ConfigWatch, type WatchConfigOptions, watchConfig } from "./watch.ts";

type Told = { readonly level: string } | { readonly error: FairleadError };

let folder: string;
let keepAlive: NodeJS.Timeout;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fairlead-watch-"));
  keepAlive = setInterval(() => {}, 60_000); // watching alone does not keep a process alive
});

afterEach(() => {
  clearInterval(keepAlive);
  rmSync(folder, { recursive: true, force: true });
});

function configText(level: string, more = ""): string {
  return `apiVersion: fairlead/v1\nkinds: [pods]\nlog: { level: ${level} }\n${more}`;
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A watch whose calls can be awaited one after the other. */
async function watching(
  path: string,
  more: Partial<WatchConfigOptions> = {},
): Promise<{
  watch: ConfigWatch;
  next: () => Promise<Told>;
  waiting: () => number;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const told: Told[] = [];
  let wake = (): void => {};
  const tell = (event: Told): void => {
    told.push(event);
    wake();
  };
  const watch = watchConfig(path, {
    current: await loadConfig(path),
    debounceMs: 5,
    pollMs: 0,
    onChange: (next) => tell({ level: next.settings.log.level }),
    onError: (error) => tell({ error }),
    ...more,
  });
  return {
    watch,
    waiting: () => told.length,
    async next() {
      while (told.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const [first] = told.splice(0, 1);
      return first;
    },
    [Symbol.asyncDispose]: () => watch.close(),
  };
}

function errorOf(told: Told): FairleadError {
  assert.ok("error" in told, `an error was expected, not ${JSON.stringify(told)}`);
  return told.error;
}

test("a file that is written anew is taken over", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  writeFileSync(path, configText("debug"));
  assert.deepEqual(await watched.next(), { level: "debug" });
  assert.equal(watched.watch.current.settings.log.level, "debug");
  assert.equal(watched.watch.problem, undefined);
});

test("a file that an editor replaces by renaming is taken over, again and again", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  for (const level of ["debug", "warn", "error"]) {
    renameSync(write("fairlead.yaml.new", configText(level)), path);
    assert.deepEqual(await watched.next(), { level });
  }
});

test("a mounted ConfigMap is taken over when Kubernetes swaps its link, again and again", async () => {
  const version = (name: string, level: string): void => {
    mkdirSync(join(folder, name));
    write(`${name}/fairlead.yaml`, configText(level));
  };
  version("..2026_1", "info");
  symlinkSync("..2026_1", join(folder, "..data"));
  symlinkSync(join("..data", "fairlead.yaml"), join(folder, "fairlead.yaml"));
  await using watched = await watching(join(folder, "fairlead.yaml"));
  for (const [i, level] of ["debug", "warn", "error"].entries()) {
    version(`..2026_${i + 2}`, level);
    symlinkSync(`..2026_${i + 2}`, join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    rmSync(join(folder, `..2026_${i + 1}`), { recursive: true });
    assert.deepEqual(await watched.next(), { level });
  }
});

test("a ConfigMap that is mounted elsewhere and linked to is followed through all links", async () => {
  mkdirSync(join(folder, "mount"));
  mkdirSync(join(folder, "mount", "..one"));
  write("mount/..one/fairlead.yaml", configText("info"));
  symlinkSync("..one", join(folder, "mount", "..data"));
  symlinkSync("..data/fairlead.yaml", join(folder, "mount", "fairlead.yaml"));
  mkdirSync(join(folder, "etc"));
  symlinkSync("../mount/fairlead.yaml", join(folder, "etc", "fairlead.yaml"));
  await using watched = await watching(join(folder, "etc", "fairlead.yaml"));
  mkdirSync(join(folder, "mount", "..two"));
  write("mount/..two/fairlead.yaml", configText("debug"));
  symlinkSync("..two", join(folder, "mount", "..data_tmp"));
  renameSync(join(folder, "mount", "..data_tmp"), join(folder, "mount", "..data"));
  assert.deepEqual(await watched.next(), { level: "debug" });
});

test("a change of an included file counts, also of one that was included later", async () => {
  mkdirSync(join(folder, "more"));
  write("more/log.yaml", "log: { level: info }\n");
  const path = write("fairlead.yaml", "apiVersion: fairlead/v1\nkinds: [pods]\n");
  await using watched = await watching(path);
  writeFileSync(path, "apiVersion: fairlead/v1\nkinds: [pods]\ninclude: more/log.yaml\n");
  assert.deepEqual(await watched.next(), { level: "info" });
  write("more/log.yaml", "log: { level: warn }\n");
  assert.deepEqual(await watched.next(), { level: "warn" });
});

test("a bad file keeps the old configuration and is told once; the next good one is taken over", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  writeFileSync(path, configText("loud"));
  const error = errorOf(await watched.next());
  assert.equal(error.code, "CONFIG_INVALID");
  assert.match(error.message, /fairlead\.yaml:3:15 {2}log\.level {2}expected one of/);
  assert.equal(watched.watch.problem, error);
  assert.equal(watched.watch.current.settings.log.level, "info");
  utimesSync(path, new Date(), new Date());
  writeFileSync(path, configText("debug"));
  assert.deepEqual(await watched.next(), { level: "debug" });
  assert.equal(watched.watch.problem, undefined);
});

test("going back to the old file after a bad one clears the problem", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  writeFileSync(path, "log: [");
  assert.equal(errorOf(await watched.next()).code, "CONFIG_INVALID");
  writeFileSync(path, configText("info"));
  assert.deepEqual(await watched.next(), { level: "info" });
  assert.equal(watched.watch.problem, undefined);
});

test("a missing include is told, and taken over when it comes", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  writeFileSync(path, "include: late.yaml\napiVersion: fairlead/v1\nkinds: [pods]\n");
  assert.match(errorOf(await watched.next()).message, /late\.yaml does not exist/);
  write("late.yaml", "log: { level: debug }\n");
  assert.deepEqual(await watched.next(), { level: "debug" });
});

test("a deleted file is told, and its successor taken over", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  unlinkSync(path);
  assert.match(errorOf(await watched.next()).message, /does not exist/);
  write("fairlead.yaml", configText("debug"));
  assert.deepEqual(await watched.next(), { level: "debug" });
});

test("a whole folder that is replaced is noticed by looking at it now and then", async () => {
  mkdirSync(join(folder, "etc"));
  const path = write("etc/fairlead.yaml", configText("info"));
  await using watched = await watching(path, { pollMs: 10 });
  rmSync(join(folder, "etc"), { recursive: true });
  assert.match(errorOf(await watched.next()).message, /does not exist/);
  mkdirSync(join(folder, "etc"));
  write("etc/fairlead.yaml", configText("debug"));
  let last = await watched.next();
  while ("error" in last) {
    last = await watched.next(); // it was seen half written
  }
  assert.deepEqual(last, { level: "debug" });
  write("etc/fairlead.yaml", configText("warn"));
  assert.deepEqual(await watched.next(), { level: "warn" });
});

test("a file that is touched, or asked for again, and is the same changes nothing", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path);
  writeFileSync(path, configText("info"));
  utimesSync(path, new Date(), new Date());
  await watched.watch.reload();
  await watched.watch.reload();
  assert.equal(watched.waiting(), 0);
});

test("what changed between reading and watching is not missed", async () => {
  const path = write("fairlead.yaml", configText("info"));
  const current = await loadConfig(path);
  writeFileSync(path, configText("debug"));
  await using watched = await watching(path, { current });
  assert.deepEqual(await watched.next(), { level: "debug" });
});

test("a configuration that could not be taken over is told, and the old one stays until the next change", async () => {
  const path = write("fairlead.yaml", configText("info"));
  const taken: string[] = [];
  const errors: FairleadError[] = [];
  await using watched = await watching(path, {
    onChange: async (next) => {
      taken.push(next.settings.log.level);
      if (next.settings.log.level === "debug") {
        throw new Error("plugin dns did not start");
      }
    },
    onError: (error) => errors.push(error),
  });
  writeFileSync(path, configText("debug"));
  await watched.watch.reload();
  assert.deepEqual([errors.map(({ code }) => code), taken], [["CONFIG_RELOAD_FAILED"], ["debug"]]);
  assert.match(errors[0].message, /the old one stays: plugin dns did not start$/);
  assert.equal(watched.watch.current.settings.log.level, "info");
  writeFileSync(path, configText("warn"));
  await watched.watch.reload();
  assert.deepEqual(taken, ["debug", "warn"]);
  assert.equal(watched.watch.problem, undefined);
});

test("changes are taken over one at a time, the last one at the end", async () => {
  const path = write("fairlead.yaml", configText("info"));
  let running = 0;
  let most = 0;
  const last = Promise.withResolvers<void>();
  await using watched = await watching(path, {
    onChange: async (next) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (next.settings.log.level === "error") {
        last.resolve();
      }
    },
  });
  for (let i = 0; i < 200; i++) {
    writeFileSync(path, configText(i % 2 === 0 ? "debug" : "warn"));
    if (i % 20 === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  writeFileSync(path, configText("error"));
  await last.promise;
  await watched.watch.reload();
  assert.equal(most, 1);
  assert.equal(watched.watch.current.settings.log.level, "error");
});

test("nothing is told after close, nor after the signal", async () => {
  const path = write("fairlead.yaml", configText("info"));
  const ending = new AbortController();
  await using first = await watching(path);
  await using second = await watching(path, { signal: ending.signal });
  await first.watch.close();
  ending.abort();
  writeFileSync(path, configText("debug"));
  await first.watch.reload();
  await second.watch.reload();
  assert.deepEqual([first.waiting(), second.waiting()], [0, 0]);
});

test("what changed is told by its keys: some count at once, others after a restart", async () => {
  const load = async (text: string): Promise<LoadedConfig> => loadConfig(write("fairlead.yaml", text));
  const before = await load(configText("info", "plugins:\n  - use: inventory\n"));
  assert.deepEqual(configChanges(before, await load(configText("info", "plugins:\n  - { use: inventory }\n"))), {
    live: [],
    afterRestart: [],
  });
  const after = await load(
    configText("debug", "plugins:\n  - use: inventory\n    isolation: worker\nstore: { maxBytes: 64MiB }\n"),
  );
  assert.deepEqual(configChanges(before, after), { live: ["plugins", "log"], afterRestart: ["store"] });
});

test("a folder in which other files keep changing does not hold up a change", async () => {
  const path = write("fairlead.yaml", configText("info"));
  await using watched = await watching(path, { debounceMs: 200 });
  let count = 0;
  const noise = setInterval(() => write("noise", String(count++)), 2);
  try {
    writeFileSync(path, configText("debug"));
    assert.deepEqual(await watched.next(), { level: "debug" });
  } finally {
    clearInterval(noise);
  }
});
