import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, describe, test } from "node:test";
import { makeAuthority } from "./certificates.test-support.ts";
import { type ConnectOptions, connect, type HttpTransport } from "./http-transport.ts";
import { accessTo, ask, follow, type Handler, serve, started, type TestServer } from "./server.test-support.ts";

const pki = makeAuthority();
const open: HttpTransport[] = [];

after(async () => {
  await Promise.all(open.map((transport) => transport.close()));
});

function to(
  server: TestServer,
  options: ConnectOptions = {},
  more: Parameters<typeof accessTo>[1] = {},
): HttpTransport {
  const transport = connect(accessTo(`https://127.0.0.1:${server.port}`, { ca: pki.ca, ...more }), options);
  open.push(transport);
  return transport;
}

const echo: Handler = (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    const { method, url, headers, httpVersion } = request;
    response.end(JSON.stringify({ method, url, headers, httpVersion, body: Buffer.concat(chunks).toString() }));
  });
};

for (const protocol of ["h2", "https"] as const) {
  describe(protocol === "h2" ? "HTTP/2" : "HTTP/1.1", () => {
    test("sends a request with its body and gives back head, body and end in order", async () => {
      await using server = await serve(protocol, echo, pki.server);
      const transport = to(server, { userAgent: "fairlead/test" });
      const heard = await ask(transport, {
        method: "POST",
        path: "/api?x=1",
        headers: { accept: "application/json" },
        body: "häl",
      });
      const seen = JSON.parse(heard.body);
      assert.equal(heard.head?.status, 200);
      assert.equal(heard.head?.headers["content-type"], "application/json");
      assert.equal(heard.calls.at(0), "head");
      assert.equal(heard.calls.at(-1), "end");
      assert.deepEqual(
        [seen.method, seen.url, seen.body, seen.httpVersion],
        ["POST", "/api?x=1", "häl", protocol === "h2" ? "2.0" : "1.1"],
      );
      assert.equal(seen.headers["user-agent"], "fairlead/test");
      assert.equal(transport.stats().protocol, protocol === "h2" ? "h2" : "http/1.1");
      assert.equal(transport.stats().bytesIn, Buffer.byteLength(heard.body));
      await transport.close();
    });

    test("puts the prefix of the server address before every path", async () => {
      await using server = await serve(protocol, echo, pki.server);
      const transport = connect(accessTo(`https://localhost:${server.port}/k8s/clusters/c-1/`, { ca: pki.ca }));
      open.push(transport);
      assert.equal(JSON.parse((await ask(transport)).body).url, "/k8s/clusters/c-1/version");
      await transport.close();
    });

    test("a connection that is cut in the middle of a body is KUBE_RESET, never a clean end", async () => {
      await using server = await serve(protocol, (_request, response) => response.write("half"), pki.server);
      const transport = to(server);
      const request = follow(transport);
      await request.firstData;
      for (const socket of server.sockets) {
        socket.destroy();
      }
      const heard = await request.done;
      assert.deepEqual(heard.calls, ["head", "data", "fail"]);
      assert.equal(heard.error?.code, "KUBE_RESET");
      await transport.close();
    });

    test("connects again after a cut, and counts it", async () => {
      await using server = await serve(protocol, echo, pki.server);
      const transport = to(server);
      await ask(transport);
      const closed = [...server.sockets].map((socket) => once(socket, "close"));
      transport.reset("test");
      await Promise.all(closed);
      assert.equal((await ask(transport)).head?.status, 200);
      assert.equal(transport.stats().reconnects, 1);
      await transport.close();
    });

    test("reset fails what is in flight and what waits with KUBE_RESET and its reason", async () => {
      await using server = await serve(protocol, (_request, response) => response.write("x"), pki.server);
      const transport = to(server);
      const running = follow(transport);
      await running.firstData;
      const fresh = to(server);
      const waiting = follow(fresh);
      fresh.reset("stale");
      transport.reset("stale");
      for (const heard of [await running.done, await waiting.done]) {
        assert.equal(heard.error?.code, "KUBE_RESET");
        assert.match(heard.error?.message ?? "", /stale/);
      }
      await transport.close();
      await fresh.close();
    });

    test("no head in time is KUBE_TIMEOUT, and the connection stays in use", async () => {
      await using server = await serve(
        protocol,
        (request, response) => request.url?.startsWith("/slow") || echo(request, response),
        pki.server,
      );
      const transport = to(server);
      const heard = await ask(transport, { path: "/slow?token=secret", headTimeoutMs: 40 });
      assert.equal(heard.error?.code, "KUBE_TIMEOUT");
      assert.equal(heard.error?.message, "no answer to GET /slow within 40 ms");
      assert.equal((await ask(transport)).head?.status, 200);
      await transport.close();
    });

    test("nothing is heard after cancel, and the server sees the request end", async () => {
      const ended = Promise.withResolvers<void>();
      await using server = await serve(
        protocol,
        (_request, response) => {
          response.on("close", () => ended.resolve());
          const timer = setInterval(() => response.write("tick"), 1);
          response.on("close", () => clearInterval(timer));
        },
        pki.server,
      );
      const transport = to(server);
      const request = follow(transport);
      await request.firstData;
      request.exchange.cancel();
      request.exchange.cancel();
      const calls = [...request.heard.calls];
      await ended.promise;
      assert.deepEqual(request.heard.calls, calls);
      await transport.close();
    });

    test("a paused receiver gets nothing until it resumes, and does not hold up the others", async () => {
      const big = "x".repeat(1_400_000);
      await using server = await serve(
        protocol,
        (request, response) => (request.url === "/big" ? response.end(big) : echo(request, response)),
        pki.server,
      );
      const transport = to(server);
      const slow = Array.from({ length: 6 }, () => follow(transport, { path: "/big" }));
      for (const each of slow) {
        each.exchange.pause();
      }
      await Promise.all(slow.map((each) => each.headed));
      assert.equal((await ask(transport)).head?.status, 200);
      assert.deepEqual(new Set(slow.flatMap((each) => each.heard.calls)), new Set(["head"]));
      for (const each of slow) {
        each.exchange.resume();
      }
      for (const each of slow) {
        assert.equal((await each.done).body.length, big.length);
      }
      await transport.close();
    });

    test("a refused client and an answer without a body work too", async () => {
      await using server = await serve(protocol, (_request, response) => response.writeHead(204).end(), pki.server);
      const transport = to(server);
      const heard = await ask(transport);
      assert.deepEqual([heard.head?.status, heard.calls], [204, ["head", "end"]]);
      await transport.close();
    });

    test("redirects are handed over, not followed", async () => {
      await using server = await serve(
        protocol,
        (_request, response) => response.writeHead(302, { location: "https://example.org/" }).end(),
        pki.server,
      );
      const transport = to(server);
      assert.equal((await ask(transport)).head?.status, 302);
      assert.equal(server.accepted, 1);
      await transport.close();
    });

    test("proves itself with the client certificate", async () => {
      await using server = await serve(protocol, echo, { ...pki.server, ca: pki.ca });
      const transport = to(server, {}, { credentials: { certificate: pki.client.cert, key: pki.client.key } });
      assert.equal((await ask(transport)).head?.status, 200);
      const stranger = to(server);
      const refused = (await ask(stranger)).error;
      assert.ok(refused?.code === "KUBE_TLS" || refused?.code === "KUBE_RESET", String(refused?.code));
      await transport.close();
      await stranger.close();
    });

    test("close fails what runs, and later requests", async () => {
      await using server = await serve(protocol, (_request, response) => response.write("x"), pki.server);
      const transport = to(server);
      const running = follow(transport);
      await running.firstData;
      await transport.close();
      assert.equal((await running.done).error?.code, "KUBE_RESET");
      assert.equal((await ask(transport)).error?.code, "KUBE_RESET");
      assert.equal(transport.stats().connections, 0);
    });
  });
}

describe("certificates", () => {
  const cases = [
    { name: "expired", pair: pki.expired, ca: pki.ca, says: /the server's certificate has expired; renew it/ },
    {
      name: "from an unknown CA",
      pair: pki.server,
      ca: makeAuthority().ca,
      says: /unknown CA; .*\(caFile where only a server is given\)|not signed by the given CA/,
    },
    {
      name: "for another host",
      pair: pki.elsewhere,
      ca: pki.ca,
      says: /is for other names \(DNS:example.org\); use one of them.*tlsServerName where only a server is given/,
    },
  ];
  for (const { name, pair, ca, says } of cases) {
    test(`a certificate ${name} is KUBE_TLS and says what to do`, async () => {
      await using server = await serve("h2", echo, pair);
      const transport = to(server, {}, { ca });
      const { error } = await ask(transport);
      assert.equal(error?.code, "KUBE_TLS");
      assert.match(error?.message ?? "", says);
      await transport.close();
    });
  }

  test("tls-server-name takes the place of the host", async () => {
    await using server = await serve("h2", echo, pki.elsewhere);
    const transport = to(server, {}, { tlsServerName: "example.org" });
    assert.equal((await ask(transport)).head?.status, 200);
    await transport.close();
  });

  test("insecure-skip-tls-verify connects, and warns once", async () => {
    await using server = await serve("h2", echo, pki.expired);
    const warnings: string[] = [];
    const transport = to(
      server,
      { warn: (message) => warnings.push(message) },
      { ca: undefined, insecureSkipTlsVerify: true },
    );
    assert.equal((await ask(transport)).head?.status, 200);
    transport.reset("again");
    assert.equal((await ask(transport)).head?.status, 200);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /NOT checked/);
    await transport.close();
  });

  test("a CA, certificate or key that is none says which", async () => {
    const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const broken = [
      [{ ca: garbage }, "CA certificate"],
      [{ credentials: { certificate: garbage, key: pki.client.key } }, "client certificate"],
      [{ credentials: { certificate: pki.client.cert, key: "secret" } }, "client key"],
      [{ credentials: { certificate: pki.client.cert, key: pki.server.key } }, "client key"],
    ] as const;
    await using server = await serve("h2", echo, pki.server);
    for (const [more, part] of broken) {
      const transport = to(server, {}, more);
      const { error } = await ask(transport);
      assert.equal(error?.code, "KUBE_TLS");
      assert.equal(error?.facts.part, part);
      await transport.close();
    }
  });

  test("a server without TLS is named as that", async () => {
    await using server = await serve("http", echo);
    const transport = to(server);
    const { error } = await ask(transport);
    assert.equal(error?.code, "KUBE_TLS");
    assert.match(error?.message ?? "", /does not speak TLS/);
    await transport.close();
  });
});

describe("unreachable", () => {
  test("a closed port and an unknown name are KUBE_UNREACHABLE with advice", async () => {
    const server = await serve("http", echo);
    await server[Symbol.asyncDispose]();
    const closed = to(server);
    const first = (await ask(closed)).error;
    assert.equal(first?.code, "KUBE_UNREACHABLE");
    assert.match(first?.message ?? "", /ECONNREFUSED.*nothing listens there/);
    await closed.close();
    const unknown = connect(accessTo("https://no-such-host.invalid:6443"));
    const second = (await ask(unknown)).error;
    assert.equal(second?.code, "KUBE_UNREACHABLE");
    await unknown.close();
  });

  test("a port that accepts and stays silent is KUBE_TIMEOUT within the connect deadline", async () => {
    await using server = await started(createServer(() => {}));
    const transport = to(server, { connectTimeoutMs: 60 });
    const { error } = await ask(transport);
    assert.equal(error?.code, "KUBE_TIMEOUT");
    assert.equal(error?.facts.phase, "connect");
    assert.equal(error?.facts.step, "TLS handshake");
    await transport.close();
  });
});

describe("HTTP/2 connection", () => {
  test("all requests share one connection; more than the server's streams open another", async () => {
    const held: { end(text: string): void }[] = [];
    const arrived = Promise.withResolvers<void>();
    await using server = await serve(
      "h2",
      (request, response) => {
        if (request.url !== "/hold") {
          echo(request, response);
          return;
        }
        held.push(response);
        if (held.length === 5) {
          arrived.resolve();
        }
      },
      pki.server,
      { maxConcurrentStreams: 2 },
    );
    const transport = to(server);
    await ask(transport);
    const requests = Array.from({ length: 5 }, () => follow(transport, { path: "/hold" }));
    await arrived.promise;
    assert.equal(server.accepted, 3);
    for (const response of held) {
      response.end("done");
    }
    for (const request of requests) {
      assert.equal((await request.done).body, "done");
    }
    await transport.close();
  });

  test("after GOAWAY new requests take a new connection while the old stream goes on", async () => {
    let stream: { write(text: string): void; end(text: string): void } | undefined;
    await using server = await serve(
      "h2",
      (request, response) => {
        if (request.url === "/watch") {
          stream = response;
          response.write("a");
          return;
        }
        echo(request, response);
      },
      pki.server,
    );
    const transport = to(server);
    const watch = follow(transport, { path: "/watch" });
    await watch.firstData;
    const draining = once(server.sessions[0] ?? assert.fail("no session"), "close");
    server.sessions[0]?.goaway(0);
    // The answer comes on whichever connection; ask until it is a new one.
    while (server.accepted < 2) {
      assert.equal((await ask(transport)).head?.status, 200);
    }
    stream?.end("b");
    const heard = await watch.done;
    assert.deepEqual([heard.body, heard.calls.at(-1)], ["ab", "end"]);
    await draining;
    assert.equal(transport.stats().connections, 1);
    await transport.close();
  });

  test("a stream that the server refused is sent again", async () => {
    let refused = 0;
    await using server = await serve("h2", echo, pki.server);
    const transport = to(server);
    await ask(transport);
    server.sessions[0]?.on("stream", () => {});
    server.sessions[0]?.prependOnceListener("stream", (stream) => {
      refused += 1;
      stream.close(7);
    });
    assert.equal((await ask(transport)).head?.status, 200);
    assert.equal(refused, 1);
    await transport.close();
  });

  for (const draining of [false, true]) {
    const kind = draining ? "a draining connection" : "a connection";
    test(`${kind} that goes silent is pinged, and gone when no answer comes`, { timeout: 10_000 }, async () => {
      await using server = await serve("h2", (_request, response) => response.write("x"), pki.server);
      const relay: { frozen: boolean; thaw?: () => void } = { frozen: false };
      const { connect: plain } = await import("node:net");
      // Half open: a far side that is frozen does not end its half either.
      await using middle = await started(
        createServer({ allowHalfOpen: true }, (near) => {
          const far = plain(server.port, "127.0.0.1");
          near.on("data", (chunk) => far.write(chunk)).on("error", () => {});
          far.on("data", (chunk) => relay.frozen || near.write(chunk));
          near.on("close", () => far.destroy());
          far.on("error", () => {}).on("close", () => near.destroy());
          relay.thaw = () => near.destroy();
        }),
      );
      const transport = to(middle, { pingAfterMs: 50, pingTimeoutMs: 80 });
      const watch = follow(transport);
      await watch.firstData;
      if (draining) {
        server.sessions[0]?.goaway(0, 1);
      }
      while (transport.stats().pings < 2) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.deepEqual(watch.heard.calls, ["head", "data"]);
      relay.frozen = true;
      const { error } = await watch.done;
      assert.equal(error?.code, "KUBE_RESET");
      assert.match(error?.message ?? "", /no answer to a ping/);
      for (let turns = 0; turns < 100 && transport.stats().connections > 0; turns++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      const left = transport.stats().connections;
      relay.thaw?.();
      assert.equal(left, 0);
      await transport.close();
    });
  }
});

describe("HTTP/1.1 connection", () => {
  test("plain http works, as through kubectl proxy", async () => {
    await using server = await serve("http", echo);
    const transport = connect(accessTo(`http://127.0.0.1:${server.port}`));
    assert.equal((await ask(transport)).head?.status, 200);
    assert.equal((await ask(transport)).head?.status, 200);
    assert.equal(server.accepted, 1);
    await transport.close();
  });

  test("a body shorter than its content-length is KUBE_RESET", async () => {
    await using server = await serve("http", (request, response) => {
      response.writeHead(200, { "content-length": "10" }).write("abc", () => request.socket.destroy());
    });
    const transport = connect(accessTo(`http://127.0.0.1:${server.port}`));
    const heard = await ask(transport);
    assert.equal(heard.error?.code, "KUBE_RESET");
    await transport.close();
  });
});
