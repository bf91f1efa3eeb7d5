import type { ApiServer } from "./api-server.ts";
import { timeText } from "./clock.ts";
import {
  type App,
  deploymentObject,
  namespaceObject,
  namespacesOf,
  nodeObject,
  planApps,
  planNodes,
  podObject,
  replicaSetObject,
  type SimNode,
  type SimPod,
  serviceObject,
  sliceObject,
} from "./living-objects.ts";
import type { JsonObject, StoredObject } from "./object.ts";
import { type Random, seededRandom } from "./random.ts";

/** The shape of a simulated cluster; all has defaults. */
export interface SimulationOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Default 12. */
  readonly nodes?: number;
  /** Default 60. */
  readonly deployments?: number;
  /** Deployments that have a service. Default 60. */
  readonly services?: number;
  /** Default five per deployment; up to 20,000. */
  readonly pods?: number;
  /** Writes a second once it lives; 0 stands still. Default 20. */
  readonly ratePerSecond?: number;
}

/** A living cluster. */
export interface Simulation {
  /** Writes since it lives. */
  readonly changes: number;
  stop(): void;
}

const TICK_MS = 50;
const PODS_PER_DEPLOYMENT = 5;
/** Objects that are made before the loop gets a turn. */
const TURN_EVERY = 500;

/** Fills a server with a small cluster and lets it live: rollouts, scaling, crashes, nodes that fail and come back. */
export async function simulate(server: ApiServer, options: SimulationOptions = {}): Promise<Simulation> {
  const cluster = new LivingCluster(server, options);
  await cluster.populate();
  cluster.live();
  return cluster;
}

class LivingCluster implements Simulation {
  changes = 0;
  readonly #server: ApiServer;
  readonly #random: Random;
  readonly #rate: number;
  readonly #apps: App[];
  readonly #nodes: SimNode[];
  readonly #pods = new Map<App, SimPod[]>();
  readonly #steps: (() => void)[] = [];
  #addresses = 0;
  #credit = 0;
  #lastMs = 0;
  #cancel: () => void = () => {};

  constructor(server: ApiServer, options: SimulationOptions) {
    const deployments = options.deployments ?? 60;
    this.#server = server;
    this.#random = seededRandom(options.seed ?? 1);
    this.#rate = options.ratePerSecond ?? 20;
    this.#nodes = planNodes(options.nodes ?? 12);
    this.#apps = planApps(this.#random, {
      deployments,
      services: options.services ?? 60,
      pods: Math.min(20_000, options.pods ?? deployments * PODS_PER_DEPLOYMENT),
    });
  }

  async populate(): Promise<void> {
    const { objects } = this.#server;
    for (const name of namespacesOf(this.#apps)) {
      objects.apply(namespaceObject(name));
    }
    for (const node of this.#nodes) {
      objects.apply(nodeObject(node, this.#now()));
    }
    let made = 0;
    for (const app of this.#apps) {
      this.#pods.set(app, []);
      this.#writeApp(app);
      for (let i = 0; i < app.replicas; i++) {
        const pod = this.#newPod(app);
        Object.assign(pod, { node: this.#freeNode(), phase: "Running", ready: true });
        this.#podsOf(app).push(pod);
        this.#writePod(pod);
        if (++made % TURN_EVERY === 0) {
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
      }
      this.#writeApp(app);
      if (app.hasService) {
        objects.apply(serviceObject(app));
        this.#writeSlice(app);
      }
    }
    this.changes = 0;
  }

  /** Spends what the rate allows, tick by tick; a late tick is made up for. */
  live(): void {
    if (this.#rate <= 0) {
      return;
    }
    this.#lastMs = this.#now();
    const tick = () => {
      const now = this.#now();
      this.#credit = Math.min(this.#rate, this.#credit + ((now - this.#lastMs) * this.#rate) / 1000);
      this.#lastMs = now;
      while (this.#credit >= 1) {
        const before = this.changes;
        if (this.#steps.length === 0) {
          this.#happen();
        }
        this.#steps.shift()?.();
        this.#credit -= Math.max(1, this.changes - before);
      }
      this.#cancel = this.#server.clock.after(TICK_MS, tick);
    };
    this.#cancel = this.#server.clock.after(TICK_MS, tick);
  }

  stop(): void {
    this.#cancel();
    this.#cancel = () => {};
  }

  #now(): number {
    return this.#server.clock.now();
  }

  #podsOf(app: App): SimPod[] {
    return this.#pods.get(app) ?? [];
  }

  #write(object: Parameters<ApiServer["objects"]["apply"]>[0]): StoredObject {
    this.changes++;
    return this.#server.objects.apply(object);
  }

  #writePod(pod: SimPod): void {
    this.#write(podObject(pod, this.#now()));
  }

  #ownerOf(apiVersion: string, kind: string, app: App, name: string): JsonObject {
    const uid = this.#server.objects.get({ apiVersion, kind, name, namespace: app.namespace })?.metadata.uid ?? "";
    return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
  }

  /** The deployment and the replica set of its newest revision. */
  #writeApp(app: App): void {
    const pods = this.#podsOf(app);
    const current = pods.filter((pod) => pod.hash === app.hash);
    const ready = (list: readonly SimPod[]) => list.filter((pod) => pod.ready).length;
    this.#write(deploymentObject(app, ready(pods), current.length));
    const owner = this.#ownerOf("apps/v1", "Deployment", app, app.name);
    this.#write(replicaSetObject(app, app.hash, app.replicas, ready(current), owner));
  }

  #writeSlice(app: App): void {
    if (app.hasService) {
      this.#write(sliceObject(app, this.#podsOf(app), this.#ownerOf("v1", "Service", app, app.name)));
    }
  }

  #newPod(app: App): SimPod {
    const address = this.#addresses++;
    return {
      app,
      name: `${app.name}-${app.hash}-${this.#random.suffix(5)}`,
      hash: app.hash,
      uid: this.#random.uuid(),
      createdAt: timeText(this.#now()),
      ip: `10.${244 + ((address >> 16) & 7)}.${(address >> 8) & 255}.${address & 255}`,
      owner: this.#ownerOf("apps/v1", "ReplicaSet", app, `${app.name}-${app.hash}`),
      node: undefined,
      phase: "Pending",
      ready: false,
      restarts: 0,
    };
  }

  #freeNode(): SimNode {
    const ready = this.#nodes.filter((node) => node.ready);
    return this.#random.pick(ready.length > 0 ? ready : this.#nodes);
  }

  /** Begins something; its steps follow one by one. */
  #happen(): void {
    if (this.#apps.length === 0) {
      this.#nodeBeats();
      return;
    }
    const app = this.#random.pick(this.#apps);
    const dice = this.#random.next();
    if (dice < 0.3) {
      this.#crash(app);
    } else if (dice < 0.5) {
      this.#roll(app);
    } else if (dice < 0.65) {
      this.#scale(app);
    } else if (dice < 0.68) {
      this.#nodeFails();
    } else if (dice < 0.85) {
      this.#replacePod(app);
    } else {
      this.#nodeBeats();
    }
  }

  #nodeBeats(): void {
    const node = this.#random.pick(this.#nodes);
    this.#steps.push(() => {
      this.#write(nodeObject(node, this.#now()));
    });
  }

  #startPod(app: App): void {
    let pod: SimPod | undefined;
    const change = (values: Partial<SimPod>) => () => {
      if (pod !== undefined && this.#podsOf(app).includes(pod)) {
        Object.assign(pod, values);
        this.#writePod(pod);
      }
    };
    this.#steps.push(
      () => {
        pod = this.#newPod(app);
        this.#podsOf(app).push(pod);
        this.#writePod(pod);
      },
      () => change({ node: this.#freeNode() })(),
      change({ phase: "Running" }),
      change({ ready: true }),
      () => this.#writeSlice(app),
    );
  }

  #endPod(app: App, pod: SimPod): void {
    this.#steps.push(
      () => {
        const now = this.#now();
        const object = podObject(pod, now);
        if (this.#podsOf(app).includes(pod)) {
          this.#write({
            ...object,
            metadata: { ...object.metadata, deletionTimestamp: timeText(now + 30_000), deletionGracePeriodSeconds: 30 },
          });
        }
      },
      () => {
        this.#pods.set(
          app,
          this.#podsOf(app).filter((other) => other !== pod),
        );
        this.changes++;
        this.#server.objects.delete({ apiVersion: "v1", kind: "Pod", name: pod.name, namespace: app.namespace });
      },
      () => this.#writeSlice(app),
    );
  }

  #crash(app: App): void {
    const pods = this.#podsOf(app);
    if (pods.length === 0) {
      return;
    }
    const pod = this.#random.pick(pods);
    const set = (values: Partial<SimPod>) => () => {
      if (this.#podsOf(app).includes(pod)) {
        Object.assign(pod, values);
        this.#writePod(pod);
        this.#writeSlice(app);
      }
    };
    this.#steps.push(set({ ready: false, restarts: pod.restarts + 1 }), set({ ready: true, phase: "Running" }));
  }

  #replacePod(app: App): void {
    const pods = this.#podsOf(app);
    if (pods.length === 0) {
      return;
    }
    this.#endPod(app, this.#random.pick(pods));
    this.#startPod(app);
    this.#steps.push(() => this.#writeApp(app));
  }

  #roll(app: App): void {
    const old = [...this.#podsOf(app)];
    const oldHash = app.hash;
    this.#steps.push(() => {
      app.revision++;
      app.hash = this.#random.suffix(10);
      this.#writeApp(app);
    });
    for (const pod of old) {
      this.#startPod(app);
      this.#endPod(app, pod);
    }
    this.#steps.push(
      () => this.#writeApp(app),
      () => {
        this.changes++;
        this.#server.objects.delete({
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: `${app.name}-${oldHash}`,
          namespace: app.namespace,
        });
      },
    );
  }

  #scale(app: App): void {
    const wanted = Math.max(1, app.replicas + (this.#random.next() < 0.5 ? -1 : 1));
    const grows = wanted > app.replicas;
    this.#steps.push(() => {
      app.replicas = wanted;
      this.#writeApp(app);
    });
    const pods = this.#podsOf(app);
    if (grows) {
      this.#startPod(app);
    } else if (pods.length > wanted) {
      this.#endPod(app, this.#random.pick(pods));
    }
    this.#steps.push(() => this.#writeApp(app));
  }

  #nodeFails(): void {
    const node = this.#random.pick(this.#nodes);
    const turn = (ready: boolean) => () => {
      node.ready = ready;
      this.#write(nodeObject(node, this.#now()));
    };
    this.#steps.push(turn(false));
    for (const [app, pods] of this.#pods) {
      for (const pod of pods.filter((one) => one.node === node)) {
        this.#endPod(app, pod);
        this.#startPod(app);
      }
    }
    this.#steps.push(turn(true));
  }
}
