import type { Plugin } from "../../../core/api/index.ts";

/** Waits for the second, for tests of configurations. */
export default { name: "first", apiVersion: "fairlead/v1", after: ["second"], setup() {} } satisfies Plugin;
