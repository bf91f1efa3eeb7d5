import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf } from "../errors.ts";
import { pods } from "../kinds/index.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Controller, createController } from "./create-controller.ts";
import { recordingLog } from "./recording-log.test-support.ts";

let server: ApiServer;
let controller: Controller | undefined;

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
});
afterEach(async () => {
  await controller?.stop();
  await server.stop();
});

const pod = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop" },
  spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
  status: { phase: "Running" },
});

interface BothWays {
  readonly told: () => string[];
  readonly phase: (name: string) => string | undefined;
  readonly ask: (given: string) => string;
  readonly fail: () => void;
  readonly write: (name: string) => string;
  readonly list: () => string[];
  readonly steal: () => void;
  readonly secret: (reference: string) => string;
  readonly wait: () => string;
  readonly ended: () => boolean;
}

const rejection = (call: Promise<unknown>): Promise<string> => call.then(() => "none", codeOf);

for (const isolation of ["inline", "worker"] as const) {
  test(`${isolation}: one plugin file finds the same context`, async () => {
    server.objects.apply(pod("cart-1"));
    const log = recordingLog();
    const answers: AnyPlugin = {
      name: "answers",
      apiVersion: "fairlead/v1",
      permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create"] }],
      setup({ hooks, kube, log: own }) {
        hooks.of<string, string>("both-ways.asked").tap((given) => `${given}, yes`);
        hooks.synced.tap(async () => {
          const object = { ...pod("forbidden"), kind: "ConfigMap" };
          const code = await rejection(
            kube.create({ apiVersion: "v1", plural: "configmaps", namespace: "shop" }, object),
          );
          own.info({ code }, "tried");
        });
      },
    };
    const use = new URL("./both-ways.test-support.ts", import.meta.url);
    const made = createController({
      cluster: { kubeconfig: { text: server.kubeconfig() } },
      // Fewer fields than the plugin needs.
      kinds: [pods.select("podIP")],
      plugins: [{ use, isolation, options: { limit: 5 } }, answers],
      ingest: isolation === "inline" ? "inline" : "thread",
      log,
    });
    controller = made as unknown as Controller;
    await made.start();
    const service = made.services.use<BothWays>("both-ways");
    assert.equal(await service.phase("cart-1"), "Running");
    let told: string[] = [];
    for (let i = 0; i < 1000 && told.length < 5; i++) {
      told = await service.told();
    }
    assert.deepEqual(
      [told[0], ...told.slice(1).sort()],
      ["limit 5", "added shop/cart-1 Running", "leading", "start", "synced"],
    );
    assert.equal(await service.ask("well"), "well, yes");
    assert.equal(await rejection(service.fail()), "IT_FAILED");
    assert.equal(await service.write("one"), "ConfigMap");
    assert.equal(await service.write("two"), "ConfigMap");
    assert.deepEqual(await service.list(), ["one", "two"]);
    assert.match(await log.waitFor(/^tried/), /PLUGIN_WRITE_REFUSED/);
    assert.equal(await rejection(service.steal()), "PLUGIN_PERMISSION_NOT_DECLARED");
    assert.equal(await rejection(service.secret("not one")), "SECRET_BAD_REFERENCE");
    assert.equal(await service.wait(), "both-ways true");
    assert.equal(await service.ended(), false);
    await server.requests.waitFor({ method: "POST", path: /events\.k8s\.io/ });
    const [event] = server.objects.list("v1", "Event", "shop");
    // What it is about is an object; the server's type says any JSON.
    const { uid, ...regarding } = event.involvedObject as { readonly uid?: string };
    assert.deepEqual(regarding, { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "cart-1" });
    assert.equal(typeof uid, "string");
    const info = made.plugins().find(({ name }) => name === "both-ways");
    assert.deepEqual(
      [info?.state, info?.isolation, info?.needs, info?.hooks],
      [
        "running",
        isolation,
        { pods: ["phase"] },
        ["health", "leading", "start", "stats", "stop", "synced", "writeBefore"],
      ],
    );
    const { checks } = await made.health();
    assert.deepEqual(
      checks.find(({ name }) => name.startsWith("vote/")),
      { name: "vote/both-ways/well", ok: true, live: false, detail: "all well" },
    );
    await made.stop();
    assert.match(await log.waitFor(/^stopped/), /"plugin":"both-ways"/);
    assert.equal(await rejection(service.told()), "CONTROLLER_STOPPED");
  });

  test(`${isolation}: options are refused in the same words`, async () => {
    const use = new URL("./both-ways.test-support.ts", import.meta.url);
    const made = createController({
      cluster: { kubeconfig: { text: server.kubeconfig() } },
      plugins: [{ use, isolation, options: { limit: "five", lisen: 1 } }],
    });
    controller = made as unknown as Controller;
    const error = await made.start().then(
      () => assert.fail("it started"),
      (thrown: Error) => thrown,
    );
    assert.equal(codeOf(error), "PLUGIN_OPTIONS");
    assert.match(error.message, /^options of plugin "both-ways": limit: .*; Unrecognized key: "lisen"$/);
  });
}

test("inline: CPU work goes to the shared pool, and a thread of its own talks to its plugin", async () => {
  const code = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  const answers: unknown[] = [];
  const use: AnyPlugin = {
    name: "busy",
    apiVersion: "fairlead/v1",
    needs: { pods: ["phase"] },
    async setup({ tasks, threads, hooks }) {
      answers.push(await tasks.run(code("export default (n) => n * 2"), 21));
      answers.push(await rejection(tasks.run(code("export default () => { throw new Error('no') }"), 1)));
      const thread = threads.spawn<string, string>(
        code(`export default ({ post, onMessage, store }) => {
          onMessage((name) => store.whenSynced().then(() => post(store.read((view) => view.pods.get("shop", name).status.phase))));
        }`),
        { store: ["pods"], name: "echo" },
      );
      thread.onMessage((answer) => answers.push(answer));
      await thread.ready;
      hooks.synced.tap(() => thread.post("cart-1"));
    },
  };
  server.objects.apply(pod("cart-1"));
  const log = recordingLog();
  const made = createController({ cluster: { kubeconfig: { text: server.kubeconfig() } }, plugins: [use], log });
  controller = made as unknown as Controller;
  await made.start();
  await log.until(() => answers.length === 3);
  assert.deepEqual(answers, [42, "UNKNOWN", "Running"]);
  assert.match(await made.metrics(), /^fairlead_thread_state\{thread="busy\/echo",state="running"\} 1$/m);
});
