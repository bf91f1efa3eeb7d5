import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { installMissing } from "../cluster/system-packages.ts";
import { buildImage } from "./image-build.ts";

const HELP = `usage: npm run image [-- options]

Builds the container image with buildah, without a container engine and without a base image: the Node of this checkout, the
libraries that it loads, and the built package with what it needs at run time. buildah is installed by apt-get where it is
missing and this runs as root. Writes an OCI archive and, beside it, the bill of materials in the CycloneDX form.

  --output FILE   where the OCI archive goes (default fairlead-image.tar)
  --no-build      take dist/ as it is
  --help          this text`;

const MEGABYTE = 1e6;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { output: { type: "string" }, "no-build": { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  if (values["no-build"] !== true && spawnSync("tsc", ["-b"], { stdio: "inherit" }).status !== 0) {
    return 1;
  }
  await installMissing(["buildah"], (line) => console.error(line));
  const image = buildImage(resolve(values.output ?? "fairlead-image.tar"));
  console.log(`wrote ${image.archive}: ${image.name}, ${(image.compressedBytes / MEGABYTE).toFixed(1)} MB compressed`);
  console.log(image.digest);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
