import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { FairleadError } from "../../core/errors.ts";
import type { ApiClient } from "./api-client.ts";
import {
  type ApiServerSettings,
  apiServerArgs,
  controllerManagerArgs,
  etcdArgs,
  kwokArgs,
  type Layout,
  type Ports,
  type ProcessName,
  programOf,
  schedulerArgs,
} from "./components.ts";
import type { ProgramName } from "./programs.ts";
import type { Running, Supervised } from "./supervised.ts";

const READY_LOOK_MS = 50;
const READY_DEADLINE_MS = 90_000;
const TERM_DEADLINE_MS = 10_000;

/** What processes of a control plane are made from. */
export interface ControlPlaneParts {
  readonly layout: Layout;
  readonly programs: ReadonlyMap<ProgramName, string>;
  readonly ports: Ports;
  readonly supervised: Supervised;
}

/** The processes of one cluster. */
export class ControlPlane {
  readonly #parts: ControlPlaneParts;
  readonly #running = new Map<ProcessName, Running>();
  readonly #apiServers = new Map<ProcessName, { readonly settings: ApiServerSettings; readonly client: ApiClient }>();

  constructor(parts: ControlPlaneParts) {
    this.#parts = parts;
  }

  /** Makes an API server known, so that it can be started by its name. */
  addApiServer(settings: ApiServerSettings, client: ApiClient): void {
    this.#apiServers.set(settings.name, { settings, client });
  }

  /** Processes that run or are frozen, in the order in which they were started. */
  names(): readonly ProcessName[] {
    return [...this.#running.keys()];
  }

  /** Process id of a component. Throws CLUSTER_NOT_RUNNING. */
  pid(name: ProcessName): number {
    return this.#find(name).pid;
  }

  /** Starts a process and returns before it is ready. */
  async start(name: ProcessName): Promise<void> {
    if (this.#running.has(name)) {
      throw new FairleadError("CLUSTER_ALREADY_RUNNING", `"${name}" runs already; stop it first`);
    }
    const { supervised, programs, layout } = this.#parts;
    const program = programs.get(programOf(name));
    if (program === undefined) {
      throw new FairleadError(
        "CLUSTER_NOT_CHOSEN",
        `"${name}" is not a component of this cluster; name it when the cluster is started`,
      );
    }
    const running = await supervised.spawn(name, program, this.#args(name), layout.log(name));
    this.#running.set(name, running);
    void running.exited.then(() => {
      if (this.#running.get(name) === running) {
        this.#running.delete(name);
      }
    });
  }

  /** Waits until a process that was started does its work. Throws CLUSTER_COMPONENT_FAILED with the end of its log. */
  async ready(name: ProcessName): Promise<void> {
    const running = this.#running.get(name);
    const deadline = Date.now() + READY_DEADLINE_MS;
    for (;;) {
      const reason = running === undefined ? "not started" : running.ended();
      if (reason !== undefined || Date.now() > deadline) {
        const last = await this.#lastLog(name);
        const taken = last.includes("address already in use");
        const said = reason === undefined ? `was not ready within ${READY_DEADLINE_MS} ms` : `ended (${reason})`;
        throw new FairleadError(
          taken ? "CLUSTER_PORT_TAKEN" : "CLUSTER_COMPONENT_FAILED",
          `"${name}" ${said}; the end of its log:\n${last}`,
        );
      }
      if (await this.#isReady(name)) {
        return;
      }
      await delay(READY_LOOK_MS);
    }
  }

  /** Ends a process: politely, or at once with SIGKILL. A polite end that takes longer than 10 s is forced. */
  async stop(name: ProcessName, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const running = this.#find(name);
    this.#parts.supervised.signal(name, signal);
    const timer = setTimeout(() => this.#parts.supervised.signal(name, "SIGKILL"), TERM_DEADLINE_MS);
    await running.exited;
    clearTimeout(timer);
  }

  /** Stops a process in its tracks, as a machine that hangs: connections stay open, nothing is answered. */
  freeze(name: ProcessName): void {
    // Sent from here and not by the supervisor: it must have happened when this returns.
    process.kill(this.#find(name).pid, "SIGSTOP");
  }

  /** Lets a frozen process go on. */
  thaw(name: ProcessName): void {
    process.kill(this.#find(name).pid, "SIGCONT");
  }

  #find(name: ProcessName): Running {
    const running = this.#running.get(name);
    if (running === undefined) {
      throw new FairleadError("CLUSTER_NOT_RUNNING", `"${name}" does not run in this cluster`);
    }
    return running;
  }

  #args(name: ProcessName): readonly string[] {
    const { layout, ports } = this.#parts;
    switch (name) {
      case "etcd":
        return etcdArgs(layout, ports);
      case "controller-manager":
        return controllerManagerArgs(layout);
      case "scheduler":
        return schedulerArgs(layout);
      case "kwok":
        return kwokArgs(layout, ports);
      default:
        return apiServerArgs(layout, this.#apiServer(name).settings);
    }
  }

  #apiServer(name: ProcessName): { readonly settings: ApiServerSettings; readonly client: ApiClient } {
    const server = this.#apiServers.get(name);
    if (server === undefined) {
      throw new FairleadError("CLUSTER_NOT_CHOSEN", `"${name}" is not an API server of this cluster`);
    }
    return server;
  }

  async #isReady(name: ProcessName): Promise<boolean> {
    switch (name) {
      case "etcd":
        return isHealthy(`http://127.0.0.1:${this.#parts.ports.etcd}/health`);
      case "kwok":
        return isHealthy(`http://127.0.0.1:${this.#parts.ports.kwok}/healthz`);
      case "scheduler":
        return true;
      case "controller-manager":
        return answers(this.#apiServer("apiserver").client, [
          "/api/v1/namespaces/default/serviceaccounts/default",
          "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
        ]);
      default:
        return answers(this.#apiServer(name).client, [
          "/readyz",
          "/api/v1/namespaces/kube-system",
          "/api/v1/namespaces/default",
        ]);
    }
  }

  async #lastLog(name: ProcessName): Promise<string> {
    const text = await readFile(this.#parts.layout.log(name), "utf8").catch(() => "");
    return text.trim().split("\n").slice(-12).join("\n");
  }
}

async function answers(client: ApiClient, paths: readonly string[]): Promise<boolean> {
  try {
    for (const path of paths) {
      if ((await client.request("GET", path)).status !== 200) {
        return false;
      }
    }
    return true;
  } catch {
    // Not listening yet, or resetting what it has not accepted yet.
    return false;
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return response.ok;
  } catch {
    return false;
  }
}
