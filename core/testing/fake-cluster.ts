import type { Duration } from "../api/context.ts";
import type { WriteRequest } from "../api/hooks.ts";
import type { AnyPlugin, Plugin } from "../api/plugin.ts";
import type { LeaderElectionOptions } from "../controller/controller-election.ts";
import { type Controller, controllerWith } from "../controller/create-controller.ts";
import { milliseconds } from "../controller/duration.ts";
import type { PluginEntry } from "../controller/plugin-entry.ts";
import { FairleadError } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { KubeObject } from "../kube/client.ts";
import type { ClusterSource } from "../kube/cluster-config.ts";
import type { ControllerDefinition } from "../reconcile/controller.ts";
import { type ApiServer, createApiServer } from "./api-server.ts";
import { type Named, openTestClient, type TestClient } from "./fake-cluster-client.ts";
import { eventsIn, isCurrent, versionsOf } from "./fake-cluster-look.ts";
import { type DeploymentFate, fakeControlPlane, type KindName } from "./fake-control-plane.ts";
import { type HarnessClock, harnessClock } from "./harness-clock.ts";
import { type LogLine, recordingLog } from "./harness-log.ts";
import type { RecordedEvent } from "./harness-records.ts";
import type { ObjectInput } from "./object.ts";

/** How controllers are tested. Only `controllers` or `plugins` is needed. */
export interface FakeClusterOptions {
  readonly controllers?: readonly ControllerDefinition[];
  /** Plugins, such as those that run controllers of their own. */
  readonly plugins?: readonly (AnyPlugin | PluginEntry)[];
  /**
   * What is in the cluster before they start. The definitions of the controllers' own resources need not be given; rules in
   * CEL are checked by a real API server only.
   */
  readonly objects?: readonly ObjectInput[];
  /** A real API server instead of the one in this process: its faults, clock and control plane are its own. */
  readonly cluster?: ClusterSource | undefined;
  /** Time of the controllers stands still, from here on, until `advance` moves it. Default: the machine's clock. */
  readonly clock?: Date | number;
  /** Controllers run while this process leads by a Lease, which a test can take away: see `ControllerOptions`. Default: always. */
  readonly leaderElection?: LeaderElectionOptions;
  /** False: nothing runs before `start`. Default true. */
  readonly start?: boolean;
  /** What becomes of Deployments: their pods are ready at once, or never. Default "ready". Not on a real API server. */
  readonly deployments?: DeploymentFate;
  /** How long `settled` and what waits as it does may take, milliseconds. Default 10000. */
  readonly timeoutMs?: number;
}

/** A write that a controller or plugin under test has sent. */
export interface SentWrite {
  /** The controller or plugin. */
  readonly by: string;
  readonly verb: WriteRequest["verb"];
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  /** The object or patch. */
  readonly body: unknown;
}

/** Controllers that run against a cluster of their own. What changes the cluster waits as `settled` does. */
export interface FakeCluster extends AsyncDisposable {
  /** The API server in this process: `faults`, `requests`, `objects`. Throws TESTING_NOT_IN_PROCESS on a real one. */
  readonly server: ApiServer;
  /** What is running. Throws TESTING_NOT_STARTED. */
  readonly controller: Controller;
  /** Changes the cluster without waiting for anything. */
  readonly client: Pick<TestClient, "put" | "patch" | "delete" | "get" | "list" | "kube">;
  /** Creates objects, or replaces all of them but their status, as `kubectl replace` does. */
  apply(...objects: readonly ObjectInput[]): Promise<void>;
  /** Changes an object by a merge patch. */
  patch(name: Named, patch: object): Promise<void>;
  /** Deletes an object as `kubectl delete` does: finalizers hold it. One that is not there is no error. */
  delete(name: Named): Promise<void>;
  /** `get<Service>(name)`: of a type that you know it to have. */
  get<T extends object = KubeObject>(name: Named): Promise<T | undefined>;
  /** In the order of their names. */
  list(apiVersion: string, kind: string, namespace?: string): Promise<readonly KubeObject[]>;
  /** Reconciles a key now and waits until that is done. Rejects with what the reconcile throws. */
  reconcile(key: string, controller?: string): Promise<void>;
  /**
   * Waits until the caches have what the cluster has and nothing is left to be done but what waits for its time. Rejects
   * with TESTING_NOT_SETTLED.
   */
  settled(): Promise<void>;
  /** Moves the controllers' time on, timer by timer, and waits. Needs the option `clock`. */
  advance(time: Duration): Promise<void>;
  /** Repeats a check that throws until it does not: on a real API server others act in their own time. */
  eventually(check: () => Promise<void>): Promise<void>;
  /** Writes since the start or the last `forget`, Events aside, refused ones too. */
  requests(): readonly SentWrite[];
  /** Forgets the writes so far. */
  forget(): void;
  /** Events in the cluster, in the order in which they were first seen. */
  events(): Promise<readonly RecordedEvent[]>;
  logs(): readonly LogLine[];
  /** Keys that wait for their time: delayed, or backing off. */
  waiting(): number;
  /** From now on caches grow old; the function lets them catch up. Not on a real API server. */
  lag(): () => void;
  /** Starts the controllers, after `start: false` or `kill`, and waits. */
  start(): Promise<void>;
  /** Ends the controllers as if their process had ended: what is under way is cut off. The cluster stays. */
  kill(): Promise<void>;
  /** Ends all. On a real API server what was made here is deleted again, definitions aside. */
  stop(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Turns of the event loop without any news after which all is said to be done. */
const QUIET_TURNS = 6;
/** On a real API server others act too: so long nothing must change. */
const REAL_QUIET_MS = 400;
const REAL_LOOK_MS = 25;
/** A stop that takes so long waits for something that does not end: then a clock that stands still is moved, step by step. */
const LATE_AFTER_MS = 500;
const LATE_STEP_MS = 10_000;

/** Makes a cluster, puts the objects into it and starts the controllers. Rejects with what makes them fail to start. */
export async function fakeCluster(options: FakeClusterOptions): Promise<FakeCluster> {
  const server = options.cluster === undefined ? await createApiServer() : undefined;
  const source = options.cluster ?? { kubeconfig: { text: server?.kubeconfig() ?? "" } };
  const client = await openTestClient(source);
  const cluster = new RunningCluster({ options, server, source, client });
  try {
    await cluster.fill();
    if (options.start !== false) {
      await cluster.start();
    }
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

interface ClusterParts {
  readonly options: FakeClusterOptions;
  readonly server: ApiServer | undefined;
  readonly source: ClusterSource;
  readonly client: TestClient;
}

class RunningCluster implements FakeCluster {
  readonly #parts: ClusterParts;
  readonly #log = recordingLog();
  readonly #clock: HarnessClock | undefined;
  readonly #kinds = new Map<string, KindName>();
  #writes: SentWrite[] = [];
  #controller: Controller | undefined;
  #lags = 0;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
    const { clock } = parts.options;
    this.#clock = clock === undefined ? undefined : harnessClock(Number(clock));
  }

  get server(): ApiServer {
    const { server } = this.#parts;
    if (server === undefined) {
      throw new FairleadError(
        "TESTING_NOT_IN_PROCESS",
        "this is done to the API server in the process; the one here is real",
      );
    }
    return server;
  }

  get client(): TestClient {
    return this.#parts.client;
  }

  get controller(): Controller {
    if (this.#controller === undefined) {
      throw new FairleadError("TESTING_NOT_STARTED", "nothing runs; call start() first");
    }
    return this.#controller;
  }

  /** Definitions first, then namespaces: what comes later may need them. */
  async fill(): Promise<void> {
    const { options, client } = this.#parts;
    const objects = options.objects ?? [];
    const made = definitionsOf(options.controllers ?? []);
    const definitions = this.#parts.server === undefined ? made : made.map(withoutCel);
    const rank = ({ kind }: ObjectInput): number =>
      kind === "CustomResourceDefinition" ? 0 : kind === "Namespace" ? 1 : 2;
    for (const object of [...definitions, ...objects].sort((a, b) => rank(a) - rank(b))) {
      await this.#put(object);
    }
    client.forgetKinds();
  }

  async apply(...objects: readonly ObjectInput[]): Promise<void> {
    for (const object of objects) {
      await this.#put(object);
    }
    await this.settled();
  }

  async patch(name: Named, patch: object): Promise<void> {
    await this.#parts.client.patch(name, patch);
    await this.settled();
  }

  async delete(name: Named): Promise<void> {
    await this.#parts.client.delete(name);
    await this.settled();
  }

  get<T extends object = KubeObject>(name: Named): Promise<T | undefined> {
    return this.#parts.client.get<T>(name);
  }

  list(apiVersion: string, kind: string, namespace?: string): Promise<readonly KubeObject[]> {
    return this.#parts.client.list(apiVersion, kind, namespace);
  }

  async reconcile(key: string, name?: string): Promise<void> {
    const running = this.controller.controllers();
    const [one, ...more] = running.filter((each) => name === undefined || each.name === name);
    if (one === undefined || more.length > 0) {
      const names = running.map((each) => `"${each.name}"`).join(", ");
      throw new FairleadError("TESTING_UNKNOWN_CONTROLLER", `name one of the controllers that run: ${names}`, {
        facts: { name },
      });
    }
    await one.reconcile(key);
    await this.settled();
  }

  async settled(): Promise<void> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.#parts.options;
    const endAt = performance.now() + timeoutMs;
    let before = "";
    let sinceMs = performance.now();
    for (let turns = 0; !this.#isQuiet(turns, sinceMs); turns++) {
      await this.#turn();
      const now = await this.#look();
      if (now === undefined || now !== before) {
        before = now ?? "";
        turns = -1;
        sinceMs = performance.now();
      }
      if (performance.now() > endAt) {
        throw new FairleadError(
          "TESTING_NOT_SETTLED",
          `${this.#atWork()} still at work after ${timeoutMs} ms: a fault that is still scripted, a reconcile that never ceases to write, or one that does not end (to test its deadline, change the cluster by "client", which waits for nothing, and "advance")`,
        );
      }
    }
  }

  async advance(time: Duration): Promise<void> {
    if (this.#clock === undefined) {
      throw new FairleadError("TESTING_NO_CLOCK", "advance moves a clock that stands still; give fakeCluster a clock");
    }
    await this.#clock.advance(milliseconds(time), () => this.settled());
    await this.settled();
  }

  async eventually(check: () => Promise<void>): Promise<void> {
    const { server, options } = this.#parts;
    const endAt = performance.now() + (server === undefined ? (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) : 0);
    for (;;) {
      try {
        await this.settled();
        await check();
        return;
      } catch (error) {
        if (performance.now() > endAt) {
          throw error;
        }
        await this.#turn();
      }
    }
  }

  requests(): readonly SentWrite[] {
    return this.#writes;
  }

  forget(): void {
    this.#writes = [];
  }

  events(): Promise<readonly RecordedEvent[]> {
    return eventsIn(this.#parts.client);
  }

  logs(): readonly LogLine[] {
    return this.#log.lines;
  }

  waiting(): number {
    return this.controller.controllers().reduce((sum, { waiting }) => sum + waiting, 0);
  }

  lag(): () => void {
    const goOn = this.server.holdWatches();
    let isLagging = true;
    this.#lags++;
    return () => {
      if (isLagging) {
        isLagging = false;
        this.#lags--;
        goOn();
      }
    };
  }

  async start(): Promise<void> {
    if (this.#controller === undefined) {
      const { options, source } = this.#parts;
      this.#controller = controllerWith(
        {
          cluster: source,
          controllers: options.controllers ?? [],
          plugins: [this.#recorder(), ...(options.plugins ?? [])],
          leaderElection: options.leaderElection,
          ingest: "inline",
          auditEveryMs: 0,
          log: this.#log,
        },
        { clock: this.#clock },
      );
      await this.#controller.start();
    }
    await this.settled();
  }

  async kill(): Promise<void> {
    const running = this.#controller;
    this.#controller = undefined;
    // What does not end is given up by the clock, and that stands still.
    const late = setInterval(() => void this.#clock?.advance(LATE_STEP_MS, async () => {}), LATE_AFTER_MS);
    try {
      await running?.stop();
    } finally {
      clearInterval(late);
    }
  }

  async stop(): Promise<void> {
    const { server, client, options } = this.#parts;
    if (server === undefined) {
      // While the controllers run: they may have to take finalizers away.
      await client.clean(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    }
    await this.kill();
    await client.close();
    await server?.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #put(object: ObjectInput): Promise<void> {
    const { client } = this.#parts;
    this.#kinds.set(`${object.apiVersion} ${object.kind}`, object);
    await client.put(object);
    if (object.kind === "CustomResourceDefinition") {
      await this.#untilServed(object);
    }
  }

  /** A definition is served a moment after it was stored. */
  async #untilServed({ spec }: ObjectInput): Promise<void> {
    const { client, options } = this.#parts;
    const endAt = performance.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    // What the API server took is a definition.
    const { group, names, versions } = spec as {
      group: string;
      names: { kind: string };
      versions: { name: string; served: boolean }[];
    };
    for (const version of versions.filter(({ served }) => served)) {
      for (;;) {
        client.forgetKinds();
        try {
          await client.list(`${group}/${version.name}`, names.kind);
          break;
        } catch (error) {
          if (performance.now() > endAt) {
            throw error;
          }
          await this.#turn();
        }
      }
    }
  }

  /** What is watched and what was given: among these are owners and what they own. */
  #knownKinds(): Iterable<KindName> {
    const followed: readonly AnyKind[] = (this.#parts.options.controllers ?? []).flatMap(({ kinds }) => kinds);
    for (const { apiVersion, kind } of followed) {
      this.#kinds.set(`${apiVersion} ${kind}`, { apiVersion, kind });
    }
    return this.#kinds.values();
  }

  #atWork(): string {
    const busy = this.#controller?.controllers().filter(({ isIdle }) => !isIdle) ?? [];
    const names = busy.map(({ name }) => `"${name}"`).join(", ");
    return names === "" ? "the cluster was" : `${names} ${busy.length === 1 ? "was" : "were"}`;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) =>
      this.#parts.server === undefined ? setTimeout(resolve, REAL_LOOK_MS) : setImmediate(resolve),
    );
  }

  #isQuiet(turns: number, sinceMs: number): boolean {
    return this.#parts.server === undefined ? performance.now() - sinceMs >= REAL_QUIET_MS : turns >= QUIET_TURNS;
  }

  /** A text that stays the same while nothing happens; undefined while something is known to be under way. */
  async #look(): Promise<string | undefined> {
    const { server, client, options } = this.#parts;
    const controller = this.#controller;
    const isBusy = controller?.controllers().some(({ isIdle }) => !isIdle) === true;
    if (isBusy) {
      return undefined;
    }
    if (server === undefined) {
      const isBehind = controller !== undefined && !(await isCurrent(client, controller.store));
      return isBehind ? undefined : await versionsOf(client, this.#knownKinds());
    }
    if (server.requests.open().some(({ verb }) => verb !== "watch")) {
      return undefined;
    }
    const plane = fakeControlPlane(server, {
      kinds: () => this.#knownKinds(),
      deployments: () => options.deployments ?? "ready",
    });
    if (plane.act()) {
      return undefined;
    }
    if (controller !== undefined && this.#lags === 0 && !followsAll(server, controller)) {
      return undefined;
    }
    return `${server.objects.version} ${server.requests.count()}`;
  }

  /** Sees every write of all others before it is sent. */
  #recorder(): AnyPlugin {
    return {
      name: "test-recorder",
      apiVersion: "fairlead/v1",
      setup: ({ hooks }) => {
        hooks.writeBefore.tap(({ plugin, verb, apiVersion, plural, namespace, name, subresource, body }) => {
          if (plural !== "events") {
            this.#writes.push({ by: plugin, verb, apiVersion, plural, namespace, name, subresource, body });
          }
          return undefined;
        });
      },
    } satisfies Plugin;
  }
}

/** CustomResourceDefinitions of resources made by `defineResource`. */
function definitionsOf(controllers: readonly ControllerDefinition[]): ObjectInput[] {
  const kinds: readonly object[] = controllers.flatMap((one) => one.sources.map(({ kind }) => kind));
  const made = kinds.flatMap((kind) =>
    "crd" in kind && typeof kind.crd === "function" ? [kind.crd() as ObjectInput] : [],
  );
  return [...new Map(made.map((definition) => [definition.metadata.name, definition])).values()];
}

/** The definition without rules in CEL, which the API server in the process cannot check and therefore refuses. */
function withoutCel<T>(value: T): T {
  if (Array.isArray(value)) {
    // A list of the same elements, less what they hold.
    return value.map(withoutCel) as T;
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const kept = Object.entries(value).filter(([field]) => field !== "x-kubernetes-validations");
  // The same fields but one.
  return Object.fromEntries(kept.map(([field, inner]) => [field, withoutCel(inner)])) as T;
}

const NOT_SERVED = 5;
const FORBIDDEN = 6;

/** Whether the caches have the newest version. Versions of what nobody watches are told by bookmarks. */
function followsAll(server: ApiServer, { store }: Controller): boolean {
  const version = Number(server.objects.version);
  const behind = store.kinds.filter((name) => {
    const { phase, synced, resourceVersion } = store.status(name);
    return phase !== NOT_SERVED && phase !== FORBIDDEN && (!synced || Number(resourceVersion) < version);
  });
  if (behind.length > 0) {
    server.bookmark();
  }
  return behind.length === 0;
}
