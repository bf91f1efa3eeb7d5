import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { rulesFor } from "../../core/controller/permission-check.ts";
import { describePlugin } from "../../core/controller/plugin-load.ts";
import { recordingLog } from "../../core/controller/recording-log.test-support.ts";
import { createController } from "../../core/index.ts";
import { fakeCluster } from "../../core/testing/index.ts";
import { webapps } from "../../docs/examples/webapp/webapp.ts";
import mirror from "../../plugins/config-mirror/index.ts";
import { type Cluster, startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { MIRROR_SCENARIOS } from "./mirror-scenarios.ts";
import { WEBAPP_SCENARIOS } from "./webapp-scenarios.ts";
import { configMap, mapAt, namespace, type Scenario } from "./world.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver", "kube-controller-manager"]);
const TIMEOUT_MS = 60_000;
const NAMESPACES = ["shop", "other", "team-a", "team-b"];

let cluster: Cluster;

describe("controllers on a real control plane", { skip: missing ?? false }, () => {
  before(async () => {
    cluster = await startCluster({ components: ["etcd", "apiserver", "controller-manager"] });
    // What was there before a scenario stays after it: emptying a namespace takes seconds.
    for (const name of NAMESPACES) {
      await cluster.send("POST", "/api/v1/namespaces", { metadata: { name } });
    }
  });

  after(() => cluster?.stop());

  /** Runs one scenario; between any two steps the controllers are ended in the midst of what they do. */
  async function play(scenario: Scenario, subject: object, isKilled: boolean): Promise<void> {
    const { objects = [], steps, check } = scenario;
    const options = { ...subject, cluster: { kubeconfig: cluster.kubeconfigPath }, timeoutMs: TIMEOUT_MS };
    await using world = await fakeCluster({ ...options, objects });
    for (const step of steps) {
      if (isKilled) {
        await world.kill();
      }
      await step(world);
      await world.start();
    }
    await world.eventually(() => check(world));
    await world[Symbol.asyncDispose]();
    // Scenarios leave things that are nobody's any more.
    for (const name of NAMESPACES) {
      await cluster.send(
        "DELETE",
        `/api/v1/namespaces/${name}/configmaps?fieldSelector=metadata.name%21%3Dkube-root-ca.crt`,
      );
    }
  }

  for (const isKilled of [false, true]) {
    const when = isKilled ? ", while the controller is away" : "";
    for (const scenario of MIRROR_SCENARIOS) {
      test(`config-mirror: ${scenario.name}${when}`, { timeout: 2 * TIMEOUT_MS }, () =>
        play(scenario, { plugins: [{ use: mirror, options: { maxBytes: 2000 } }] }, isKilled),
      );
    }
    for (const scenario of WEBAPP_SCENARIOS.filter(({ needsPods }) => needsPods !== true)) {
      test(`webapp: ${scenario.name}${when}`, { timeout: 2 * TIMEOUT_MS }, () =>
        play(scenario, { controllers: [webapps()] }, isKilled),
      );
    }
  }

  test("config-mirror does all its work with just the rights that it asks for", {
    timeout: 2 * TIMEOUT_MS,
  }, async () => {
    const { declaration } = await describePlugin(mirror);
    const kubeconfig = await cluster.createUser("mirror", rulesFor([declaration], []));
    const log = recordingLog();
    const objects = [
      namespace("shop"),
      namespace("team-a"),
      configMap("shop/ca", { a: "1" }, { labels: { mirror: "true" } }),
    ];
    await using world = await fakeCluster({
      cluster: { kubeconfig: cluster.kubeconfigPath },
      objects,
      timeoutMs: TIMEOUT_MS,
    });
    await using controller = await createController({ cluster: { kubeconfig }, plugins: [mirror], log }).start();
    assert.deepEqual(
      controller.plugins().map(({ state }) => state),
      ["running"],
    );
    const copied = (data: unknown) =>
      world.eventually(async () =>
        assert.deepEqual((await world.get<{ data: unknown }>(mapAt("team-a/ca")))?.data, data),
      );
    await copied({ a: "1" });
    await world.patch(mapAt("team-a/ca"), { data: { a: "wrong" } });
    await copied({ a: "1" });
    await world.delete(mapAt("shop/ca"));
    await world.eventually(async () => assert.equal(await world.get(mapAt("team-a/ca")), undefined));
    const refused = log.lines.filter((line) => JSON.stringify(line).includes("FORBIDDEN"));
    assert.deepEqual(refused, []);
  });
});
