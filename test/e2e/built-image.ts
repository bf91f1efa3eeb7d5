import { createHash } from "node:crypto";
import { globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";
import { cacheFolder, exists, withLock } from "../cluster/build-cache.ts";
import { type BuiltImage, buildImage, imageName } from "../package/image-build.ts";
import { readArchive } from "../package/oci-archive.ts";

const ROOT = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../../" : "../../../", import.meta.url));
/** What goes into the image, and what decides how. */
const MADE_FROM = [
  "dist/{core,config,sandbox,plugins}/**/*.js*",
  "schema.json",
  "package.json",
  "package-lock.json",
  "Dockerfile",
  "test/package/image-*.ts",
  "node_modules/node/package.json",
];
const OLD_MS = 3_600_000;

/** The image of what stands in dist/, built if the cache has none of exactly that. Throws IMAGE_NOT_BUILT, IMAGE_BUILD_FAILED. */
export async function ensureImage(): Promise<BuiltImage> {
  const folder = join(cacheFolder(), "images");
  const archive = join(folder, `fairlead-${keyOf()}.tar`);
  mkdirSync(folder, { recursive: true });
  await withLock(
    archive,
    () => {},
    async () => {
      if (!(await exists(archive))) {
        forgetOld(folder);
        buildImage(`${archive}.new`);
        renameSync(`${archive}.new.sbom.cdx.json`, `${archive}.sbom.cdx.json`);
        renameSync(`${archive}.new`, archive);
      }
    },
  );
  return { archive, name: imageName(), ...readArchive(archive) };
}

function keyOf(): string {
  const hash = createHash("sha256");
  const files = globSync(MADE_FROM, { cwd: ROOT }).sort();
  if (!files.includes("dist/config/bin.js")) {
    throw new FairleadError("IMAGE_NOT_BUILT", "dist/ lacks the program that the image is made of; run: npm run build");
  }
  for (const file of files.filter((path) => !/\.test[.-]/.test(path))) {
    hash.update(`${file}\0`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Each change of the sources makes another image; those of before are not needed for long. */
function forgetOld(folder: string): void {
  for (const file of readdirSync(folder)) {
    const path = join(folder, file);
    if (!file.endsWith(".lock") && Date.now() - statSync(path).mtimeMs > OLD_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}
