import type { Plugin } from "../../../../core/api/index.ts";

/** A plugin in a folder of its own, for tests of configurations. */
export default { name: "in-folder", apiVersion: "fairlead/v1", setup() {} } satisfies Plugin;
