import type { HandlersOf, ServiceOf } from "../api/context.ts";
import { FairleadError, messageOf } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { Clock } from "../watch/clock.ts";

type Handlers = Readonly<Record<string, (given: unknown) => unknown>>;

const DEADLINE_MS = 5000;

/** Services that plugins offer each other. Main thread; data in and out is copied, as it would be between threads. */
export class PluginServiceBoard {
  readonly #clock: Clock;
  /** Who provides what, whether it is up or not. */
  #owners = new Map<string, string>();
  readonly #handlers = new Map<string, Handlers>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Which plugin provides which service: service name -> plugin. */
  setOwners(owners: ReadonlyMap<string, string>): void {
    this.#owners = new Map(owners);
  }

  /** Throws SERVICE_NOT_DECLARED, SERVICE_DUPLICATE, SERVICE_BAD_HANDLERS. */
  provide(plugin: string, service: string, handlers: Handlers): void {
    const facts = { plugin, service };
    if (this.#owners.get(service) !== plugin) {
      throw new FairleadError(
        "SERVICE_NOT_DECLARED",
        `plugin "${plugin}" provides the service "${service}" without saying so; add it to provides: ["${service}"]`,
        { facts },
      );
    }
    if (this.#handlers.has(service)) {
      throw new FairleadError("SERVICE_DUPLICATE", `plugin "${plugin}" provides the service "${service}" twice`, {
        facts,
      });
    }
    const names = Object.keys(handlers);
    const wrong = names.find((name) => typeof handlers[name] !== "function");
    if (names.length === 0 || wrong !== undefined) {
      throw new FairleadError(
        "SERVICE_BAD_HANDLERS",
        `the service "${service}" of plugin "${plugin}" needs functions${wrong === undefined ? "" : `; "${wrong}" is none`}`,
        { facts },
      );
    }
    this.#handlers.set(service, { ...handlers });
  }

  /**
   * Calls a handler. Rejects with SERVICE_NOT_FOUND, SERVICE_NO_HANDLER, SERVICE_UNAVAILABLE, SERVICE_TIMEOUT,
   * SERVICE_BAD_DATA, or what the handler threw.
   */
  async call(service: string, handler: string, given: unknown): Promise<unknown> {
    const plugin = this.#owners.get(service);
    if (plugin === undefined) {
      const hint = didYouMean(service, this.#owners.keys());
      throw new FairleadError(
        "SERVICE_NOT_FOUND",
        `no plugin provides the service "${service}"${hint === "" ? "; add the plugin that does" : hint}`,
        { facts: { service } },
      );
    }
    const facts = { service, handler, plugin };
    const handlers = this.#handlers.get(service);
    if (handlers === undefined) {
      throw new FairleadError(
        "SERVICE_UNAVAILABLE",
        `the service "${service}" is not there now: its plugin "${plugin}" is down, or has not provided it`,
        { facts },
      );
    }
    const call = Object.hasOwn(handlers, handler) ? handlers[handler] : undefined;
    if (call === undefined) {
      throw new FairleadError(
        "SERVICE_NO_HANDLER",
        `the service "${service}" has no "${handler}"${didYouMean(handler, Object.keys(handlers))}`,
        { facts },
      );
    }
    const answer = await this.#inTime(Promise.resolve(copied(given, facts)).then(call), facts);
    return copied(answer, facts);
  }

  /** Takes away what a plugin provides. */
  removePlugin(plugin: string): void {
    for (const [service, owner] of this.#owners) {
      if (owner === plugin) {
        this.#handlers.delete(service);
      }
    }
  }

  #inTime(answer: Promise<unknown>, facts: { service: string; handler: string; plugin: string }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(DEADLINE_MS, () => {
        const { service, handler, plugin } = facts;
        reject(
          new FairleadError(
            "SERVICE_TIMEOUT",
            `"${handler}" of the service "${service}" did not answer within ${DEADLINE_MS} ms; look at plugin "${plugin}"`,
            { facts },
          ),
        );
      });
      answer.then(resolve, reject).finally(() => timer.clear());
    });
  }
}

/** An object with a method for each handler that is asked for. */
export function serviceOver<H extends HandlersOf<H>>(
  call: (handler: string, given: unknown) => Promise<unknown>,
): ServiceOf<H> {
  const proxy = new Proxy(Object.freeze({}), {
    get: (_, handler) => {
      // A service is no promise: `await services.use(…)` must not call a handler "then".
      return typeof handler === "string" && handler !== "then" ? (given: unknown) => call(handler, given) : undefined;
    },
  });
  // Handlers are found by name when they are called; the type is what its user expects.
  return proxy as ServiceOf<H>;
}

function copied(value: unknown, facts: { service: string; handler: string; plugin: string }): unknown {
  try {
    return structuredClone(value);
  } catch (error) {
    throw new FairleadError(
      "SERVICE_BAD_DATA",
      `"${facts.handler}" of the service "${facts.service}" takes and gives plain data: ${messageOf(error)}`,
      { facts, cause: error },
    );
  }
}
