import { z } from "zod";
import type { AnyPlugin, Plugin } from "../api/index.ts";

const needs = { pods: ["phase"] } as const;

function plugin(setup: Plugin<undefined, typeof needs>["setup"], more: Partial<AnyPlugin> = {}): AnyPlugin {
  return { name: "faulty", apiVersion: "fairlead/v1", needs, permissions: [], setup, ...more };
}

/** Plugins with one fault each, by the part of the name of the test that must find it. */
export const FAULTY_PLUGINS: Readonly<Record<string, AnyPlugin>> = {
  "is a plugin of this contract": plugin(() => {}, { name: "Faulty Plugin" }),
  "options are checked, and unknown ones refused": plugin(() => {}, { options: z.object({}) }),
  "starts and stops, twice, and leaves nothing running": plugin(() => {
    setInterval(() => {}, 60_000);
  }),
  "follows additions, changes and deletions without an error": plugin(({ hooks }) => {
    hooks.changes("pods").tap((batch) => {
      for (const change of batch) {
        if (change.op === "deleted") {
          throw new Error("cannot stand losses");
        }
      }
    });
  }),
  "survives lists that begin anew, and being told of everything again": plugin(({ hooks }) => {
    hooks.changes("pods").tap((batch) => {
      if (batch.kind === "resync") {
        throw new Error("cannot stand repetition");
      }
    });
  }),
};

/** Writes what its permissions do not cover. */
export const presumptuous: AnyPlugin = plugin(({ hooks, kube }) => {
  hooks.changes("pods").tap(() => {
    const target = { apiVersion: "v1", plural: "configmaps", namespace: "default", name: "any" };
    kube.delete(target).catch(() => {});
  });
});

/** Does not await what it writes. */
export const careless: AnyPlugin = plugin(
  ({ hooks, kube }) => {
    hooks.changes("pods").tap(() => {
      const target = { apiVersion: "v1", plural: "configmaps", namespace: "default" };
      void kube.create(target, { metadata: { generateName: "made-" } });
    });
  },
  { permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create"] }] },
);
