import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecSpec } from "./access.ts";
import { makeAuthority } from "./certificates.test-support.ts";
import { connect } from "./http-transport.ts";
import { accessTo, ask, serve } from "./server.test-support.ts";

const pki = makeAuthority();

/** Handles that a transport could leave behind. */
function handles(): readonly string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /Timeout|TCPSocket|TLS|Process|GetAddrInfo|TCPConnect/.test(name));
}

for (const protocol of ["h2", "https", "http"] as const) {
  test(`close leaves no socket, timer or process behind (${protocol})`, async () => {
    const before = handles();
    await using server = await serve(protocol, (_request, response) => response.write("x"), pki.server);
    const address = `${protocol === "http" ? "http" : "https"}://127.0.0.1:${server.port}`;
    const endless: ExecSpec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: ["-e", "setInterval(() => {}, 1000)"],
      env: {},
      interactiveMode: "Never",
    };
    const running = connect(accessTo(address, { ca: pki.ca }));
    const waiting = connect(accessTo(address, { credentials: { exec: endless } }));
    const dialling = connect(accessTo(address, { ca: pki.ca }));
    const answers = [ask(running), ask(running, { headTimeoutMs: 600_000 }), ask(waiting), ask(dialling)];
    while (running.stats().bytesIn < 2 || !handles().includes("ProcessWrap")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all([running.close(), waiting.close(), dialling.close()]);
    const heard = await Promise.all(answers);
    assert.deepEqual(
      heard.map(({ error }) => error?.code),
      ["KUBE_RESET", "KUBE_RESET", "KUBE_RESET", "KUBE_RESET"],
    );
    // The server's own ends of the connections are in this process too, and a handle needs a turn to be gone.
    await server[Symbol.asyncDispose]();
    for (let turn = 0; turn < 100 && handles().length > before.length; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(handles(), before);
  });
}

test("close in the turn of the first request gives up the connection that has not been dialled yet", async () => {
  await using server = await serve("h2", (_request, response) => response.end("x"), pki.server);
  const transport = connect(accessTo(`https://127.0.0.1:${server.port}`, { ca: pki.ca }));
  const answer = ask(transport);
  await transport.close();
  assert.equal((await answer).error?.code, "KUBE_RESET");
  assert.equal(transport.stats().connections, 0);
});

test("close in the turn of a second request gives up its connection, which is dialled a moment later (http)", async () => {
  await using server = await serve("http", (_request, response) => response.write("x"), pki.server);
  const transport = connect(accessTo(`http://127.0.0.1:${server.port}`));
  const first = ask(transport);
  while (transport.stats().bytesIn === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const second = ask(transport);
  await transport.close();
  assert.deepEqual([(await first).error?.code, (await second).error?.code], ["KUBE_RESET", "KUBE_RESET"]);
  assert.equal(transport.stats().connections, 0);
});
