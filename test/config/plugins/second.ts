import type { Plugin } from "../../../core/api/index.ts";

/** Waits for the first, for tests of configurations. */
export default { name: "second", apiVersion: "fairlead/v1", after: ["first"], setup() {} } satisfies Plugin;
