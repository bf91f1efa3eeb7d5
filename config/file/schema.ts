import { z } from "zod";
import {
  type CompleteTimes,
  groupProblem,
  identityProblem,
  nameProblem,
  timeProblems,
} from "../../core/election/settings.ts";
import { LOG_LEVELS } from "../../core/log.ts";
import { byteSize, duration, glob, path, secret, serverUrl } from "./schema-values.ts";

const DAY_MS = 86_400_000;
/** Each comparison lists all objects: more often, it would be a load for the API server. */
const LEAST_AUDIT_MS = 10_000;

const namespaces = z
  .strictObject({
    allow: z.array(glob).min(1).default(["*"]).describe("Globs of the namespaces to follow."),
    deny: z.array(glob).default([]).describe("Globs of the namespaces never to follow; wins over `allow`."),
  })
  .prefault({})
  .describe("Which namespaces are followed.");

const cluster = z
  .strictObject({
    kubeconfig: path
      .optional()
      .describe("Path of a kubeconfig. Default: `KUBECONFIG`, `~/.kube/config`, then the service account of the pod."),
    context: z.string().min(1).optional().describe("Context of the kubeconfig. Default: its current one."),
    inCluster: z.boolean().default(false).describe("Use only the service account of this pod."),
    server: serverUrl.optional().describe("Address of the API server, instead of a kubeconfig."),
    caFile: path
      .optional()
      .describe("File with the CA certificates of `server`, PEM. Default: the roots that Node trusts."),
    token: secret.optional().describe("Bearer token for `server`. A file is read again every minute."),
    certificateFile: path.optional().describe("File with the client certificate for `server`, PEM."),
    keyFile: path.optional().describe("File with the key of the client certificate, PEM."),
    tlsServerName: z
      .string()
      .min(1)
      .optional()
      .describe("Name that the certificate of `server` must carry. Default: its host."),
    insecureSkipTlsVerify: z.boolean().default(false).describe("Accept any certificate of `server`."),
    proxyUrl: secret
      .optional()
      .describe("`http://` or `https://` proxy to `server`. Default: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`."),
    namespaces,
  })
  .superRefine((given, context) => {
    const how = (["kubeconfig", "inCluster", "server"] as const).filter(
      (key) => given[key] !== undefined && given[key] !== false,
    );
    for (const key of how.slice(1)) {
      context.addIssue({
        code: "custom",
        path: [key],
        message: `cannot be beside "${how[0]}"; say once where the cluster is`,
      });
    }
    if (given.context !== undefined && (given.server !== undefined || given.inCluster === true)) {
      context.addIssue({ code: "custom", path: ["context"], message: "is for a kubeconfig; remove it" });
    }
    if (given.server === undefined) {
      const needServer = ["caFile", "token", "certificateFile", "keyFile", "tlsServerName", "proxyUrl"] as const;
      for (const key of needServer.filter((name) => given[name] !== undefined)) {
        context.addIssue({
          code: "custom",
          path: [key],
          message: `needs "server" beside it; a kubeconfig has its own`,
        });
      }
    }
    if ((given.certificateFile === undefined) !== (given.keyFile === undefined)) {
      const [has, lacks] =
        given.keyFile === undefined ? ["certificateFile", "keyFile"] : ["keyFile", "certificateFile"];
      context.addIssue({ code: "custom", path: [has], message: `needs "${lacks}" beside it` });
    }
  })
  .prefault({})
  .describe("Which cluster to follow, and how to reach it.");

const plugin = z.strictObject(
  {
    use: z
      .string()
      .min(1)
      .describe(
        "Name of a built-in plugin, npm package (`fairlead-plugin-x` also as `x`, `@acme/fairlead-plugin-x` also as `@acme/x`), or path of a module.",
      ),
    options: z.unknown().optional().describe("Options of the plugin, checked by its own schema."),
    enabled: z.boolean().default(true).describe("False: the entry is checked but not run."),
    isolation: z
      .enum(["inline", "worker"])
      .default("inline")
      .describe("Where it runs: on the main thread, or in a thread of its own."),
    required: z.boolean().default(true).describe("False: the rest goes on when it fails."),
    runOn: z
      .enum(["leader", "every"])
      .optional()
      .describe(
        "Where it acts with `leaderElection`: in the process that leads, or in each one. Default: what the plugin says, or `leader`.",
      ),
    setupTimeoutMs: duration(1).prefault("10s").describe("How long its set-up may take."),
    stopTimeoutMs: duration(1).prefault("5s").describe("How long its stop may take."),
    maxHeapMb: z.int().min(16).max(65_536).default(256).describe("Soft limit of the heap of its thread, MB."),
    dryRun: z.boolean().default(false).describe("Its writes are checked by the server but not stored."),
    rateLimit: z
      .strictObject({
        perSecond: z.number().positive().max(100_000).default(50).describe("Calls a second."),
        burst: z.int().min(1).max(100_000).default(100).describe("Calls at once."),
      })
      .prefault({})
      .describe("Limit of its calls to the API server."),
  },
  {
    error: ({ code, input }) =>
      code === "invalid_type" && typeof input === "string" ? `expected a table; write "- use: ${input}"` : undefined,
  },
);

const CELL_TYPES = [
  "text",
  "name",
  "enum",
  "int",
  "optionalInt",
  "long",
  "bool",
  "optionalBool",
  "ip",
  "time",
  "microTime",
  "intOrText",
  "names",
  "texts",
  "nameMap",
  "textMap",
  "sum",
  "count",
  "condition",
] as const;

const field = z.strictObject({
  type: z.enum(CELL_TYPES).describe("What the field holds."),
  path: z.string().min(1).describe("Where it is in the object: `spec.replicas`."),
  values: z.array(z.string()).optional().describe("Known values of an `enum`."),
  conditionType: z.string().optional().describe("Type of the condition that a `condition` shows."),
});

const neededKind = z.strictObject({
  fields: z
    .union([z.array(z.string().min(1)), z.record(z.string(), field)])
    .optional()
    .describe("Names of the fields to keep (default: all); of a custom resource: the fields themselves."),
  keep: z
    .enum(["fields", "slim", "full"])
    .default("fields")
    .describe("How much of each object is kept: the fields, also its JSON without `managedFields`, or all of it."),
  fieldSelector: z.string().optional().describe("Only these objects, chosen by the server."),
  labelSelector: z.string().optional().describe("Only these objects, chosen by the server."),
  indexes: z.record(z.string(), z.string()).optional().describe("More indexes: name to field."),
  apiVersion: z.string().min(1).optional().describe("Of a custom resource: `group/version`."),
  kind: z.string().min(1).optional().describe("Of a custom resource: its kind."),
  plural: z
    .string()
    .min(1)
    .optional()
    .describe("Of a custom resource: as in its URL. Default: the name up to the first dot."),
  namespaced: z.boolean().optional().describe("Of a custom resource: false when it belongs to no namespace."),
});

const kinds = z
  .union([
    z.array(z.string().min(1)),
    z.record(z.string(), z.union([z.literal(true), z.array(z.string().min(1)), neededKind])),
  ])
  .default([])
  .describe("Kinds to follow beside those that plugins need: a list of names, or a table of name and fields.");

const status = z
  .strictObject({
    host: z.string().min(1).default("0.0.0.0").describe("Address to listen on."),
    port: z.int().min(0).max(65_535).default(8080).describe("Port to listen on; 0 takes any."),
    token: secret
      .optional()
      .describe(
        "Bearer token for `/metrics` and `/loglevel`; probes need none. Default: metrics are open, and there is no `/loglevel`.",
      ),
    tls: z
      .strictObject({
        certFile: path.describe("File with the certificate, PEM; read again when it changes."),
        keyFile: path.describe("File with its key, PEM; read again when it changes."),
      })
      .optional()
      .describe("Serve by TLS. Default: plain HTTP."),
  })
  .optional()
  .describe("Serves health and metrics. Default: not served.");

/** A text of which `problemOf` knows what it must be. */
const checkedText = (problemOf: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem !== undefined) {
      context.addIssue({ code: "custom", message: `must be ${problem}` });
    }
  });

/** Times of Leases; every process that shares one has the same. */
const leaseTimes = {
  leaseDurationMs: duration(1000, DAY_MS)
    .prefault("15s")
    .describe("How long a lease is left alone that is not renewed; whole seconds, the same in every process."),
  renewDeadlineMs: duration(1, DAY_MS)
    .prefault("10s")
    .describe("A process that could not renew its lease for so long stops its work; less than the duration."),
  retryPeriodMs: duration(1, DAY_MS)
    .prefault("2s")
    .describe("Time between tries; less than the deadline by a factor of 1.2."),
};

function checkTimes(times: CompleteTimes, context: z.RefinementCtx): void {
  for (const message of timeProblems(times)) {
    context.addIssue({ code: "custom", path: [message.split(" ", 1)[0]], message: message.replace(/^\w+ /, "") });
  }
}

const leaderElection = z
  .strictObject({
    enabled: z.boolean().default(true).describe("False: nobody is elected, every process leads."),
    lease: checkedText((text) => nameProblem("a name", text))
      .default("fairlead")
      .describe("Name of the Lease; another one for each program."),
    namespace: checkedText((text) => nameProblem("a name", text))
      .optional()
      .describe("Namespace of the Lease. Default: that of the service account or of the kubeconfig's context."),
    identity: checkedText(identityProblem)
      .optional()
      .describe("Who this process is, another one in each process. Default: the host and random letters."),
    ...leaseTimes,
    releaseOnStop: z
      .boolean()
      .default(true)
      .describe("Give the lease away at the end, so that another one need not wait for it."),
  })
  .superRefine(checkTimes)
  .optional()
  .describe(
    "One of several processes leads: plugins write, and run their hook `leading`, only there. Default: no election.",
  );

const shards = z
  .strictObject({
    group: checkedText(groupProblem)
      .default("fairlead")
      .describe("Name of all that share the same work; at most 40 letters."),
    by: z
      .enum(["namespace", "object"])
      .default("namespace")
      .describe("What belongs together: all objects of a namespace, or each object by itself."),
    namespace: checkedText((text) => nameProblem("a name", text))
      .optional()
      .describe(
        "Namespace of the members' Leases. Default: that of the service account or of the kubeconfig's context.",
      ),
    identity: checkedText(identityProblem)
      .optional()
      .describe("Who this process is, another one in each process. Default: the host and random letters."),
    ...leaseTimes,
  })
  .superRefine(checkTimes)
  .optional()
  .describe("Processes share the work of controllers out, each object to one of them. Default: not shared.");

/** `fairlead.yaml`. */
export const FairleadFile = z.strictObject({
  apiVersion: z.literal("fairlead/v1").describe("Version of this format."),
  include: z
    .union([path, z.array(path)])
    .optional()
    .describe(
      "More files, by paths from the folder of this one. Tables are joined, `plugins` appended, all else of this file wins.",
    ),
  cluster,
  plugins: z.array(plugin).default([]).describe("What runs."),
  kinds,
  store: z
    .strictObject({
      maxBytes: byteSize(1 << 20, 2_000_000_000)
        .prefault("256MiB")
        .describe("Size of the store; objects above it are refused and counted."),
    })
    .prefault({})
    .describe("The store of watched objects."),
  ingest: z
    .enum(["thread", "inline"])
    .default("thread")
    .describe("Where watches are read: in a thread of their own, or on the main thread."),
  audit: z
    .strictObject({
      everyMs: duration(0, DAY_MS)
        .refine((ms) => ms === 0 || ms >= LEAST_AUDIT_MS, "must be 0 (off) or at least 10s: all objects are listed")
        .prefault("10m")
        .describe("Time between comparisons of the store with the server, at least 10s; 0 switches them off."),
    })
    .prefault({})
    .describe("Looks for drift between the store and the server."),
  leaderElection,
  shards,
  log: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default("info").describe("Least level that is written."),
      statisticsEveryMs: duration(0, DAY_MS)
        .prefault("1m")
        .describe("Time between lines of statistics; 0 switches them off."),
    })
    .prefault({})
    .describe("Lines on stderr."),
  status,
  startTimeoutMs: duration(0, DAY_MS)
    .prefault("1m")
    .describe("How long the start waits for complete caches; 0 waits for ever."),
  dryRun: z.boolean().default(false).describe("No write of any plugin is stored by the server."),
});

/** Settings as they are written in YAML. */
export type FairleadFile = z.input<typeof FairleadFile>;

/** Settings with all defaults filled in: times in milliseconds, sizes in bytes. */
export type Settings = z.output<typeof FairleadFile>;
