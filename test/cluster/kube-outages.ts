import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient, WatchEvent } from "../../core/kube/client.ts";
import type { Cluster } from "./cluster.ts";
import { allOf, at, configMap, nameOf, openConnection, PROTOCOLS, refusal, untilOver } from "./kube-connection.ts";

/** Tests that end, freeze and restart the API server: nothing else may use it meanwhile. */
export function outageTests(cluster: () => Cluster): void {
  const namespace = "default";
  const maps = { apiVersion: "v1", plural: "configmaps", namespace };

  async function newestVersion(client: KubeClient): Promise<string> {
    const { value } = await client.pages(maps, { limit: 1 }).next();
    return value?.resourceVersion ?? "";
  }

  /** Follows config maps over one protocol through an outage; both callbacks run in step with the other protocol. */
  async function followThrough(protocol: (typeof PROTOCOLS)[number], name: string, outage: Outage): Promise<void> {
    await using connection = await openConnection(cluster().kubeconfigPath, { protocols: [protocol], maxRetries: 20 });
    const { client } = connection;
    const seen: WatchEvent[] = [];
    const one = { fieldSelector: `metadata.name=${name}` };
    const over = untilOver(client.watch(maps, { resourceVersion: await newestVersion(client), ...one }), seen);
    await client.create(maps, configMap(name));
    await outage.begin();
    assert.equal(await over, outage.ending);
    const read = client.get({ ...maps, name });
    await outage.end();
    assert.equal(nameOf(await read), name);
    const resourceVersion = String(at(seen.at(-1)?.object, "metadata.resourceVersion"));
    await client.patch({ ...maps, name }, "merge", { data: { turn: "1" } });
    const outcome = await untilOver(client.watch(maps, { resourceVersion, timeoutSeconds: 1, ...one }), seen);
    const told = seen.map((event) => event.type);
    if (outcome === "end") {
      assert.deepEqual(told, ["ADDED", "MODIFIED"]);
    } else {
      // A server that starts anew remembers nothing from before its first list; it may have written in between.
      assert.deepEqual([outcome, told], ["KUBE_EXPIRED", ["ADDED"]]);
    }
  }

  for (const [signal, ending] of [
    ["SIGTERM", "end"],
    ["SIGKILL", "KUBE_RESET"],
  ] as const) {
    test(`${signal} under watches; they are resumed without a loss, reads wait`, async () => {
      const begin = inStep(PROTOCOLS.length, () => cluster().stopComponent("apiserver", signal));
      const end = inStep(PROTOCOLS.length, () => cluster().startComponent("apiserver"));
      const names = [`${signal.toLowerCase()}-2`, `${signal.toLowerCase()}-1`];
      const both = PROTOCOLS.map((protocol, i) => followThrough(protocol, names[i] ?? "", { begin, end, ending }));
      await Promise.all(both);
    });
  }

  test("GOAWAY again and again: new calls go over new connections, the watch stays on its own", async () => {
    await using connection = await openConnection(cluster().kubeconfigPath, { protocols: ["h2"], maxRetries: 0 });
    const { client, transport } = connection;
    const name = "goaway";
    const resourceVersion = await newestVersion(client);
    const watch = client.watch(maps, { resourceVersion });
    const heard = watch.next();
    let calls = 0;
    let most = 0;
    for (; calls < 3_000 && most < 2; calls++) {
      await newestVersion(client);
      most = Math.max(most, transport.stats().connections);
    }
    assert.equal(most, 2, `no second connection in ${calls} calls`);
    const created = await client.create(maps, configMap(name));
    const { value } = await heard;
    assert.deepEqual([value?.type, value?.object.metadata], ["ADDED", created.metadata]);
    await watch.return();
  });

  test("frozen: a call ends at its deadline, a ping that is not answered ends the connection and its watch", async () => {
    const how = { pingAfterMs: 300, pingTimeoutMs: 300 };
    await using pinged = await openConnection(cluster().kubeconfigPath, { ...how, protocols: ["h2"] });
    await using patient = await openConnection(cluster().kubeconfigPath, { protocols: ["http/1.1"] });
    const resourceVersion = await newestVersion(pinged.client);
    await newestVersion(patient.client);
    const over = untilOver(pinged.client.watch(maps, { resourceVersion }), []);
    await newestVersion(pinged.client);
    cluster().freeze("apiserver");
    try {
      assert.equal(await over, "KUBE_RESET");
      assert.equal(
        (await refusal(patient.client.get({ ...maps, name: "one" }, { timeoutMs: 500 }))).code,
        "KUBE_TIMEOUT",
      );
      assert.equal(pinged.transport.stats().connections, 0);
    } finally {
      cluster().thaw("apiserver");
    }
    await newestVersion(pinged.client);
    await newestVersion(patient.client);
    assert.equal(pinged.transport.stats().reconnects, 1);
  });

  test("versions that expire between two pages: KUBE_EXPIRED, or the list from its beginning", async () => {
    await using connection = await openConnection(cluster().kubeconfigPath, { maxRetries: 20 });
    const { client } = connection;
    const labels = { set: "expiring" };
    for (const name of ["e-1", "e-2", "e-3"]) {
      await client.create(maps, configMap(name, {}, labels));
    }
    const selection = { limit: 1, labelSelector: "set=expiring" };
    const strict = client.pages(maps, selection);
    const lenient = client.pages(maps, { ...selection, restartWhenExpired: true });
    const first = await strict.next();
    const old = first.value?.resourceVersion;
    assert.deepEqual(first.value?.items.map(nameOf), ["e-1"]);
    await lenient.next();
    const ended = untilOver(client.watch(maps, { resourceVersion: old }), []);
    await client.create(maps, configMap("e-4", {}, labels));
    await cluster().expireVersions();
    await ended;
    const expired = await refusal(strict.next());
    assert.equal(expired.code, "KUBE_EXPIRED");
    assert.match(expired.message, /list again/);
    // After the last object there may be an empty page: with a selector the server cannot tell beforehand.
    const rest = (await allOf(lenient)).filter((page) => page.items.length > 0);
    assert.deepEqual(
      rest.map((page) => [page.restarted, page.items.map(nameOf)]),
      [
        [true, ["e-1"]],
        [false, ["e-2"]],
        [false, ["e-3"]],
        [false, ["e-4"]],
      ],
    );
    assert.equal(await untilOver(client.watch(maps, { resourceVersion: old }), []), "KUBE_EXPIRED");
  });

  test("close leaves no socket and no timer, whatever is under way", async () => {
    const live = (): string[] =>
      process
        .getActiveResourcesInfo()
        .filter((name) => /TCP|TLS|Timeout|Process/.test(name))
        .sort();
    cluster().client.close();
    await new Promise((resolve) => setImmediate(resolve));
    const before = live();
    for (const protocol of PROTOCOLS) {
      const { client, transport } = await openConnection(cluster().kubeconfigPath, { protocols: [protocol] });
      await client.get({ ...maps, name: "e-1" });
      const watch = untilOver(client.watch(maps), []);
      const call = refusal(client.get({ ...maps, name: "e-1" }));
      await transport.close();
      assert.equal(await watch, "KUBE_RESET");
      assert.equal((await call).code, "KUBE_RESET");
    }
    assert.deepEqual(live(), before);
  });
}

/** What happens to the API server, and how watches end by it. */
interface Outage {
  begin(): Promise<void>;
  end(): Promise<void>;
  readonly ending: string;
}

/** Runs once so many have asked for it; all wait for it. */
function inStep(parties: number, run: () => Promise<void>): () => Promise<void> {
  const done = Promise.withResolvers<void>();
  let left = parties;
  return () => {
    left -= 1;
    if (left === 0) {
      run().then(done.resolve, done.reject);
    }
    return done.promise;
  };
}
