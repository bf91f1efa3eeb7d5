import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../core/log.ts";
import type { Random } from "../../core/testing/random.ts";
import type { Cluster } from "./cluster.ts";

const LOOK_MS = 20;

/** Waits until something holds; fails with its name. */
export async function until(what: string, holds: () => boolean, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > deadline) {
      throw new Error(`not within ${limitMs} ms: ${what}`);
    }
    await delay(LOOK_MS);
  }
}

/** A log that keeps its lines as text: level, message, fields. */
export function recordingLog(): Logger & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const keep =
    (level: string): Logger["info"] =>
    (fields, message) => {
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  return { lines, debug: keep("debug"), info: keep("info"), warn: keep("warn"), error: keep("error") };
}

/** The part of an object that a store of all fields must have, as text. */
function essence(object: unknown): string {
  const at = (...keys: readonly string[]): unknown =>
    keys.reduce<unknown>(
      (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
      object,
    );
  const text = (...keys: readonly string[]): unknown => at(...keys) ?? "";
  const map = (...keys: readonly string[]): unknown => Object.entries(at(...keys) ?? {}).sort();
  return JSON.stringify([
    text("metadata", "uid"),
    text("metadata", "resourceVersion"),
    text("metadata", "creationTimestamp"),
    map("metadata", "labels"),
    text("spec", "type"),
    text("spec", "clusterIP"),
    map("spec", "selector"),
    text("spec", "serviceAccountName"),
    text("status", "phase"),
    text("status", "podIP"),
    map("data"),
  ]);
}

/** What is compared of each object, by namespace and name. */
export function essences(objects: readonly unknown[]): Readonly<Record<string, string>> {
  const entries = objects.map((object) => {
    const metadata: unknown = Reflect.get(Object(object), "metadata");
    return [`${Reflect.get(Object(metadata), "namespace")}/${Reflect.get(Object(metadata), "name")}`, essence(object)];
  });
  return Object.fromEntries(entries.sort());
}

const LIVE_PODS = encodeURIComponent("status.phase!=Succeeded,status.phase!=Failed");

/** The same of the server's objects: pods that have not ended, services, or config maps of a namespace. */
export async function onServer(
  cluster: Cluster,
  plural: string,
  namespace: string,
): Promise<ReturnType<typeof essences>> {
  const selector = plural === "pods" ? `?fieldSelector=${LIVE_PODS}` : "";
  const { body } = await cluster.send("GET", `/api/v1/namespaces/${namespace}/${plural}${selector}`);
  return essences(body.items);
}

/** Makes a namespace in which pods can be made. */
export async function makeNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.send("POST", "/api/v1/namespaces", { metadata: { name } });
  await cluster.send("POST", `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
}

const SPECS: Readonly<Record<string, object>> = {
  pods: { spec: { containers: [{ name: "web", image: "example.org/web:1" }] } },
  services: { spec: { selector: { app: "web" }, ports: [{ port: 80 }] } },
  configmaps: { data: { turn: "0" } },
};

/** Creates, changes and deletes pods, services and config maps of a namespace, several at once. */
export async function writeAtRandom(
  cluster: Cluster,
  namespace: string,
  random: Random,
  writes: number,
): Promise<void> {
  let left = writes;
  async function write(writer: number): Promise<void> {
    const plural = random.pick(Object.keys(SPECS));
    const base = `/api/v1/namespaces/${namespace}/${plural}`;
    // Each writer has names of its own: the outcome does not hang on who is first.
    const name = `w${writer}-${random.below(6)}`;
    const turn = { metadata: { labels: { turn: random.suffix(4) } } };
    const made = await cluster.request("POST", base, { ...SPECS[plural], metadata: { name, ...turn.metadata } });
    if (made.status !== 409) {
      return;
    }
    const what = random.below(4);
    if (what === 0) {
      await cluster.send("DELETE", `${base}/${name}`, { gracePeriodSeconds: 0 });
    } else if (what === 1 && plural === "pods") {
      const phase = random.pick(["Pending", "Running", "Succeeded"]);
      await cluster.send("PATCH", `${base}/${name}/status`, {
        status: { phase, podIP: `192.0.2.${random.below(250)}` },
      });
    } else {
      await cluster.send("PATCH", `${base}/${name}`, turn);
    }
  }
  async function writer(number: number): Promise<void> {
    while (left > 0) {
      left -= 1;
      await write(number);
    }
  }
  await Promise.all([0, 1, 2, 3].map(writer));
}
