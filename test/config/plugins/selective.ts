import type { Plugin } from "../../../core/api/index.ts";

/** Needs some pods only, for tests of configurations. */
export default {
  name: "selective",
  apiVersion: "fairlead/v1",
  needs: { pods: { fields: ["phase"], labelSelector: "app=shop" } },
  setup() {},
} satisfies Plugin;
