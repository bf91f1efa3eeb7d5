import { z } from "zod";
import type { Plugin } from "../../../core/api/index.ts";

const Options = z.strictObject({
  listen: z.string().default("0.0.0.0:5353").describe("Address to listen on."),
  zone: z.string().min(1).default("cluster.local"),
  ttlSeconds: z.int().min(0).max(3600).default(5),
  mode: z.enum(["fast", "safe"]).default("safe"),
  token: z.string().meta({ format: "secret" }).optional(),
  upstreams: z
    .array(
      z.strictObject({
        host: z.string().min(1),
        port: z.int().min(1).max(65_535).default(53),
        timeoutMs: z.union([z.int().min(1), z.stringFormat("duration", /^\d+(ms|s)$/)]).default(1000),
      }),
    )
    .max(3)
    .default([]),
  aliases: z.record(z.string().regex(/^[a-z0-9.-]+$/, "must be a name in small letters"), z.ipv4()).default({}),
});

/** A plugin with options of every form, for tests of configurations. */
export default {
  name: "sample",
  apiVersion: "fairlead/v1",
  options: Options,
  needs: { pods: ["phase", "labels"], services: true },
  permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create"] }],
  setup() {},
} satisfies Plugin<typeof Options>;
