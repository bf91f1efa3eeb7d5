import type { Plugin } from "../../../core/api/index.ts";

/** A plugin without options, for tests of configurations. */
export default { name: "plain", apiVersion: "fairlead/v1", needs: { nodes: ["labels"] }, setup() {} } satisfies Plugin;
