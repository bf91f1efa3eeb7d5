import assert from "node:assert/strict";
import { test } from "node:test";
import { checkProxyUrl, proxyFromEnvironment } from "./proxy.ts";

const P = "http://proxy.example.org:3128";

const cases: readonly (readonly [server: string, env: Record<string, string>, proxy: string | undefined])[] = [
  ["https://api.example.org:6443", {}, undefined],
  ["https://api.example.org:6443", { HTTPS_PROXY: P }, P],
  ["https://api.example.org:6443", { https_proxy: P }, P],
  ["https://api.example.org:6443", { HTTP_PROXY: P }, undefined],
  ["http://api.example.org", { HTTP_PROXY: P }, P],
  ["http://api.example.org", { HTTP_PROXY: P, REQUEST_METHOD: "GET" }, undefined],
  ["https://localhost:6443", { HTTPS_PROXY: P }, undefined],
  ["https://127.0.0.1:6443", { HTTPS_PROXY: P }, undefined],
  ["https://[::1]:6443", { HTTPS_PROXY: P }, undefined],
  ["https://api.example.org", { HTTPS_PROXY: P, NO_PROXY: "*" }, undefined],
  ["https://api.example.org", { HTTPS_PROXY: P, NO_PROXY: "other.org, Example.ORG" }, undefined],
  ["https://example.org", { HTTPS_PROXY: P, NO_PROXY: "example.org" }, undefined],
  ["https://example.org", { HTTPS_PROXY: P, NO_PROXY: ".example.org" }, P],
  ["https://a.example.org", { HTTPS_PROXY: P, NO_PROXY: ".example.org" }, undefined],
  ["https://a.example.org", { HTTPS_PROXY: P, NO_PROXY: "*.example.org" }, undefined],
  ["https://notexample.org", { HTTPS_PROXY: P, NO_PROXY: "example.org" }, P],
  ["https://example.org:6443", { HTTPS_PROXY: P, NO_PROXY: "example.org:6443" }, undefined],
  ["https://example.org:6443", { HTTPS_PROXY: P, NO_PROXY: "example.org:443" }, P],
  ["https://192.0.2.7", { HTTPS_PROXY: P, NO_PROXY: "192.0.2.0/24" }, undefined],
  ["https://192.0.3.7", { HTTPS_PROXY: P, NO_PROXY: "192.0.2.0/24" }, P],
  ["https://192.0.2.7", { HTTPS_PROXY: P, no_proxy: "192.0.2.7" }, undefined],
  ["https://[2001:db8::7]", { HTTPS_PROXY: P, NO_PROXY: "2001:db8::/32" }, undefined],
  ["https://[2001:db8::7]:6443", { HTTPS_PROXY: P, NO_PROXY: "[2001:db8::7]:6443" }, undefined],
  ["https://192.0.2.7", { HTTPS_PROXY: P, NO_PROXY: "not/a/net,,192.0.2.0/99" }, P],
];

for (const [server, env, proxy] of cases) {
  test(`${server} with ${JSON.stringify(env)} goes ${proxy === undefined ? "directly" : "through the proxy"}`, () => {
    assert.equal(proxyFromEnvironment(server, env), proxy);
  });
}

test("a proxy address without scheme is http, others than http and https are refused", () => {
  assert.equal(checkProxyUrl("proxy.example.org:3128", "t"), "http://proxy.example.org:3128");
  assert.throws(() => checkProxyUrl("socks5://proxy.example.org", "t"), { code: "KUBE_PROXY_UNSUPPORTED" });
  assert.throws(() => checkProxyUrl("http://", "t"), { code: "KUBE_BAD_CONFIG" });
});
