import { codeOf, FairleadError } from "../errors.ts";
import type { ClusterAccess, Impersonation } from "./access.ts";
import type { CurrentAccess } from "./credentials.ts";
import type { ConnectOptions } from "./http-transport.ts";
import { checkProxyUrl } from "./proxy.ts";
import type { HttpRequest } from "./transport.ts";

/** Options of a connection with all defaults filled in. */
export type ConnectSettings = Required<ConnectOptions>;

/** The address of the server, taken apart. */
export interface Destination {
  readonly secure: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** As the Host header wants it. */
  readonly hostHeader: string;
  /** What comes before every path, without a slash at the end. */
  readonly basePath: string;
  readonly proxy: URL | undefined;
  /** Plain HTTP through a proxy: requests carry the whole address. */
  readonly absolute: boolean;
}

/** Takes the server address apart. KUBE_BAD_CONFIG when it is none, KUBE_PROXY_UNSUPPORTED for a SOCKS proxy. */
export function destinationOf(access: ClusterAccess): Destination {
  const url = URL.parse(access.server);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:") || url.hostname === "") {
    throw new FairleadError(
      "KUBE_BAD_CONFIG",
      `the server address of ${access.origin} is not an http:// or https:// URL; write https://host:port`,
      { facts: { origin: access.origin } },
    );
  }
  const secure = url.protocol === "https:";
  const proxy = access.proxyUrl === undefined ? undefined : new URL(checkProxyUrl(access.proxyUrl, access.origin));
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || (secure ? 443 : 80)),
    hostHeader: url.host,
    basePath: url.pathname.replace(/\/+$/, ""),
    proxy,
    absolute: !secure && proxy !== undefined,
  };
}

/** Headers of one request: the caller's, then ours. */
export function requestHeaders(
  request: HttpRequest,
  current: CurrentAccess,
  userAgent: string,
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { ...request.headers, "user-agent": userAgent };
  if (current.authorization !== undefined) {
    headers.authorization = current.authorization;
  }
  if (request.body !== undefined) {
    headers["content-length"] = String(Buffer.byteLength(request.body));
  }
  if (current.access.impersonate !== undefined) {
    impersonate(headers, current.access.impersonate);
  }
  return headers;
}

function impersonate(headers: Record<string, string | string[]>, as: Impersonation): void {
  headers["impersonate-user"] = as.user;
  if (as.uid !== undefined) {
    headers["impersonate-uid"] = as.uid;
  }
  if (as.groups.length > 0) {
    headers["impersonate-group"] = [...as.groups];
  }
  for (const [name, values] of Object.entries(as.extra)) {
    headers[`impersonate-extra-${encodeURIComponent(name).toLowerCase()}`] = [...values];
  }
}

/** The TLS side of an access. KUBE_TLS names which of CA, certificate and key cannot be used. */
export async function secureContextOf(current: CurrentAccess): Promise<import("node:tls").SecureContext> {
  const { createSecureContext } = await import("node:tls");
  const { X509Certificate } = await import("node:crypto");
  const { access, certificate, key } = current;
  const options = { ca: access.ca, cert: certificate, key, minVersion: "TLSv1.2" } as const;
  const checkCa = (): void => {
    if (access.ca !== undefined) {
      // OpenSSL silently ignores a CA that it cannot read.
      new X509Certificate(access.ca);
    }
  };
  try {
    checkCa();
    return createSecureContext(options);
  } catch (error) {
    const parts = [
      ["CA certificate", checkCa],
      ["client certificate", () => createSecureContext({ cert: certificate })],
    ] as const;
    const bad = parts.find(([, check]) => {
      try {
        check();
        return false;
      } catch {
        return true;
      }
    });
    const part = bad?.[0] ?? "client key";
    // No cause: OpenSSL's error may carry a piece of what it read.
    throw new FairleadError(
      "KUBE_TLS",
      `the ${part} of ${access.origin} cannot be used (${codeOf(error)}); fetch the kubeconfig again`,
      { facts: { part, origin: access.origin, reason: codeOf(error) } },
    );
  }
}
