import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, describe, test } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { stringify } from "yaml";
import { resolveCluster } from "./cluster-config.ts";
import { CredentialSource } from "./credentials.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, "pki"));
for (const name of ["ca", "cert", "key"]) {
  writeFileSync(join(folder, "pki", name), `PEM of ${name}`);
}
const quiet = { env: {}, home: join(folder, "no-home"), serviceAccount: join(folder, "no-account") };

interface Entry {
  readonly cluster?: Record<string, unknown>;
  readonly user?: Record<string, unknown>;
  readonly context?: Record<string, unknown>;
}

function config({ cluster, user, context }: Entry): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "main",
    clusters: [{ name: "k", cluster: { server: "https://192.0.2.1:6443", ...cluster } }],
    users: [{ name: "u", user: user ?? {} }],
    contexts: [{ name: "main", context: { cluster: "k", user: "u", ...context } }],
  };
}

describe("the plain reader agrees with the official client", () => {
  const cases: readonly (readonly [name: string, entry: Entry])[] = [
    ["nothing but a server", {}],
    ["a slash at the end", { cluster: { server: "https://api.example.org/" } }],
    ["a path prefix", { cluster: { server: "https://api.example.org/k8s/clusters/c-1" } }],
    ["CA as data", { cluster: { "certificate-authority-data": btoa("PEM") } }],
    ["CA in a file beside the kubeconfig", { cluster: { "certificate-authority": "pki/ca" } }],
    ["CA in a file by absolute path", { cluster: { "certificate-authority": join(folder, "pki", "ca") } }],
    ["certificates as data", { user: { "client-certificate-data": btoa("C"), "client-key-data": btoa("K") } }],
    ["certificates in files", { user: { "client-certificate": "pki/cert", "client-key": "./pki/key" } }],
    ["a token", { user: { token: "abc.def" } }],
    ["name and password", { user: { username: "me", password: "p:w" } }],
    ["insecure", { cluster: { "insecure-skip-tls-verify": true } }],
    ["insecure said as text does not count", { cluster: { "insecure-skip-tls-verify": "true" } }],
    ["a server name", { cluster: { "tls-server-name": "api.example.org" } }],
    ["a proxy", { cluster: { "proxy-url": "http://proxy.example.org:3128" } }],
    ["a namespace", { context: { namespace: "shop" } }],
    ["somebody else", { user: { token: "t", as: "jane" } }],
  ];
  for (const [name, entry] of cases) {
    for (const write of [stringify, JSON.stringify] as const) {
      test(`${name} (${write === stringify ? "YAML" : "JSON"})`, async () => {
        const path = join(folder, "config");
        writeFileSync(path, write(config(entry)));
        const theirs = new KubeConfig();
        theirs.loadFromFile(path);
        const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] & { servername?: string } = {};
        await theirs.applyToHTTPSOptions(options);
        const cluster = theirs.getCurrentCluster();
        const ours = await resolveCluster({ kubeconfig: path }, quiet);
        const current = new CredentialSource(ours, { tokenFileEveryMs: 1, renewEveryMs: 1, now: () => 0 }).current();
        const basic = typeof options.auth === "string" ? `Basic ${btoa(options.auth)}` : undefined;
        assert.deepEqual(
          {
            server: ours.server,
            ca: ours.ca,
            certificate: current?.certificate,
            key: current?.key,
            insecure: ours.insecureSkipTlsVerify,
            serverName: ours.tlsServerName,
            proxy: ours.proxyUrl,
            authorization: current?.authorization,
            as: ours.impersonate?.user,
            namespace: ours.namespace,
          },
          {
            server: cluster?.server,
            ca: options.ca?.toString(),
            certificate: options.cert?.toString(),
            key: options.key?.toString(),
            insecure: cluster?.skipTLSVerify,
            serverName: options.servername,
            proxy: cluster?.proxyUrl,
            authorization: options.headers?.Authorization ?? basic,
            as: options.headers?.["Impersonate-User"],
            namespace: theirs.getContextObject("main")?.namespace,
          },
        );
        assert.deepEqual(structuredClone(ours), ours);
      });
    }
  }
});

describe("sources", () => {
  const write = (name: string, content: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };

  test("of several files in KUBECONFIG the first to say something wins, and missing ones are passed over", async () => {
    const first = write("first", { "current-context": "b", users: [{ name: "u", user: { token: "first" } }] });
    mkdirSync(join(folder, "sub"), { recursive: true });
    writeFileSync(join(folder, "sub", "ca"), "sub CA");
    const second = write("sub/second", {
      ...config({ user: { token: "second" }, cluster: { "certificate-authority": "ca" } }),
      contexts: [{ name: "b", context: { cluster: "k", user: "u" } }],
    });
    const env = { KUBECONFIG: [first, join(folder, "absent"), second].join(delimiter) };
    const access = await resolveCluster({}, { ...quiet, env });
    assert.deepEqual([access.credentials.token, access.ca], ["first", "sub CA"]);
  });

  test("a named context takes the place of the current one", async () => {
    const two = { ...config({}), contexts: [{ name: "x", context: { cluster: "k", namespace: "n" } }] };
    assert.equal((await resolveCluster({ kubeconfig: { text: stringify(two) }, context: "x" }, quiet)).namespace, "n");
  });

  test("~/.kube/config, then the service account", async () => {
    const home = join(folder, "home");
    mkdirSync(join(home, ".kube"), { recursive: true });
    writeFileSync(join(home, ".kube", "config"), stringify(config({ user: { token: "home" } })));
    assert.equal((await resolveCluster({}, { ...quiet, home })).credentials.token, "home");
    const serviceAccount = join(folder, "account");
    mkdirSync(serviceAccount);
    writeFileSync(join(serviceAccount, "token"), "t");
    writeFileSync(join(serviceAccount, "ca.crt"), "cluster CA");
    writeFileSync(join(serviceAccount, "namespace"), "shop\n");
    const env = { KUBERNETES_SERVICE_HOST: "2001:db8::1", KUBERNETES_SERVICE_PORT: "443" };
    const access = await resolveCluster({}, { ...quiet, env, serviceAccount });
    assert.deepEqual(
      [access.server, access.ca, access.namespace, access.credentials],
      ["https://[2001:db8::1]:443", "cluster CA", "shop", { tokenFile: join(serviceAccount, "token") }],
    );
  });

  test("a token file counts from the kubeconfig, and goes before the token", async () => {
    const path = write("tokens", config({ user: { tokenFile: "t", token: "once" } }));
    assert.deepEqual((await resolveCluster({ kubeconfig: path }, quiet)).credentials.tokenFile, join(folder, "t"));
  });

  test("an exec user is described, with its command found from the kubeconfig's folder", async () => {
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "./login",
      args: ["a", 1],
      env: [{ name: "X", value: "y" }],
      provideClusterInfo: true,
    };
    const path = write("exec", config({ user: { exec }, cluster: { "certificate-authority-data": btoa("PEM") } }));
    const found = (await resolveCluster({ kubeconfig: path }, quiet)).credentials.exec;
    assert.deepEqual(
      [found?.command, found?.args, found?.env, found?.interactiveMode, found?.cluster?.["certificate-authority-data"]],
      [join(folder, "login"), ["a", "1"], { X: "y" }, "IfAvailable", btoa("PEM")],
    );
  });

  test("an OIDC user is resolved by the official client in a process of its own", async () => {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const exp = Math.floor(Date.now() / 1000) + 3_600;
    const unsigned = `${part({ alg: "HS256" })}.${part({ exp })}`;
    const token = `${unsigned}.${createHmac("sha256", "k").update(unsigned).digest("base64url")}`;
    const user = {
      "auth-provider": {
        name: "oidc",
        config: { "id-token": token, "client-id": "c", "idp-issuer-url": "https://id.invalid" },
      },
    };
    const path = write("oidc", config({ user }));
    const access = await resolveCluster({ kubeconfig: path }, quiet);
    const source = new CredentialSource(access, { tokenFileEveryMs: 1, renewEveryMs: 1, now: Date.now });
    assert.equal((await source.get()).authorization, `Bearer ${token}`);
    const expired = `${part({ alg: "HS256" })}.${part({ exp: 1 })}.c2ln`;
    const old = write(
      "oidc-old",
      config({ user: { "auth-provider": { name: "oidc", config: { "id-token": expired } } } }),
    );
    const oldSource = new CredentialSource(await resolveCluster({ kubeconfig: old }, quiet), {
      tokenFileEveryMs: 1,
      renewEveryMs: 1,
      now: Date.now,
    });
    await assert.rejects(oldSource.get(), { code: "KUBE_AUTH", message: /context "main".*log in again/ });
  });
});

describe("bad input", () => {
  const from = (value: unknown) => ({ kubeconfig: { text: typeof value === "string" ? value : stringify(value) } });
  const secret = "hunter2";
  const cases = [
    [
      "nothing configured",
      {},
      "KUBE_NO_CLUSTER",
      /looked at KUBECONFIG \(not set\), .*config \(missing\), the service account/,
    ],
    [
      "a file that is missing",
      { kubeconfig: "/nowhere/config" },
      "KUBE_BAD_CONFIG",
      /kubeconfig \/nowhere\/config cannot be read \(ENOENT\)/,
    ],
    ["no YAML", from(`users: [{token: ${secret}`), "KUBE_BAD_CONFIG", /neither YAML nor JSON/],
    ["a list", from([secret]), "KUBE_BAD_CONFIG", /is not a kubeconfig/],
    [
      "no current context",
      from({ ...config({}), "current-context": "" }),
      "KUBE_BAD_CONFIG",
      /has no current-context; name one of its contexts: "main"/,
    ],
    [
      "an unknown context",
      { ...from(config({})), context: "mian" },
      "KUBE_BAD_CONFIG",
      /has no context "mian"; it has "main"/,
    ],
    ["an unknown cluster", from(config({ context: { cluster: "x" } })), "KUBE_BAD_CONFIG", /has no cluster "x"/],
    ["an unknown user", from(config({ context: { user: "x" } })), "KUBE_BAD_CONFIG", /has no user "x"/],
    ["no server", from(config({ cluster: { server: "" } })), "KUBE_BAD_CONFIG", /has no server in cluster "k"/],
    [
      "a server that is no URL",
      from(config({ cluster: { server: "api:6443" } })),
      "KUBE_BAD_CONFIG",
      /is not an http:\/\/ or https:\/\/ URL/,
    ],
    [
      "a CA file that is missing",
      from(config({ cluster: { "certificate-authority": "/nowhere/ca" } })),
      "KUBE_BAD_CONFIG",
      /names certificate-authority \/nowhere\/ca/,
    ],
    ["SOCKS", from(config({ cluster: { "proxy-url": "socks5://127.0.0.1:1" } })), "KUBE_PROXY_UNSUPPORTED", /socks5/],
    ["not in a pod", { inCluster: true }, "KUBE_NO_CLUSTER", /not in a pod/],
  ] as const;
  for (const [name, source, code, message] of cases) {
    test(`${name} is ${code}`, async () => {
      await assert.rejects(resolveCluster(source, quiet), (error: Error) => {
        assert.equal(Reflect.get(error, "code"), code);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message + String(error.cause), new RegExp(secret));
        return true;
      });
    });
  }
});
