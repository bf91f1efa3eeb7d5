import { existsSync, readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { codeOf, FairleadError } from "../errors.ts";
import type { ClusterAccess, ClusterSource } from "./access.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { checkProxyUrl, type Environment, proxyFromEnvironment } from "./proxy.ts";

export type { ClusterAccess, ClusterSource } from "./access.ts";

/** What `resolveCluster` looks at; for tests. */
export interface Surroundings {
  readonly env: Environment;
  /** Folder of the mounted service account. */
  readonly serviceAccount: string;
  readonly home: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Finds out how to reach a cluster: the given source, or KUBECONFIG (several files merged), `~/.kube/config`, the
 * service account of the pod. Runs nothing and connects to nothing. Codes: KUBE_NO_CLUSTER (names what was looked
 * at), KUBE_BAD_CONFIG, KUBE_PROXY_UNSUPPORTED.
 */
export async function resolveCluster(
  source: ClusterSource = {},
  around: Partial<Surroundings> = {},
): Promise<ClusterAccess> {
  const surroundings: Surroundings = {
    env: around.env ?? process.env,
    serviceAccount: around.serviceAccount ?? SERVICE_ACCOUNT,
    home: around.home ?? homedir(),
  };
  const access = await find(source, surroundings);
  if (URL.parse(access.server)?.protocol !== "https:" && URL.parse(access.server)?.protocol !== "http:") {
    throw new FairleadError(
      "KUBE_BAD_CONFIG",
      `the server address of ${access.origin} is not an http:// or https:// URL; write https://host:port`,
      {
        facts: { origin: access.origin },
      },
    );
  }
  const proxy = access.proxyUrl ?? proxyFromEnvironment(access.server, surroundings.env);
  const proxyUrl =
    proxy === undefined
      ? undefined
      : checkProxyUrl(proxy, access.proxyUrl === undefined ? "the environment" : access.origin);
  return { ...access, proxyUrl, renew: source };
}

async function find(source: ClusterSource, around: Surroundings): Promise<ClusterAccess> {
  if (source.inCluster === true) {
    return inCluster(around);
  }
  if (source.server !== undefined) {
    return direct(source, source.server);
  }
  if (source.kubeconfig !== undefined) {
    const { kubeconfig } = source;
    return readKubeconfig(typeof kubeconfig === "string" ? { files: [kubeconfig] } : kubeconfig, source.context);
  }
  const named = around.env.KUBECONFIG ?? "";
  const files =
    named === "" ? [join(around.home, ".kube", "config")] : named.split(delimiter).filter((file) => file !== "");
  const present = files.filter((file) => existsSync(file));
  if (present.length > 0) {
    return readKubeconfig({ files: present }, source.context);
  }
  if (
    source.context === undefined &&
    around.env.KUBERNETES_SERVICE_HOST &&
    existsSync(join(around.serviceAccount, "token"))
  ) {
    return inCluster(around);
  }
  const looked = [
    ...(named === "" ? ["KUBECONFIG (not set)"] : []),
    ...files.map((file) => `${file} (missing)`),
    `the service account in ${around.serviceAccount} (${around.env.KUBERNETES_SERVICE_HOST ? "no token" : "not in a pod"})`,
  ];
  throw new FairleadError(
    "KUBE_NO_CLUSTER",
    `no cluster is configured; looked at ${looked.join(", ")}; set KUBECONFIG or name a kubeconfig`,
    {
      facts: { looked },
    },
  );
}

function inCluster({ env, serviceAccount }: Surroundings): ClusterAccess {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT;
  if (!host || !port) {
    throw new FairleadError(
      "KUBE_NO_CLUSTER",
      "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; name a kubeconfig",
    );
  }
  const tokenFile = join(serviceAccount, "token");
  if (!existsSync(tokenFile)) {
    throw new FairleadError(
      "KUBE_NO_CLUSTER",
      `no service account is mounted (${tokenFile} is missing); set automountServiceAccountToken: true`,
      {
        facts: { path: tokenFile },
      },
    );
  }
  const namespace = optional(join(serviceAccount, "namespace"))?.trim();
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    ca: optional(join(serviceAccount, "ca.crt")),
    insecureSkipTlsVerify: false,
    credentials: { tokenFile },
    namespace: namespace === "" ? undefined : namespace,
    origin: "the pod's service account",
  };
}

function direct(source: ClusterSource, server: string): ClusterAccess {
  const { ca, tlsServerName, proxyUrl, token, tokenFile, certificate, key } = source;
  return {
    server: server.replace(/\/+$/, ""),
    ca,
    tlsServerName,
    insecureSkipTlsVerify: source.insecureSkipTlsVerify === true,
    proxyUrl,
    credentials: { token, tokenFile, certificate, key },
    origin: `server ${URL.parse(server)?.host ?? "(no URL)"}`,
  };
}

function optional(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      return undefined;
    }
    throw new FairleadError("KUBE_BAD_CONFIG", `cannot read ${path} (${codeOf(error)})`, {
      facts: { path, reason: codeOf(error) },
    });
  }
}
