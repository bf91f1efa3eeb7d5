import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { type Logger, silentLogger } from "../log.ts";
import { testCertificates } from "../testing/certificates.ts";
import type { HealthReport } from "./health.ts";
import { StatusCertificate, StatusToken } from "./status-files.ts";
import type { StatusParts } from "./status-routes.ts";
import { openStatusServer, type StatusOptions, type StatusServer } from "./status-server.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-status-"));
after(() => rmSync(folder, { recursive: true }));

const well: HealthReport = {
  live: true,
  ready: true,
  checks: [
    { name: "ping", ok: true, live: true },
    { name: "kind/pods", ok: true, live: false },
  ],
};
const ill: HealthReport = {
  live: true,
  ready: false,
  checks: [
    { name: "ping", ok: true, live: true },
    { name: "kind/pods", ok: false, live: false, detail: "not complete" },
  ],
};

const parts = (more: Partial<StatusParts> = {}): StatusParts => ({
  health: () => Promise.resolve(ill),
  liveness: () => ({ ...well, checks: well.checks.slice(0, 1) }),
  metrics: () => Promise.resolve({ text: "# nothing\n", contentType: "text/plain; version=0.0.4" }),
  logLevel: { level: "info" },
  ...more,
});

const servers: StatusServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function opened(
  options: Partial<StatusOptions> = {},
  more: Partial<StatusParts> = {},
  log: Logger = silentLogger,
): Promise<StatusServer> {
  const server = await openStatusServer({ host: "127.0.0.1", port: 0, ...options }, parts(more), log);
  servers.push(server);
  return server;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  readonly token?: string;
  readonly body?: string;
  readonly ca?: string;
}

function ask(server: StatusServer, path: string, { method = "GET", token, body, ca }: Ask = {}): Promise<Reply> {
  const url = new URL(server.url);
  const headers = { connection: "close", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const make = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // The path as it is: not resolved, not escaped.
    const request = make(
      { host: url.hostname, port: url.port, path, method, headers, ca, agent: false },
      (response) => {
        response.setEncoding("utf8");
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** Sends bytes and gives all that comes until the server closes. */
async function raw(server: StatusServer, ...pieces: readonly string[]): Promise<string> {
  const socket: Socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => resolve());
    socket.on("error", () => {});
  });
  for (const piece of pieces) {
    socket.write(piece);
  }
  await closed;
  return text;
}

test("probes and metrics are served, by GET and by HEAD", async () => {
  const server = await opened();
  assert.deepEqual(
    [
      (await ask(server, "/livez")).body,
      (await ask(server, "/healthz")).body,
      (await ask(server, "/livez/ping")).status,
    ],
    ["ok", "ok", 200],
  );
  const ready = await ask(server, "/readyz");
  assert.equal(ready.status, 500);
  assert.equal(ready.body, "[+]ping ok\n[-]kind/pods failed: not complete\nreadyz check failed\n");
  assert.equal((await ask(server, "/readyz?exclude=kind/pods")).body, "ok");
  assert.match((await ask(server, "/readyz?exclude=kind%2Fpods&verbose")).body, /kind\/pods excluded/);
  assert.equal((await ask(server, "/readyz/kind/pods")).status, 500);
  assert.equal((await ask(server, "/readyz/kind/services")).status, 404);
  const metrics = await ask(server, "/metrics");
  assert.deepEqual([metrics.status, metrics.headers["content-type"]], [200, "text/plain; version=0.0.4"]);
  const head = await ask(server, "/metrics", { method: "HEAD" });
  assert.deepEqual([head.status, head.body, head.headers["content-length"]], [200, "", "10"]);
});

test("everything else is refused", async () => {
  const server = await opened();
  const cases: readonly (readonly [string, string, number])[] = [
    ["GET", "/", 404],
    ["GET", "/livezz", 404],
    ["GET", "//livez", 404],
    ["GET", "/../metrics", 404],
    ["GET", "/readyz/%zz", 404],
    ["GET", "*", 404],
    ["POST", "/metrics", 405],
    ["DELETE", "/livez", 405],
    ["OPTIONS", "/", 405],
    ["PUT", "/metrics", 405],
    ["PUT", "/loglevel", 403],
    ["GET", "/loglevel", 403],
  ];
  for (const [method, path, status] of cases) {
    assert.equal((await ask(server, path, { method })).status, status, `${method} ${path}`);
  }
});

test("a token guards metrics and the log level, and leaves the probes open", async () => {
  const level = { level: "info" };
  const server = await opened({ token: "s3cret" }, { logLevel: level });
  assert.equal((await ask(server, "/livez")).status, 200);
  assert.equal((await ask(server, "/metrics")).status, 401);
  assert.equal((await ask(server, "/metrics", { token: "s3cre" })).status, 401);
  assert.equal((await ask(server, "/metrics", { token: "" })).status, 401);
  assert.equal((await ask(server, "/metrics", { token: "s3cret" })).status, 200);
  assert.equal((await ask(server, "/loglevel", { method: "PUT", body: "debug" })).status, 401);
  assert.equal(level.level, "info");
  const put = (body: string): Promise<Reply> => ask(server, "/loglevel", { method: "PUT", token: "s3cret", body });
  assert.deepEqual([(await put("debug\n")).body, level.level], ["debug\n", "debug"]);
  assert.deepEqual([(await put("loud")).status, level.level], [400, "debug"]);
  assert.deepEqual([(await put("x".repeat(100_000))).status, level.level], [400, "debug"]);
  assert.equal((await ask(server, "/loglevel", { token: "s3cret" })).body, "debug\n");
  assert.equal((await ask(server, "/loglevel", { token: "s3cret", method: "POST" })).status, 405);
});

test("a logger without a level has no /loglevel", async () => {
  const server = await opened({ token: "s3cret" }, { logLevel: undefined });
  assert.equal((await ask(server, "/loglevel", { token: "s3cret" })).status, 404);
});

test("a token from a file follows the file, and the old one stays when it cannot be read", async () => {
  const file = join(folder, "token");
  writeFileSync(file, "first\n");
  const lines: string[] = [];
  const log = {
    ...silentLogger,
    warn: (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`),
  };
  const token = new StatusToken(`file:${file}`, log);
  await token.load();
  assert.deepEqual(
    [token.allows("Bearer first"), token.allows("bearer  first "), token.allows("first")],
    [true, true, false],
  );
  writeFileSync(file, "second");
  await token.refresh();
  assert.deepEqual([token.allows("Bearer first"), token.allows("Bearer second")], [false, true]);
  for (const text of ["", "two words"]) {
    writeFileSync(file, text);
    await token.refresh();
    await token.refresh();
    assert.deepEqual(
      [token.allows("Bearer second"), token.allows("Bearer "), token.allows("Bearer two")],
      [true, false, false],
    );
  }
  rmSync(file);
  await token.refresh();
  assert.equal(token.allows("Bearer second"), true);
  assert.equal(lines.length, 3);
  assert.doesNotMatch(lines.join(), /second|two words/);
});

for (const [what, options] of [
  ["an empty token", { token: "" }],
  ["a token file that is not there", { token: `file:${join(folder, "nothing")}` }],
  ["a certificate that is not there", { tls: { certFile: join(folder, "nothing"), keyFile: join(folder, "nothing") } }],
] as const) {
  test(`refuses ${what}`, async () => {
    await assert.rejects(opened(options), { code: "STATUS_BAD_OPTION" });
  });
}

test("TLS follows its files, and the old certificate stays while the new one is not whole", async () => {
  const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
  const [first, second] = await Promise.all([testCertificates(), testCertificates()]);
  writeFileSync(files.certFile, first.certPem);
  writeFileSync(files.keyFile, first.keyPem);
  const server = await opened({ tls: files });
  assert.match(server.url, /^https:/);
  assert.equal((await ask(server, "/livez", { ca: first.caPem })).body, "ok");
  assert.match(await raw(server, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"), /^(HTTP\/1.1 400.*)?$/s);
  await server.close();
  const certificate = new StatusCertificate(files, silentLogger);
  await certificate.load();
  const seen: string[] = [];
  certificate.onChange(({ cert }) => seen.push(cert));
  await certificate.refresh();
  writeFileSync(files.certFile, second.certPem);
  await certificate.refresh();
  assert.deepEqual(seen, []);
  writeFileSync(files.keyFile, second.keyPem);
  await certificate.refresh();
  await certificate.refresh();
  assert.deepEqual(seen, [second.certPem]);
  assert.equal(certificate.pair.key, second.keyPem);
});

test("a renewed certificate is used by the server that runs", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const files = { certFile: join(folder, "live-cert.pem"), keyFile: join(folder, "live-key.pem") };
  const [first, second] = await Promise.all([testCertificates(), testCertificates()]);
  writeFileSync(files.certFile, first.certPem);
  writeFileSync(files.keyFile, first.keyPem);
  const renewed = Promise.withResolvers<void>();
  const log = { ...silentLogger, info: () => renewed.resolve() };
  const server = await opened({ tls: files }, {}, log);
  writeFileSync(files.certFile, second.certPem);
  writeFileSync(files.keyFile, second.keyPem);
  t.mock.timers.tick(10_000);
  await renewed.promise;
  assert.equal((await ask(server, "/livez", { ca: second.caPem })).body, "ok");
  await assert.rejects(ask(server, "/livez", { ca: first.caPem }));
});

test("of two bad files of TLS the one to mend is named", async () => {
  const files = { certFile: join(folder, "which-cert.pem"), keyFile: join(folder, "which-key.pem") };
  const [first, second] = await Promise.all([testCertificates(), testCertificates()]);
  const cases: [cert: string, key: string, message: RegExp][] = [
    [first.certPem, second.keyPem, /which-key\.pem" is not the key of the certificate ".*which-cert\.pem"/],
    ["garbage", first.keyPem, /which-cert\.pem" holds no certificate in PEM/],
    [first.certPem, "garbage", /which-key\.pem" holds no key in PEM/],
  ];
  for (const [cert, key, message] of cases) {
    writeFileSync(files.certFile, cert);
    writeFileSync(files.keyFile, key);
    await assert.rejects(opened({ tls: files }), { code: "STATUS_BAD_OPTION", message });
  }
});

test("an address that is taken is told with a code", async () => {
  const server = await opened();
  const port = Number(new URL(server.url).port);
  const message = new RegExp(`"127\\.0\\.0\\.1", port ${port}: .*EADDRINUSE.*; change status\\.port$`);
  await assert.rejects(opened({ port }), { code: "STATUS_LISTEN_FAILED", message });
  await assert.rejects(opened({ host: "no host" }), {
    code: "STATUS_LISTEN_FAILED",
    message: /; change status\.host$/,
  });
  await assert.rejects(opened({ port: 70_000 }), { code: "STATUS_LISTEN_FAILED" });
});

test("what fails inside is answered with 500 and logged, and the server goes on", async () => {
  const warned = Promise.withResolvers<void>();
  const log = { ...silentLogger, warn: () => warned.resolve() };
  const server = await opened({}, { metrics: () => Promise.reject(new Error("a secret detail")) }, log);
  const reply = await ask(server, "/metrics");
  assert.deepEqual([reply.status, reply.body], [500, "internal error\n"]);
  await warned.promise;
  assert.equal((await ask(server, "/livez")).status, 200);
});

test("garbage, floods and half requests do not bring it down", async () => {
  const server = await opened();
  const garbage = [
    "\u0000\u0001\u0002\r\n\r\n",
    "GET /livez\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
    "GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nHost: a\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000",
  ];
  for (const bytes of garbage) {
    assert.match(await raw(server, bytes), /^(HTTP\/1.1 (200|4\d\d).*)?$/s);
  }
  const sockets = Array.from({ length: 100 }, () => connect(Number(new URL(server.url).port), "127.0.0.1"));
  for (const socket of sockets) {
    socket.on("error", () => {});
    socket.write("GET /metrics HTTP/1.1\r\nHost: a\r\n");
  }
  const replies = await Promise.all(Array.from({ length: 20 }, () => ask(server, "/livez")));
  assert.ok(replies.every(({ status }) => status === 200));
  for (const socket of sockets) {
    socket.destroy();
  }
});

test("close ends within a moment although clients hold on, and may be called twice", async () => {
  const never = Promise.withResolvers<HealthReport>();
  const asked = Promise.withResolvers<void>();
  const server = await opened(
    {},
    {
      health: () => {
        asked.resolve();
        return never.promise;
      },
    },
  );
  const waiting = ask(server, "/readyz").catch((error: unknown) => error);
  await asked.promise;
  const half = connect(Number(new URL(server.url).port), "127.0.0.1");
  half.on("error", () => {});
  half.write("GET / HT");
  const before = performance.now();
  await Promise.all([server.close(), server.close()]);
  assert.ok(performance.now() - before < 5000);
  assert.ok((await waiting) instanceof Error);
  await assert.rejects(ask(server, "/livez"));
});
