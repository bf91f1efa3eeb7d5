import { BlockList, isIP } from "node:net";
import { FairleadError } from "../errors.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a server, by the rules of Go's `http.ProxyFromEnvironment`: HTTPS_PROXY for https, HTTP_PROXY for
 * http, lower-case names as second choice, NO_PROXY with names, `.suffix`, addresses, CIDRs and ports, never for
 * localhost and loopback addresses.
 */
export function proxyFromEnvironment(server: string, env: Environment): string | undefined {
  const url = new URL(server);
  const secure = url.protocol === "https:";
  const upper = secure ? "HTTPS_PROXY" : "HTTP_PROXY";
  // A CGI program must not take HTTP_PROXY: it could come from a request header.
  const proxy = (!secure && env.REQUEST_METHOD ? undefined : env[upper]) || env[upper.toLowerCase()];
  if (!proxy || !goesThroughProxy(url, env.NO_PROXY || env.no_proxy || "")) {
    return undefined;
  }
  return proxy;
}

/** Checks a proxy address; KUBE_PROXY_UNSUPPORTED for SOCKS and other schemes, KUBE_BAD_CONFIG for no address at all. */
export function checkProxyUrl(text: string, origin: string): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === "") {
    throw new FairleadError("KUBE_BAD_CONFIG", `the proxy address of ${origin} is not a URL; write http://host:port`, {
      facts: { origin },
    });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new FairleadError(
      "KUBE_PROXY_UNSUPPORTED",
      `proxy ${url.protocol}//${url.host} of ${origin} is not supported; use an http:// or https:// proxy`,
      { facts: { proxy: `${url.protocol}//${url.host}`, origin } },
    );
  }
  return url.href.replace(/\/$/, "");
}

function goesThroughProxy(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  if (host === "localhost" || isLoopback(host)) {
    return false;
  }
  for (const part of noProxy.split(",")) {
    const entry = part.trim().toLowerCase();
    if (entry === "*" || (entry !== "" && excludes(entry, host, port))) {
      return false;
    }
  }
  return true;
}

function isLoopback(host: string): boolean {
  return host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function excludes(entry: string, host: string, port: string): boolean {
  const slash = entry.indexOf("/");
  if (slash > 0) {
    return inSubnet(host, entry.slice(0, slash), Number(entry.slice(slash + 1)));
  }
  const [name, wantedPort] = splitPort(entry);
  if (wantedPort !== "" && wantedPort !== port) {
    return false;
  }
  if (isIP(name) !== 0) {
    return isIP(host) !== 0 && inSubnet(host, name, isIP(name) === 4 ? 32 : 128);
  }
  if (isIP(host) !== 0) {
    return false;
  }
  const suffix = name.startsWith("*.") ? name.slice(1) : name;
  return suffix.startsWith(".") ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function splitPort(entry: string): readonly [name: string, port: string] {
  const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(entry);
  if (bracketed !== null) {
    return [bracketed[1] ?? "", bracketed[2] ?? ""];
  }
  const plain = isIP(entry) === 6 ? null : /^(.+):(\d+)$/.exec(entry);
  return plain === null ? [entry, ""] : [plain[1] ?? "", plain[2] ?? ""];
}

function inSubnet(host: string, address: string, prefix: number): boolean {
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !(prefix >= 0 && prefix <= (family === 4 ? 32 : 128))) {
    return false;
  }
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, prefix, type);
  return list.check(host, type);
}
