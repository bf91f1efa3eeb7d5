import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createApiServer } from "../../core/testing/index.ts";
import { whatIsMissing } from "../cluster/system-packages.ts";
import { type BuiltImage, buildFolder } from "../package/image-build.ts";
import { readArchive } from "../package/oci-archive.ts";
import { ensureImage } from "./built-image.ts";
import { type ContainerOptions, unpackImage } from "./container.ts";
import { guideBlocks } from "./deploy-guide.ts";

const missing = process.env.CI === "true" ? undefined : whatIsMissing(["buildah", "runc", "umoci"]);

const CONFIG = `apiVersion: fairlead/v1
plugins:
  - use: greeter
    options: { greeting: good morning }
  - use: "@acme/greeter"
    isolation: worker
log: { level: info }
`;

/** A plugin as npm installs it: without a dependency on Fairlead, with one of its own. */
function pluginModule(name: string): string {
  return `import { capital } from "fairlead-test-letters";
const options = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: { greeting: "hello", ...value } }) } };
export default {
  name: "${name}",
  apiVersion: "fairlead/v1",
  options,
  needs: { pods: ["phase"] },
  permissions: [],
  setup({ options, log, hooks }) {
    hooks.synced.tap(() => log.info({ greeting: capital(options.greeting) }, "greeting"));
  },
};
`;
}

/** A node_modules folder with two plugins and what they need. */
function writeModules(folder: string): void {
  const modules: Readonly<Record<string, string>> = {
    "fairlead-plugin-greeter": pluginModule("greeter"),
    "@acme/fairlead-plugin-greeter": pluginModule("acme-greeter"),
    "fairlead-test-letters": "export const capital = (text) => text.toUpperCase();\n",
  };
  for (const [name, text] of Object.entries(modules)) {
    mkdirSync(join(folder, name), { recursive: true });
    const described = { name, version: "1.0.0", type: "module", exports: "./index.js" };
    writeFileSync(join(folder, name, "package.json"), JSON.stringify(described));
    writeFileSync(join(folder, name, "index.js"), text);
  }
}

describe("plugins that are not ours", { skip: missing ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-plugins-"));
  let image: BuiltImage;

  before(async () => {
    chmodSync(folder, 0o755);
    writeModules(join(folder, "node_modules"));
    mkdirSync(join(folder, "config"));
    writeFileSync(join(folder, "config/fairlead.yaml"), CONFIG);
    image = await ensureImage();
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs an image with the configuration until it ended; gives what the plugins logged: name and greeting. */
  async function greetings(
    built: Pick<BuiltImage, "archive" | "name">,
    mounts: NonNullable<ContainerOptions["mounts"]>,
  ) {
    const unpacked = unpackImage(built.archive, built.name);
    const server = await createApiServer({});
    try {
      writeFileSync(join(folder, "config/kubeconfig"), server.kubeconfig());
      const args = ["run", "--kubeconfig", "/etc/fairlead/kubeconfig", "--for", "2s", "--output", "json"];
      await using container = unpacked.run({
        args,
        mounts: [...mounts, { from: join(folder, "config"), to: "/etc/fairlead" }],
      });
      const { code, stdout, stderr } = await container.ended;
      assert.equal(code, 0, stderr);
      return [...stdout, ...stderr.split("\n")]
        .filter((line) => line.includes('"greeting"'))
        .map((line) => JSON.parse(line))
        .map(({ plugin, greeting }) => [plugin, greeting])
        .sort();
    } finally {
      await server.stop();
      unpacked.remove();
    }
  }

  const expected = [
    ["acme-greeter", "HELLO"],
    ["greeter", "GOOD MORNING"],
  ];

  test("run from a folder that is mounted", async () => {
    assert.deepEqual(await greetings(image, [{ from: join(folder, "node_modules"), to: "/node_modules" }]), expected);
  });

  test("run from a layer on top of the image", async () => {
    const context = join(folder, "context");
    mkdirSync(context);
    cpSync(join(folder, "node_modules"), join(context, "node_modules"), { recursive: true });
    writeFileSync(join(context, "Dockerfile"), guideBlocks("dockerfile")[0]);
    const archive = join(folder, "with-plugins.tar");
    const name = "localhost/fairlead-with-plugins:1";
    buildFolder(context, archive, name, image);
    assert.ok(readArchive(archive).compressedBytes > image.compressedBytes);
    assert.deepEqual(await greetings({ archive, name }, []), expected);
  });
});
