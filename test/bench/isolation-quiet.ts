import type { Plugin } from "../../core/api/index.ts";

/** A plugin that does nothing but answer; as many of them as are wanted, by `?n=` in its address. */
const number = new URL(import.meta.url).searchParams.get("n") ?? "0";

// biome-ignore lint/style/noDefaultExport: a plugin is the default export of its module
export default {
  name: `quiet-${number}`,
  apiVersion: "fairlead/v1",
  needs: { pods: ["phase"] },
  provides: [`quiet-${number}`],
  setup({ services }) {
    services.provide(`quiet-${number}`, { echo: (given: unknown) => given });
  },
} satisfies Plugin;
