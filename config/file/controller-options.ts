import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { ControllerOptions } from "../../core/controller/create-controller.ts";
import type { PluginEntry } from "../../core/controller/plugin-entry.ts";
import { codeOf, FairleadError } from "../../core/errors.ts";
import type { AnyKind } from "../../core/kinds/kind.ts";
import type { ClusterSource } from "../../core/kube/access.ts";
import type { LoadedConfig } from "./load.ts";
import type { Settings } from "./schema.ts";

/** A configuration as `createController` takes it; `plugins` is also what `controller.reload` takes. */
export interface ConfiguredController
  extends Pick<
    ControllerOptions,
    "cluster" | "namespaces" | "ingest" | "maxBytes" | "startTimeoutMs" | "auditEveryMs" | "leaderElection" | "shards"
  > {
  readonly dryRun: boolean;
  readonly kinds: readonly AnyKind[];
  readonly plugins: readonly PluginEntry[];
  /** Undefined: health and metrics are not served. */
  readonly status: Settings["status"];
}

/** What a controller needs to know of a configuration. Reads certificate files; throws CONFIG_INVALID when they are gone. */
export function toControllerOptions(config: LoadedConfig): ConfiguredController {
  const { settings } = config;
  return {
    cluster: clusterSource(settings.cluster),
    namespaces: settings.cluster.namespaces,
    kinds: config.kinds,
    plugins: config.plugins.filter(({ enabled }) => enabled).map(({ entry }) => entry),
    ingest: settings.ingest,
    maxBytes: settings.store.maxBytes,
    startTimeoutMs: settings.startTimeoutMs,
    auditEveryMs: settings.audit.everyMs,
    leaderElection: settings.leaderElection,
    shards: settings.shards,
    dryRun: settings.dryRun,
    status: settings.status,
  };
}

/** The part on the cluster as the controller takes it. Reads certificate files; throws CONFIG_INVALID when they are gone. */
export function clusterSource(cluster: Settings["cluster"]): ClusterSource {
  const { kubeconfig, context, inCluster, server, tlsServerName, insecureSkipTlsVerify } = cluster;
  const { token, proxyUrl, caFile, certificateFile, keyFile } = cluster;
  const tokenFile = token?.startsWith("file:") === true ? token.slice("file:".length) : undefined;
  return {
    kubeconfig,
    context,
    inCluster,
    server,
    ca: contentOf(caFile),
    token: tokenFile === undefined ? token : undefined,
    tokenFile,
    certificate: contentOf(certificateFile),
    key: contentOf(keyFile),
    tlsServerName,
    insecureSkipTlsVerify,
    proxyUrl: proxyUrl?.startsWith("file:") === true ? contentOf(proxyUrl.slice("file:".length))?.trim() : proxyUrl,
  };
}

function contentOf(path: string | undefined): string | undefined {
  try {
    return path === undefined ? undefined : readFileSync(path, "utf8");
  } catch (cause) {
    throw new FairleadError("CONFIG_INVALID", `file ${path} cannot be read any more (${codeOf(cause)})`, { cause });
  }
}

/** What differs between two configurations: names of their top keys. */
export interface ConfigChanges {
  /** Taken over while the controller runs: "plugins", "log". */
  readonly live: readonly string[];
  /** Taken over when the program is started again. */
  readonly afterRestart: readonly string[];
}

const LIVE: readonly string[] = ["plugins", "log"];

/** Compares two configurations. `dryRun` counts as plugins too, as it changes their entries. */
export function configChanges(before: LoadedConfig, after: LoadedConfig): ConfigChanges {
  const keys = new Set([...Object.keys(before.settings), ...Object.keys(after.settings)]);
  const changed = [...keys].filter((key) => !isDeepStrictEqual(partOf(before, key), partOf(after, key)));
  return {
    live: changed.filter((key) => LIVE.includes(key)),
    afterRestart: changed.filter((key) => !LIVE.includes(key)),
  };
}

function partOf(config: LoadedConfig, key: string): unknown {
  if (key === "plugins") {
    return toEntries(config);
  }
  return Reflect.get(config.settings, key);
}

function toEntries(config: LoadedConfig): unknown {
  return config.plugins
    .filter(({ enabled }) => enabled)
    .map(({ entry }) => ({ ...entry, use: entry.use instanceof URL ? entry.use.href : entry.use }));
}
