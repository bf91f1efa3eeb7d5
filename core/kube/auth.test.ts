import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { AccessCredentials, ClusterAccess, ExecSpec } from "./access.ts";
import { makeAuthority } from "./certificates.test-support.ts";
import { resolveCluster } from "./cluster-config.ts";
import { type ConnectOptions, connect } from "./http-transport.ts";
import { accessTo, ask, type Handler, serve, started } from "./server.test-support.ts";

const pki = makeAuthority();
const folder = mkdtempSync(join(tmpdir(), "fairlead-auth-"));
// The programs below are CommonJS, whatever lies in the folders above.
writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }');
after(() => rmSync(folder, { recursive: true, force: true }));

/** Lets in who shows the token that `wanted` gives, and counts. */
function guard(wanted: () => string): { handler: Handler; seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    handler: (request, response) => {
      const given = request.headers.authorization ?? "nobody";
      seen.push(given);
      response.writeHead(given === `Bearer ${wanted()}` ? 200 : 401).end(given);
    },
  };
}

function plugin(name: string, script: string): ExecSpec {
  const command = join(folder, name);
  writeFileSync(command, `#!${process.execPath}\n${script}`);
  chmodSync(command, 0o755);
  return {
    apiVersion: "client.authentication.k8s.io/v1",
    command,
    args: ["--password=hunter2"],
    env: { EXTRA: "e" },
    interactiveMode: "Never",
  };
}

/** A program that counts its runs in a file and prints `token-<run>`. */
function counting(name: string, status = ""): { exec: ExecSpec; runs: () => number } {
  const counter = join(folder, `${name}.count`);
  writeFileSync(counter, "0");
  const exec = plugin(
    name,
    `const fs = require("node:fs"); const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
     const run = Number(fs.readFileSync(${JSON.stringify(counter)}, "utf8")) + 1; fs.writeFileSync(${JSON.stringify(counter)}, String(run));
     console.log(JSON.stringify({ apiVersion: info.apiVersion, kind: "ExecCredential", status: { token: "token-" + run${status} } }));`,
  );
  return { exec, runs: () => Number(readFileSync(counter, "utf8")) };
}

async function against(
  handler: Handler,
  credentials: AccessCredentials,
  run: (transport: ReturnType<typeof connect>) => Promise<void>,
  options: ConnectOptions = {},
  more: Partial<ClusterAccess> = {},
): Promise<void> {
  await using server = await serve("h2", handler, pki.server);
  const transport = connect(
    accessTo(`https://127.0.0.1:${server.port}`, { ca: pki.ca, credentials, ...more }),
    options,
  );
  try {
    await run(transport);
  } finally {
    await transport.close();
  }
}

describe("tokens", () => {
  test("a 401 with a fixed token is handed over, without a second request", async () => {
    const { handler, seen } = guard(() => "right");
    await against(handler, { token: "wrong" }, async (transport) => {
      const heard = await ask(transport);
      assert.deepEqual([heard.head?.status, heard.body, heard.calls.at(-1)], [401, "Bearer wrong", "end"]);
    });
    assert.equal(seen.length, 1);
  });

  test("a rotated token file is used after a 401 at once, and after the interval without one", async () => {
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "one\n");
    let wanted = "one";
    let now = 1_000_000;
    const { handler, seen } = guard(() => wanted);
    await against(
      handler,
      { tokenFile },
      async (transport) => {
        assert.equal((await ask(transport)).head?.status, 200);
        wanted = "two";
        writeFileSync(tokenFile, "two\n");
        const heard = await ask(transport, { method: "POST", body: "{}" });
        assert.deepEqual([heard.head?.status, heard.calls.filter((call) => call === "head").length], [200, 1]);
        wanted = "three";
        writeFileSync(tokenFile, "three\n");
        now += 60_000;
        assert.equal((await ask(transport)).head?.status, 200);
      },
      { now: () => now },
    );
    assert.deepEqual(seen, ["Bearer one", "Bearer one", "Bearer two", "Bearer three"]);
  });

  test("a token file that cannot be read is KUBE_AUTH and names the file", async () => {
    await against(guard(() => "x").handler, { tokenFile: join(folder, "none") }, async (transport) => {
      const { error } = await ask(transport);
      assert.equal(error?.code, "KUBE_AUTH");
      assert.match(error?.message ?? "", /cannot read the token file .*none \(ENOENT\)/);
    });
  });

  test("a kubeconfig that was written anew is read again after a 401", async () => {
    const { handler } = guard(() => "new");
    await using server = await serve("h2", handler, pki.server);
    const path = join(folder, "config.json");
    const write = (token: string): void =>
      writeFileSync(
        path,
        JSON.stringify({
          "current-context": "c",
          contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
          clusters: [
            {
              name: "k",
              cluster: { server: `https://127.0.0.1:${server.port}`, "certificate-authority-data": btoa(pki.ca) },
            },
          ],
          users: [{ name: "u", user: { token } }],
        }),
      );
    write("old");
    const transport = connect(structuredClone(await resolveCluster({ kubeconfig: path }, { env: {} })));
    assert.equal((await ask(transport)).head?.status, 401);
    await transport.close();
    const again = connect(await resolveCluster({ kubeconfig: path }, { env: {} }));
    write("new");
    assert.equal((await ask(again)).head?.status, 200);
    await again.close();
  });

  test("a token with characters that no token has is refused without showing it", async () => {
    await against(guard(() => "x").handler, { token: "sec\nret" }, async (transport) => {
      const { error } = await ask(transport);
      assert.equal(error?.code, "KUBE_AUTH");
      assert.doesNotMatch(JSON.stringify([error?.message, error?.facts]), /sec|ret"/);
    });
  });

  test("basic credentials and impersonation become headers", async () => {
    let headers: Record<string, unknown> = {};
    const handler: Handler = (request, response) => {
      headers = request.headers;
      response.end();
    };
    const impersonate = { user: "jane", groups: ["a", "b"], uid: "7", extra: { "Team/x": ["blue"] } };
    await against(
      handler,
      { username: "u", password: "p:w" },
      async (transport) => void (await ask(transport)),
      {},
      { impersonate },
    );
    assert.equal(headers.authorization, `Basic ${btoa("u:p:w")}`);
    assert.deepEqual(
      [
        headers["impersonate-user"],
        headers["impersonate-group"],
        headers["impersonate-uid"],
        headers["impersonate-extra-team%2fx"],
      ],
      ["jane", "a, b", "7", "blue"],
    );
  });
});

describe("exec programs", () => {
  test("run once for many requests, and once more after a 401", async () => {
    const { exec, runs } = counting("plain");
    let wanted = "token-1";
    const { handler } = guard(() => wanted);
    await against(handler, { exec }, async (transport) => {
      const first = await Promise.all([ask(transport), ask(transport), ask(transport)]);
      assert.deepEqual(
        first.map((heard) => heard.head?.status),
        [200, 200, 200],
      );
      assert.equal(runs(), 1);
      wanted = "token-2";
      const second = await Promise.all([ask(transport), ask(transport)]);
      assert.deepEqual(
        second.map((heard) => heard.head?.status),
        [200, 200],
      );
      assert.equal(runs(), 2);
      wanted = "never";
      assert.equal((await ask(transport)).head?.status, 401);
      assert.equal((await ask(transport)).head?.status, 401);
      assert.equal(runs(), 2, "a server that refuses everything must not start a program per request");
    });
  });

  test("credentials are fetched again before they expire, without a request waiting or failing", async () => {
    const start = Date.parse("2030-01-01T00:00:00Z");
    const { exec, runs } = counting(
      "expiring",
      `, expirationTimestamp: run === 1 ? "2030-01-01T01:00:00Z" : "2030-01-01T02:00:00Z"`,
    );
    let now = start;
    const seen: string[] = [];
    const handler: Handler = (request, response) => {
      seen.push(String(request.headers.authorization));
      response.end();
    };
    await against(
      handler,
      { exec },
      async (transport) => {
        await ask(transport);
        now = start + 59.5 * 60_000;
        await ask(transport);
        while (runs() < 2) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        now = start + 61 * 60_000;
        await ask(transport);
      },
      { now: () => now },
    );
    assert.deepEqual(seen, ["Bearer token-1", "Bearer token-1", "Bearer token-2"]);
  });

  test("a client certificate from a program is used", async () => {
    const exec = plugin(
      "certificate",
      `console.log(JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: ${JSON.stringify({ clientCertificateData: pki.client.cert, clientKeyData: pki.client.key })} }));`,
    );
    await using server = await serve("h2", (_request, response) => response.end(), { ...pki.server, ca: pki.ca });
    const transport = connect(accessTo(`https://127.0.0.1:${server.port}`, { ca: pki.ca, credentials: { exec } }));
    assert.equal((await ask(transport)).head?.status, 200);
    await transport.close();
  });

  const broken = [
    [
      "missing",
      { ...plugin("x", ""), command: join(folder, "not-there"), installHint: "install it" },
      /is not installed or not in PATH; install it/,
    ],
    ["failing", plugin("failing", `console.error("s3cret"); process.exit(3)`), /ended with code 3; run it by hand/],
    ["garbage", plugin("garbage", `console.log("s3cret")`), /did not print an ExecCredential/],
    [
      "old",
      plugin("old", `console.log('{"apiVersion":"v0","kind":"ExecCredential","status":{"token":"s3cret"}}')`),
      /another apiVersion/,
    ],
    [
      "empty",
      plugin(
        "empty",
        `console.log('{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{}}')`,
      ),
      /neither a token nor a certificate/,
    ],
    ["unstartable", { ...plugin("never", ""), args: ["\0"] }, /cannot be started \(ERR_INVALID_ARG_VALUE\)/],
  ] as const;
  for (const [name, exec, says] of broken) {
    test(`a ${name} program is KUBE_AUTH and shows no secret`, async () => {
      await against(guard(() => "x").handler, { exec }, async (transport) => {
        const { error } = await ask(transport);
        assert.equal(error?.code, "KUBE_AUTH");
        assert.match(error?.message ?? "", says);
        assert.doesNotMatch(
          JSON.stringify([error?.message, error?.facts, error?.stack, String(error?.cause)]),
          /s3cret|hunter2/,
        );
      });
    });
  }
});

describe("proxies", () => {
  /** A CONNECT proxy that wants `me:pw`. */
  const proxy = (asked: string[]) =>
    started(
      createServer((near) => {
        near.once("data", (head) => {
          const text = head.toString();
          asked.push(text.split("\r\n")[0] ?? "");
          if (!text.includes(`Proxy-Authorization: Basic ${btoa("me:pw")}`)) {
            near.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
            return;
          }
          const far = connectTcp(Number(/:(\d+) HTTP/.exec(text)?.[1]), "127.0.0.1", () => {
            near.write("HTTP/1.1 200 Connection established\r\n\r\n");
            near.pipe(far).pipe(near);
          });
          far.on("error", () => near.destroy());
          near.on("close", () => far.destroy());
        });
      }),
    );

  test("https goes through a CONNECT tunnel, with HTTP/2 inside", async () => {
    const asked: string[] = [];
    await using middle = await proxy(asked);
    await using server = await serve("h2", (_request, response) => response.end("ok"), pki.server);
    const transport = connect(
      accessTo(`https://localhost:${server.port}`, { ca: pki.ca, proxyUrl: `http://me:pw@127.0.0.1:${middle.port}` }),
    );
    assert.equal((await ask(transport)).body, "ok");
    assert.equal(transport.stats().protocol, "h2");
    assert.deepEqual(asked, [`CONNECT localhost:${server.port} HTTP/1.1`]);
    await transport.close();
  });

  test("a proxy that wants other credentials is KUBE_AUTH, without showing ours", async () => {
    await using middle = await proxy([]);
    const transport = connect(
      accessTo("https://192.0.2.1:6443", { proxyUrl: `http://me:hunter2@127.0.0.1:${middle.port}` }),
    );
    const { error } = await ask(transport);
    assert.equal(error?.code, "KUBE_AUTH");
    assert.doesNotMatch(JSON.stringify([error?.message, error?.facts]), /hunter2/);
    await transport.close();
  });

  test("plain http is asked for by its whole address", async () => {
    let url: string | undefined;
    await using middle = await serve("http", (request, response) => {
      url = request.url;
      response.end();
    });
    const transport = connect(
      accessTo("http://api.example.org:8001/base", { proxyUrl: `http://127.0.0.1:${middle.port}` }),
    );
    assert.equal((await ask(transport)).head?.status, 200);
    assert.equal(url, "http://api.example.org:8001/base/version");
    await transport.close();
  });

  test("SOCKS is refused by name", () => {
    assert.throws(
      () => connect(accessTo("https://192.0.2.1", { proxyUrl: "socks5://u:hunter2@127.0.0.1:1080" })),
      (error: Error) => {
        assert.equal(Reflect.get(error, "code"), "KUBE_PROXY_UNSUPPORTED");
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  });
});
