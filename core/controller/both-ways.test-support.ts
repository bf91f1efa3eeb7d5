import { z } from "zod";
import type { Plugin } from "../api/index.ts";

const Options = z.strictObject({ limit: z.int().default(3) });
const needs = { pods: ["phase"] } as const;

/** A plugin that uses all of its context; runs inline and as a worker. */
// biome-ignore lint/style/noDefaultExport: a plugin is the default export of its module
export default {
  name: "both-ways",
  apiVersion: "fairlead/v1",
  options: Options,
  needs,
  permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get", "create", "list"] }],
  provides: ["both-ways"],
  setup({ options, log, metrics, hooks, store, kube, events, services, timers, clock, secrets, signal, plugin }) {
    const told: string[] = [`limit ${options.limit}`];
    const seen = metrics.counter("seen_total", "Pods seen.", { op: ["added", "other"] });
    hooks.start.tap(() => void told.push("start"));
    hooks.synced.tap(() => void told.push("synced"));
    hooks.leading.tap(() => void told.push("leading"));
    hooks.stop.tap(() => log.info({ told }, "stopped"));
    hooks.changes("pods").tap((batch) => {
      for (const { op, new: pod } of batch) {
        seen.inc({ op: op === "added" ? "added" : "other" });
        if (pod) {
          told.push(`${op} ${pod.key} ${pod.status.phase}`);
          events.normal(pod, "Seen", "it was seen");
        }
      }
    });
    hooks.health("well", () => ({ ok: true, detail: "all well" }));
    hooks.stats(() => ({ told: told.length }));
    hooks.writeBefore.tap((write) => (write.name === "forbidden" ? { allow: false, reason: "by name" } : undefined));
    const asked = hooks.declare<string, string>("asked", { kind: "decide", about: "Answers.", fallback: "nobody" });
    const configmaps = { apiVersion: "v1", plural: "configmaps", namespace: "shop" };
    services.provide("both-ways", {
      told: () => told,
      phase: (name: string) => store.read((view) => view.pods.get("shop", name)?.status.phase),
      ask: (given: string) => asked.call(given),
      fail: () => {
        throw Object.assign(new Error("it failed"), { code: "IT_FAILED" });
      },
      write: async (name: string) => {
        const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "shop" } };
        return (await kube.create(configmaps, object)).kind;
      },
      list: async () => {
        const names: unknown[] = [];
        for await (const object of kube.list(configmaps, { limit: 1 })) {
          names.push(object.metadata?.name);
        }
        return names;
      },
      steal: () => kube.get({ apiVersion: "v1", plural: "secrets", namespace: "shop", name: "x" }),
      secret: (reference: string) => secrets.read(reference),
      wait: () => new Promise<string>((resolve) => timers.after("5ms", () => resolve(`${plugin} ${clock.now() > 0}`))),
      ended: () => signal.aborted,
    });
  },
} satisfies Plugin<typeof Options, typeof needs>;
