import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { whatIsMissing } from "../cluster/system-packages.ts";
import { type BuiltImage, buildImage } from "../package/image-build.ts";
import type { BillOfMaterials } from "../package/image-sbom.ts";
import { readImageConfig } from "../package/oci-archive.ts";
import { ensureImage } from "./built-image.ts";
import { type UnpackedImage, unpackImage } from "./container.ts";

const lacking = whatIsMissing(["buildah", "runc", "umoci"]);
const missing = process.env.CI === "true" ? undefined : lacking;
const options = { skip: missing ?? false };
const MOST_COMPRESSED_MB = 70;

let image: BuiltImage;
let unpacked: UnpackedImage | undefined;

before(async () => {
  if (missing === undefined) {
    assert.equal(lacking, undefined);
    image = await ensureImage();
    unpacked = unpackImage(image.archive, image.name);
  }
});

after(() => unpacked?.remove());

function theImage(): UnpackedImage {
  assert.ok(unpacked !== undefined);
  return unpacked;
}

function filesOf(rootfs: string): readonly string[] {
  return readdirSync(rootfs, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(rootfs.length));
}

describe("the image", () => {
  test("is small, runs as nobody in particular and says what it is", options, () => {
    assert.ok(image.compressedBytes / 1e6 <= MOST_COMPRESSED_MB, `${image.compressedBytes} bytes`);
    const { config, created } = readImageConfig(image.archive);
    assert.deepEqual([config.User, created], ["65532:65532", "1970-01-01T00:00:00Z"]);
    assert.deepEqual(
      [config.Entrypoint, config.Cmd],
      [["/usr/bin/node", "--max-semi-space-size=1", "/app/dist/config/bin.js"], ["run"]],
    );
    for (const label of ["title", "description", "licenses", "version", "revision"]) {
      assert.ok(config.Labels?.[`org.opencontainers.image.${label}`], label);
    }
  });

  test("built again it is the same, byte for byte", options, () => {
    const folder = mkdtempSync(join(tmpdir(), "fairlead-again-"));
    try {
      assert.equal(buildImage(join(folder, "again.tar")).digest, image.digest);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("holds one program, its libraries and our files, and nobody but root may change them", options, () => {
    const { rootfs } = theImage();
    const files = filesOf(rootfs);
    const places = files.filter((path) => !/^\/(app\/|usr\/bin\/node$|etc\/(passwd|group)$)/.test(path));
    assert.deepEqual(
      places.filter((path) => !/^\/(usr\/)?lib(64)?\/.*\.so(\.\d+)*$/.test(path)),
      [],
    );
    assert.deepEqual(
      files.filter((path) => (statSync(join(rootfs, path)).mode & 0o6022) !== 0),
      [],
    );
    const notNeeded = /\.(d\.ts|map|md)$|\.test\.|\/node_modules\/(typescript|@biomejs|fastify|@types)\//;
    const licence = /licen[cs]e|notice|copying/i;
    assert.deepEqual(
      files.filter((path) => notNeeded.test(path) && !licence.test(path) && !path.includes("/@types/")),
      [],
    );
  });

  test("its bill of materials names every package that is in it", options, () => {
    const { rootfs } = theImage();
    const inside = readFileSync(join(rootfs, "app/sbom.cdx.json"), "utf8");
    assert.equal(inside, readFileSync(`${image.archive}.sbom.cdx.json`, "utf8"));
    const bom: BillOfMaterials = JSON.parse(inside);
    const named = new Set(bom.components.map(({ name, version }) => `${name}@${version}`));
    const installed = filesOf(rootfs)
      .filter((path) => /\/node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
      .map((path) => JSON.parse(readFileSync(join(rootfs, path), "utf8")))
      .map(({ name, version }) => `${name}@${version}`);
    assert.ok(installed.length > 0);
    assert.deepEqual(
      installed.filter((name) => !named.has(name)),
      [],
    );
    assert.ok(named.has(`node@${process.versions.node}`));
    assert.ok(bom.components.some(({ purl }) => purl?.startsWith("pkg:deb/debian/libc6@")));
    assert.equal(existsSync(join(rootfs, "bin/sh")), false);
  });

  test("tells its version, and refuses what it does not know with exit code 2", options, async () => {
    await using version = theImage().run({ args: ["version", "--output", "json"] });
    const { code, stdout } = await version.ended;
    assert.deepEqual([code, JSON.parse(stdout[0]).node], [0, process.versions.node]);
    await using wrong = theImage().run({ args: ["run", "--kindz", "pods"] });
    const ended = await wrong.ended;
    assert.deepEqual([ended.code, ended.stderr.includes('did you mean "kinds"?')], [2, true]);
  });

  test("without a cluster to reach it says so and ends", options, async () => {
    await using alone = theImage().run({ args: ["run", "--output", "json"] });
    const { code, stderr } = await alone.ended;
    assert.equal(code, 1);
    assert.match(stderr, /KUBE_[A-Z_]+/);
  });
});
