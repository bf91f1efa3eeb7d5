import { fork } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { FairleadError, messageOf } from "../../core/errors.ts";
import { type ApiClient, createApiClient } from "./api-client.ts";
import { isAlive } from "./build-cache.ts";
import { churn } from "./churn.ts";
import { ALL_COMPONENTS, type ComponentName, programOf } from "./components.ts";
import type { HostNotice } from "./host.ts";
import { nodeLayout } from "./node-settings.ts";
import { ensurePrograms } from "./programs.ts";
import { loadImage } from "./real-node.ts";
import { findRunning, listRunning, type RunningCluster } from "./running.ts";
import { seed } from "./seed.ts";
import { SHAPES, type Shape } from "./seed-shape.ts";
import { programModule } from "./source-folder.ts";

const HELP = `usage: npm run cluster -- <command> [options]

A real Kubernetes control plane on this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok,
which plays nodes and pods. Built once from Go modules into a cache (FAIRLEAD_CLUSTER_CACHE), or from KUBEBUILDER_ASSETS.

  up       start a cluster and print its kubeconfig; it runs until "down"
             --components <list>   of etcd,apiserver,controller-manager,scheduler,kwok (default: all)
             --seeded <shape>      with the objects of a shape, made once and kept in the cache
             --node real           with a node that runs pods for real: kubelet, containerd, kube-proxy; needs root
  down     stop a cluster and remove its files (--all: every cluster)
  status   what runs
  seed     create objects and wait until all their pods run
             --shape <shape>       small: 12 pods; seed: 53 nodes, 4,092 deployment pods; large: 20,000 (default: small)
  churn    change pods at a rate, each change is one watch event
             --rate <n>            events a second (default: 50)
             --for <time>          for example 20s or 5m (default: 20s)
  image    "image load FILE" puts the images of an OCI archive on the real node; nothing is ever pulled
  build    build all programs now

  --name <name>   which cluster, if there are several (default: "test")
  --help          this text`;

const DOWN_DEADLINE_MS = 20_000;
const LOOK_MS = 50;

const OPTIONS = {
  name: { type: "string", default: "test" },
  components: { type: "string", default: ALL_COMPONENTS.join(",") },
  seeded: { type: "string" },
  node: { type: "string", default: "simulated" },
  shape: { type: "string", default: "small" },
  rate: { type: "string", default: "50" },
  for: { type: "string", default: "20s" },
  all: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse() {
  return parseArgs({ allowPositionals: true, options: OPTIONS });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function up(values: Values): Promise<void> {
  const options = {
    components: componentsOf(values.components),
    seeded: values.seeded === undefined ? undefined : shapeOf(values.seeded),
    node: nodeOf(values.node),
  };
  if ((await findRunning(values.name)) !== undefined) {
    throw new FairleadError(
      "CLUSTER_ALREADY_RUNNING",
      `a cluster "${values.name}" runs already; stop it or take another --name`,
    );
  }
  const child = fork(programModule("host"), [values.name, JSON.stringify(options)], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const outcome = await new Promise<HostNotice | "gone">((resolve) => {
    child.on("message", (message) => {
      const notice = message as HostNotice; // only our own host holds the channel
      if (notice.kind === "progress") {
        say(notice.line);
      } else {
        resolve(notice);
      }
    });
    child.on("exit", () => resolve("gone"));
  });
  if (outcome === "gone" || outcome.kind !== "up") {
    const why = outcome === "gone" || outcome.kind === "progress" ? "its process ended" : outcome.message;
    throw new FairleadError("CLUSTER_NOT_STARTED", `the cluster "${values.name}" could not be started: ${why}`);
  }
  child.unref();
  if (child.connected) {
    child.disconnect();
  }
  const cluster = await mustFind(values.name);
  say(`cluster "${cluster.name}" runs at ${cluster.url}`);
  console.log(`export KUBECONFIG=${cluster.kubeconfigPath}`);
}

async function down(values: Values): Promise<void> {
  const clusters = values.all ? await listRunning() : [await mustFind(values.name)];
  for (const { name, hostPid } of clusters) {
    process.kill(hostPid, "SIGTERM");
    const deadline = Date.now() + DOWN_DEADLINE_MS;
    while (isAlive(hostPid)) {
      if (Date.now() > deadline) {
        // Its supervisor ends the components when the host is gone, however it goes.
        process.kill(hostPid, "SIGKILL");
      }
      await delay(LOOK_MS);
    }
    say(`cluster "${name}" is stopped`);
  }
}

async function status(): Promise<void> {
  const clusters = await listRunning();
  if (clusters.length === 0) {
    say("no cluster runs");
  }
  for (const cluster of clusters) {
    const client = clientOf(cluster);
    const ready = await client.request("GET", "/readyz").then(
      (response) => (response.status === 200 ? "ready" : `not ready (${response.status})`),
      (error) => `not reachable (${messageOf(error)})`,
    );
    client.close();
    console.log(
      `${cluster.name}  ${ready}  ${cluster.url}  since ${cluster.startedAt}  ${cluster.components.join(",")}`,
    );
    console.log(`  KUBECONFIG=${cluster.kubeconfigPath}`);
  }
}

async function runSeed(values: Values): Promise<void> {
  const client = clientOf(await mustFind(values.name));
  const { created, existed, pods, tookMs } = await seed(client, shapeOf(values.shape), say);
  client.close();
  console.log(`${created} objects created, ${existed} were there, ${pods} pods run, in ${Math.round(tookMs / 1000)} s`);
}

async function runChurn(values: Values): Promise<void> {
  const cluster = await mustFind(values.name);
  const client = clientOf(cluster);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const ratePerSecond = Number(values.rate);
  if (!(ratePerSecond > 0)) {
    throw new FairleadError("CLUSTER_BAD_OPTION", `--rate "${values.rate}" is not a number above 0`);
  }
  const result = await churn(
    { request: client.request, etcdPort: cluster.etcdPort },
    {
      ratePerSecond,
      forMs: durationOf(values.for),
      progress: say,
      signal: stop.signal,
    },
  );
  client.close();
  console.log(
    `${result.events} events in ${result.tookMs} ms, ${result.ratePerSecond}/s of ${ratePerSecond}/s, ${result.failures} failed`,
  );
}

async function runImage(values: Values, [action, archive]: readonly string[]): Promise<void> {
  if (action !== "load" || archive === undefined) {
    throw new FairleadError("CLUSTER_BAD_OPTION", "images are loaded from a file: npm run cluster -- image load FILE");
  }
  const { name, folder, hasRealNode } = await mustFind(values.name);
  if (!hasRealNode) {
    throw new FairleadError(
      "CLUSTER_NO_REAL_NODE",
      `cluster "${name}" has no real node; start it with: up --node real`,
    );
  }
  await loadImage(nodeLayout(folder).containerdSocket, archive);
  say(`the images of "${archive}" are on the real node of cluster "${name}"`);
}

async function build(): Promise<void> {
  for (const path of (await ensurePrograms(ALL_COMPONENTS.map(programOf), say)).values()) {
    console.log(path);
  }
}

function componentsOf(text: string): readonly ComponentName[] {
  return text.split(",").map((given) => {
    const known = ALL_COMPONENTS.find((name) => name === given);
    if (known === undefined) {
      throw new FairleadError(
        "CLUSTER_BAD_OPTION",
        `"${given}" is not a component; there are ${ALL_COMPONENTS.join(", ")}`,
      );
    }
    return known;
  });
}

function shapeOf(text: string): Shape {
  switch (text) {
    case "small":
    case "seed":
    case "large":
      return text;
    default:
      throw new FairleadError(
        "CLUSTER_BAD_OPTION",
        `"${text}" is not a shape; there are ${Object.keys(SHAPES).join(", ")}`,
      );
  }
}

function nodeOf(text: string): "simulated" | "real" {
  if (text === "simulated" || text === "real") {
    return text;
  }
  throw new FairleadError("CLUSTER_BAD_OPTION", `--node "${text}" is not one of simulated, real`);
}

function durationOf(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (found === null) {
    throw new FairleadError("CLUSTER_BAD_OPTION", `--for "${text}" is not a time such as 500ms, 20s or 5m`);
  }
  return Number(found[1]) * { ms: 1, s: 1_000, m: 60_000 }[found[2] as "ms" | "s" | "m"]; // the expression allows no other unit
}

async function mustFind(name: string): Promise<RunningCluster> {
  const cluster = await findRunning(name);
  if (cluster === undefined) {
    throw new FairleadError(
      "CLUSTER_NOT_RUNNING",
      `no cluster "${name}" runs; start it with: npm run cluster -- up --name ${name}`,
    );
  }
  return cluster;
}

function clientOf(cluster: RunningCluster): ApiClient {
  return createApiClient({
    url: cluster.url,
    caPem: cluster.caPem,
    identity: { kind: "certificate", pair: cluster.admin },
  });
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  const [command, ...rest] = positionals;
  const commands: Readonly<Record<string, (values: Values, rest: readonly string[]) => Promise<void>>> = {
    up,
    down,
    status,
    seed: runSeed,
    churn: runChurn,
    image: runImage,
    build,
  };
  const known = command !== undefined && Object.hasOwn(commands, command);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (!known) {
    say(command === undefined ? HELP : `"${command}" is not a command\n\n${HELP}`);
    return 2;
  }
  await commands[command](values, rest);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}
