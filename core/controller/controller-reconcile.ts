import type { WatchedLeadership } from "../election/leadership.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { HookBoard } from "../hooks/hook-board.ts";
import type { ClusterAccess } from "../kube/access.ts";
import type { KubeClient } from "../kube/client.ts";
import type { RestMeter } from "../kube/counted-transport.ts";
import type { HttpTransport } from "../kube/http-transport.ts";
import type { Logger } from "../log.ts";
import { ReconcileHost } from "../reconcile/run-host.ts";
import type { OwnKeys } from "../reconcile/run-loop.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import type { NamespaceScope } from "../watch/namespace-scope.ts";
import { writesOf } from "./fenced-writes.ts";
import { KubeGate } from "./kube-gate.ts";

/** What the controllers of a cluster need of it. */
export interface ControllerReconcileParts {
  readonly access: ClusterAccess;
  readonly store: StoreReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dryRun: boolean;
  /** The namespaces that are followed. */
  readonly scope: NamespaceScope | undefined;
  readonly leadership: WatchedLeadership | undefined;
  /** Undefined where every process reconciles all. */
  readonly shards: OwnKeys | undefined;
  /** Where plugins tap writes; undefined where there are none. */
  readonly board: Pick<HookBoard, "isTapped" | "call"> | undefined;
  readonly rest: RestMeter;
}

/** The controllers of one cluster with the connection that they write by. */
export interface ControllerReconcile {
  readonly host: ReconcileHost;
  /** Stops the controllers, then closes their connection. Never rejects. */
  stop(): Promise<void>;
}

/** Makes the host of a cluster's controllers; nothing is opened before one of them reads or writes. */
export function openControllerReconcile(parts: ControllerReconcileParts): ControllerReconcile {
  const { access, store, clock, log, dryRun, scope, leadership, shards, rest } = parts;
  let transport: HttpTransport | undefined;
  let client: Promise<KubeClient> | undefined;
  let isStopped = false;
  /** Sockets and TLS are loaded only where something is read or written: they take 15 MB. */
  const openClient = async (): Promise<KubeClient> => {
    const [{ connect }, { createKubeClient }] = await Promise.all([
      import("../kube/http-transport.ts"),
      import("../kube/client.ts"),
    ]);
    transport = connect(access, {
      ...writesOf(leadership),
      warn: (detail, facts) => log.warn({ ...facts, detail }, "connection"),
    });
    if (isStopped) {
      await transport.close();
    }
    return createKubeClient(rest.count(transport));
  };
  const gate = new KubeGate({
    client: () => {
      client ??= openClient();
      return client;
    },
    board: parts.board ?? NO_TAPS,
    log,
    clock,
  });
  const host = new ReconcileHost({ store, clock, log, gate, dryRun, scope, leadership, shards });
  return {
    host,
    async stop() {
      await host.stop();
      isStopped = true;
      try {
        await transport?.close();
      } catch (error) {
        log.warn({ code: codeOf(error), detail: messageOf(error) }, "connection of controllers not closed");
      }
    },
  };
}

/** Without plugins nobody has a say in writes. */
const NO_TAPS: Pick<HookBoard, "isTapped" | "call"> = {
  isTapped: () => false,
  call: async () => ({ answers: [], failures: [], late: [] }),
};
