import assert from "node:assert/strict";
import { afterEach, beforeEach, suite, test } from "node:test";
import type { PluginContext } from "../api/index.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf } from "../errors.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import type { LeaderElectionOptions } from "./controller-election.ts";
import { type Controller, createController } from "./create-controller.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import { recordingLog } from "./recording-log.test-support.ts";

const FAST = { leaseDurationMs: 2_000, renewDeadlineMs: 1_000, retryPeriodMs: 100 };
const LEASES = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "shop" };

let server: ApiServer;
const controllers: Controller[] = [];

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
});
afterEach(async () => {
  await Promise.all(controllers.splice(0).map((controller) => controller.stop()));
  await server.stop();
});

/** A process of its own, as far as a controller can be one. */
class Replica {
  readonly told: string[] = [];
  readonly log = recordingLog();
  readonly controller: Controller;
  context: PluginContext | undefined;
  readonly #listeners: (() => void)[] = [];

  constructor(identity: string, options: LeaderElectionOptions = {}, entry: Partial<PluginEntry> = {}) {
    const plugin: AnyPlugin = {
      name: "writer",
      apiVersion: "fairlead/v1",
      needs: { configmaps: true },
      permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }],
      setup: (context: PluginContext) => {
        this.context = context;
        for (const hook of ["synced", "leading", "following", "stop"] as const) {
          context.hooks[hook].tap(() => this.#tell(hook));
        }
      },
    };
    this.controller = createController({
      cluster: { kubeconfig: { text: server.kubeconfig() } },
      plugins: [{ use: plugin, ...entry }],
      leaderElection: { namespace: "shop", identity, ...FAST, ...options },
      ingest: "inline",
      log: this.log,
    }) as Controller;
    controllers.push(this.controller);
  }

  #tell(what: string): void {
    this.told.push(what);
    for (const listener of this.#listeners.splice(0)) {
      listener();
    }
  }

  async until(what: string): Promise<void> {
    while (!this.told.includes(what)) {
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  write(name: string): Promise<string> {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "shop" } };
    const target = { apiVersion: "v1", plural: "configmaps", namespace: "shop" };
    return (this.context?.kube.create(target, object) ?? Promise.reject(new Error("no context"))).then(
      () => "done",
      (error) => codeOf(error),
    );
  }
}

function leaseHolder(name = "fairlead"): unknown {
  const lease = server.objects.get({ ...LEASES, name });
  return Reflect.get(Object(lease?.spec), "holderIdentity");
}

suite("controllers with an election", { timeout: 30_000 }, () => {
  test("one leads, all see, only the leader writes; the next one takes over without a list", async () => {
    const first = new Replica("one");
    await first.controller.start();
    await first.until("leading");
    const second = new Replica("two");
    await second.controller.start();
    assert.deepEqual([first.controller.isLeader, second.controller.isLeader], [true, false]);
    assert.deepEqual([await first.write("a"), await second.write("b")], ["done", "ELECTION_NOT_LEADER"]);
    assert.deepEqual(second.told, ["synced"]);
    assert.equal(leaseHolder(), "one");
    server.requests.clear();
    await first.controller.stop();
    assert.deepEqual(first.told, ["synced", "leading", "following", "stop"]);
    assert.equal(leaseHolder(), "", "released after the plugins have stopped");
    await second.until("leading");
    assert.equal(await second.write("b"), "done");
    assert.deepEqual([server.requests.count({ verb: "list" }), server.requests.count({ verb: "watch" })], [0, 0]);
    const events = server.objects.list("events.k8s.io/v1", "Event", "shop");
    assert.deepEqual(events.map(({ message }) => message).sort(), [
      "one became leader",
      "one stopped leading",
      "two became leader",
    ]);
  });

  test("a leader that is cut off stops to write at once, what waited included, and comes back as a follower", async () => {
    const first = new Replica("one", {}, { rateLimit: { perSecond: 0.01, burst: 1 } });
    await first.controller.start();
    await first.until("leading");
    assert.equal(await first.write("a"), "done");
    const waiting = first.write("b"); // for its rate limit
    const cut = server.faults.add({ match: { path: /leases/ }, fault: { kind: "status", code: 503 } });
    server.requests.clear();
    await first.until("following");
    assert.deepEqual([await waiting, await first.write("c")], ["ELECTION_LOST", "ELECTION_LOST"]);
    assert.equal(server.requests.count({ method: "POST", path: /configmaps/ }), 0);
    assert.equal(first.controller.isLeader, false);
    first.told.length = 0;
    cut.remove();
    await first.until("leading");
  });

  test("what runs on every process does not care who leads", async () => {
    const first = new Replica("one");
    const second = new Replica("two", {}, { runOn: "every" });
    await first.controller.start();
    await first.until("leading");
    await second.controller.start();
    assert.deepEqual(second.told, ["synced", "leading"]);
    assert.equal(await second.write("b"), "done");
    assert.deepEqual(
      second.controller.plugins().map(({ runOn, leads }) => [runOn, leads]),
      [["every", true]],
    );
  });

  test("a plugin in a thread of its own leads and follows too; after a crash it leads again, and its writes are fenced", async () => {
    const code = `export default { name: "threaded", apiVersion: "fairlead/v1", provides: ["threaded"],
      permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create"] }],
      setup({ services, hooks, kube, log }) {
        hooks.leading.tap(() => log.info({}, "threaded leads"));
        hooks.following.tap(() => log.info({}, "threaded follows"));
        const target = { apiVersion: "v1", plural: "configmaps", namespace: "shop" };
        services.provide("threaded", {
          crash: () => process.exit(3),
          write: (name) => kube.create(target, { metadata: { name } }).then(() => "done", ({ code }) => code),
        });
      } }`;
    const use = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
    const log = recordingLog();
    const controller = createController({
      cluster: { kubeconfig: { text: server.kubeconfig() } },
      plugins: [{ use, isolation: "worker" }],
      leaderElection: { namespace: "shop", identity: "one", ...FAST },
      ingest: "inline",
      log,
    }) as Controller;
    controllers.push(controller);
    await controller.start();
    const threaded = controller.services.use<{ crash: () => void; write: (name: string) => string }>("threaded");
    const count = (text: string): number => log.lines.filter((line) => line.startsWith(text)).length;
    await log.until(() => count("threaded leads") === 1);
    assert.equal(await threaded.write("a"), "done");
    await threaded.crash().catch(() => {});
    await log.until(() => count("threaded leads") === 2);
    assert.equal(count("threaded follows"), 0, "who could have been told was gone");
    const cut = server.faults.add({ match: { path: /leases/ }, fault: { kind: "status", code: 503 } });
    await log.until(() => count("threaded follows") === 1);
    assert.equal(await threaded.write("b"), "ELECTION_LOST");
    cut.remove();
    await log.until(() => count("threaded leads") === 3);
    assert.equal(await threaded.write("b"), "done");
  });

  test("tells metrics and health", async () => {
    const first = new Replica("one");
    const second = new Replica("two");
    await first.controller.start();
    await first.until("leading");
    await second.controller.start();
    await second.log.waitFor(/^following a leader/);
    await second.write("b");
    const text = await second.controller.metrics();
    assert.match(text, /^leader_election_master_status\{name="fairlead"\} 0$/m);
    assert.match(text, /^fairlead_election_refused_total\{name="fairlead"\} 1$/m);
    assert.match(await first.controller.metrics(), /^leader_election_master_status\{name="fairlead"\} 1$/m);
    const checkOf = async (replica: Replica) =>
      (await replica.controller.health()).checks.find(({ name }) => name === "leader-election");
    const well = { name: "leader-election", ok: true, live: false };
    assert.deepEqual(await checkOf(first), { ...well, detail: "leading" });
    assert.deepEqual(await checkOf(second), { ...well, detail: "following one" });
  });

  test("without an election everyone leads; enabled: false is the same", async () => {
    const replica = new Replica("one", { enabled: false });
    assert.equal(replica.controller.isLeader, false, "it does not run yet");
    await replica.controller.start();
    assert.deepEqual([replica.told, replica.controller.isLeader], [["synced", "leading"], true]);
    assert.equal(leaseHolder(), undefined);
    await replica.controller.stop();
    assert.equal(replica.controller.isLeader, false);
  });

  for (const [options, wanted] of [
    [{ leaseDurationMs: 5_000 }, /leaderElection must be right: leaseDurationMs must be more than renewDeadlineMs/],
    [{ lease: "Not A Name" }, /lease must be a name as Kubernetes takes it/],
    [{ leases: "x" }, /there is no option "leases", did you mean "lease"/],
    [{ retryPeriodMs: "2s" }, /retryPeriodMs must be/],
  ] as const) {
    test(`refuses ${JSON.stringify(options)}`, () => {
      const leaderElection = options as LeaderElectionOptions;
      assert.throws(() => createController({ plugins: [], leaderElection }), {
        code: "CONTROLLER_BAD_OPTION",
        message: wanted,
      });
    });
  }
});
