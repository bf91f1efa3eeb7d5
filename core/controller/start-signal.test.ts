import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { pods } from "../kinds/index.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { createController } from "./create-controller.ts";

let server: ApiServer;
beforeEach(async () => {
  server = await createApiServer({});
});
afterEach(() => server.stop());

const here = (): { kubeconfig: { text: string } } => ({ kubeconfig: { text: server.kubeconfig() } });

test("a start with a signal that was aborted before opens nothing", async () => {
  const controller = createController({ cluster: here(), kinds: [pods], ingest: "inline" });
  await assert.rejects(controller.start({ signal: AbortSignal.abort() }), { code: "CONTROLLER_STOPPED" });
  assert.deepEqual(server.requests.all(), []);
});

test("the signal of a start ends one that waits for a plugin's setup", async () => {
  const abort = new AbortController();
  const controller = createController({
    cluster: here(),
    kinds: [pods],
    ingest: "inline",
    plugins: [
      {
        name: "stuck",
        apiVersion: "fairlead/v1",
        setup: async () => {
          abort.abort();
          await new Promise(() => {});
        },
      },
    ],
  });
  const startedAt = performance.now();
  await assert.rejects(controller.start({ signal: abort.signal }), { code: "CONTROLLER_STOPPED" });
  // The plugin's own limit is ten seconds.
  assert.ok(performance.now() - startedAt < 5000);
});

test("a signal that is given to the controller and to its start is heeded after the start too", async () => {
  const { signal, abort } = withAbort();
  const controller = createController({ cluster: here(), kinds: [pods], ingest: "inline", signal });
  await controller.start({ signal });
  abort();
  await assert.rejects(controller.reload([]), { code: "CONTROLLER_STOPPED" });
  await controller.stop();
});

test("the signal of a start that is over stops nothing", async () => {
  const { signal, abort } = withAbort();
  await using controller = await createController({ cluster: here(), kinds: [pods], ingest: "inline" }).start({
    signal,
  });
  abort();
  await controller.reload([]);
});

function withAbort(): { signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
