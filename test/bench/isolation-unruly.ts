import type { Plugin } from "../../core/api/index.ts";

const kept: unknown[] = [];

/** Turns of work that leave the event loop its turns, so that only the load counts and not the silence. */
function forEver(work: () => void): void {
  setImmediate(() => {
    work();
    forEver(work);
  });
}

/** A plugin that harms others as it is told. */
// biome-ignore lint/style/noDefaultExport: a plugin is the default export of its module
export default {
  name: "unruly",
  apiVersion: "fairlead/v1",
  provides: ["unruly"],
  setup({ log, services }) {
    const quiet = services.use<{ echo: (given: unknown) => unknown }>("quiet-1");
    const harms: Readonly<Record<string, () => void>> = {
      nothing: () => {},
      "an endless loop": () => {
        for (;;) {
          // Until it is terminated.
        }
      },
      "log lines without end": () =>
        forEver(() => {
          for (let i = 0; i < 1000; i++) {
            log.debug({ i }, "much ado");
          }
        }),
      "prints without end": () =>
        forEver(() => {
          for (let i = 0; i < 1000; i++) {
            console.log(`line ${i}`);
          }
        }),
      "calls without waiting": () =>
        forEver(() => {
          for (let i = 0; i < 1000; i++) {
            quiet.echo(i).catch(() => {});
          }
        }),
      "a growing Map": () => {
        const map = new Map<number, object>();
        kept.push(map);
        forEver(() => {
          for (let i = 0; i < 10_000; i++) {
            map.set(map.size, { name: `object ${map.size}` });
          }
        });
      },
    };
    services.provide("unruly", {
      harm: (how: string) => {
        setImmediate(harms[how]);
      },
    });
  },
} satisfies Plugin;
