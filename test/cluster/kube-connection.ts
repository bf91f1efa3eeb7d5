import assert from "node:assert/strict";
import { codeOf, FairleadError, messageOf } from "../../core/errors.ts";
import {
  createKubeClient,
  type KubeClient,
  type KubeClientOptions,
  type KubeObject,
  type WatchEvent,
} from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { type ConnectOptions, connect, type HttpTransport } from "../../core/kube/http-transport.ts";

/** What core/kube can speak. */
export const PROTOCOLS = ["h2", "http/1.1"] as const;

/** A client of core/kube with its connection; `await using` closes it. */
export interface KubeConnection extends AsyncDisposable {
  readonly client: KubeClient;
  readonly transport: HttpTransport;
}

/** Connects as a user would: from a kubeconfig. */
export async function openConnection(
  kubeconfig: string,
  how: ConnectOptions & KubeClientOptions = {},
): Promise<KubeConnection> {
  const transport = connect(await resolveCluster({ kubeconfig }), how);
  return {
    client: createKubeClient(transport, how),
    transport,
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

/** A config map. */
export const configMap = (name: string, data: Readonly<Record<string, string>> = {}, labels = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, labels },
  data,
});

/** The name of an object. */
export const nameOf = (object: KubeObject): unknown => object.metadata?.name;

/** A value inside an object, by its path. */
export function at(object: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  }, object);
}

/** What a call was refused with. */
export async function refusal(call: Promise<unknown>): Promise<FairleadError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof FairleadError, messageOf(error));
    return error;
  }
  return assert.fail("it was not refused");
}

/** All of a list. */
export async function allOf<Item>(list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of list) {
    items.push(item);
  }
  return items;
}

/** The names of all of a list. */
export async function namesOf(list: AsyncIterable<KubeObject>): Promise<unknown[]> {
  return (await allOf(list)).map(nameOf);
}

/** Events of a watch until it ends, one way or the other. */
export async function untilOver(watch: AsyncIterable<WatchEvent>, seen: WatchEvent[]): Promise<string> {
  try {
    for await (const event of watch) {
      seen.push(event);
    }
    return "end";
  } catch (error) {
    return codeOf(error);
  }
}
