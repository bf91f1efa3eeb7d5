import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { publish, withLock } from "./build-cache.ts";
import { programModule } from "./source-folder.ts";

let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairlead-build-cache-"));
});

after(() => rm(folder, { recursive: true }));

/** Runs a piece of code with the programs module in a process of its own. */
function inProcess(
  code: string,
  env: Readonly<Record<string, string>>,
): { readonly stdout: string; readonly stderr: string } {
  const script = `const programs = await import(${JSON.stringify(programModule("programs"))}); ${code}`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
    env,
  });
  return { stdout, stderr };
}

test("work on one path is done one after the other", async () => {
  const path = join(folder, "one");
  const seen: string[] = [];
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let enter: () => void = () => {};
  const entered = new Promise<void>((resolve) => {
    enter = resolve;
  });
  const first = withLock(
    path,
    () => {},
    async () => {
      seen.push("first in");
      enter();
      await held;
      seen.push("first out");
    },
  );
  await entered;
  const second = withLock(
    path,
    (owner) => {
      seen.push(`second waits for ${owner}`);
      release();
    },
    async () => {
      seen.push("second in");
    },
  );
  await Promise.all([first, second]);
  assert.deepEqual(seen, ["first in", `second waits for ${process.pid}`, "first out", "second in"]);
});

test("the lock of a process that died is taken over", async () => {
  const path = join(folder, "dead");
  const { pid } = spawnSync(process.execPath, ["--eval", ""]);
  await mkdir(`${path}.lock`);
  await writeFile(join(`${path}.lock`, "pid"), String(pid));
  assert.equal(
    await withLock(
      path,
      () => assert.fail("nobody is there to wait for"),
      async () => "done",
    ),
    "done",
  );
  await assert.rejects(access(`${path}.lock`));
});

test("of two that publish the first one wins, and nothing is left of the other", async () => {
  const place = join(folder, "place");
  for (const name of ["a", "b"]) {
    const work = join(folder, `work-${name}`);
    await mkdir(work);
    await writeFile(join(work, "file"), name);
    await publish(work, place);
    await assert.rejects(access(work));
  }
  assert.equal(await readFile(join(place, "file"), "utf8"), "a");
});

test("without go, CI is told what is missing and what does not run", () => {
  const code = `await programs.ensureProgram("etcd", () => {}).catch((error) => console.log(error.code, error.message)); console.log(await programs.whyNoCluster());`;
  const { stdout } = inProcess(code, { PATH: folder, FAIRLEAD_CLUSTER_CACHE: join(folder, "empty"), CI: "true" });
  assert.match(stdout, /^CLUSTER_GO_MISSING building etcd needs go .* do not run\nundefined\n$/);
});

test("without go and CI, tests learn why they are left out", () => {
  const code = "console.log(await programs.whyNoCluster());";
  const { stdout } = inProcess(code, { PATH: folder, FAIRLEAD_CLUSTER_CACHE: join(folder, "empty") });
  assert.match(stdout, /^go is missing and etcd is not built yet; without it .* do not run\n$/);
});

test("programs in KUBEBUILDER_ASSETS are taken from there", async () => {
  const assets = join(folder, "assets");
  await mkdir(assets);
  await writeFile(join(assets, "etcd"), "");
  const { stdout } = inProcess(`console.log(await programs.ensureProgram("etcd", () => {}));`, {
    KUBEBUILDER_ASSETS: assets,
  });
  assert.equal(stdout, `${join(assets, "etcd")}\n`);
});
