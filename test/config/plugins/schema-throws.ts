import type { Plugin } from "../../../core/api/index.ts";

const schema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(): never {
      throw new Error("no good today");
    },
  },
} as const;

/** A plugin whose schema fails, for tests of configurations. */
export default { name: "schema-throws", apiVersion: "fairlead/v1", options: schema, setup() {} } satisfies Plugin;
