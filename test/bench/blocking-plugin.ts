import type { Plugin } from "../../core/api/index.ts";

const EVERY_MS = 1_000;
const FOR_MS = 100;

/** A plugin that blocks the main thread for 100 ms of each second, as a service does that parses something large. */
// biome-ignore lint/style/noDefaultExport: a plugin is the default export of its module
export default {
  name: "blocking",
  apiVersion: "fairlead/v1",
  setup({ hooks }) {
    const timer = setInterval(() => {
      const until = performance.now() + FOR_MS;
      while (performance.now() < until) {
        // That is what it does.
      }
    }, EVERY_MS);
    hooks.stop.tap(() => clearInterval(timer));
  },
} satisfies Plugin;
