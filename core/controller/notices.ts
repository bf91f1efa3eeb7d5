import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What a controller tells of its own life. */
export interface ControllerNotices {
  /** A plugin did not start, or failed while it was restarted. */
  readonly "plugin-failed": { readonly plugin: string; readonly error: NoticedError };
  /** A plugin's thread crashed, and the plugin runs again. */
  readonly "plugin-restarted": { readonly plugin: string; readonly restarts: number };
  /** A plugin crashed too often and is given up. */
  readonly "plugin-disabled": { readonly plugin: string; readonly error: NoticedError };
  /** All objects of a kind are in the store, for the first time. */
  readonly "kind-synced": { readonly kind: string; readonly objects: number };
  /** This process leads from now on; with an election only. */
  readonly leading: { readonly identity: string; readonly term: number };
  /** This process leads no more; `leader` held the lease when it was last seen. */
  readonly following: { readonly identity: string; readonly leader: string };
  /** A reload is done: names of the plugins that were started and stopped. */
  readonly reloaded: { readonly started: readonly string[]; readonly stopped: readonly string[] };
}

/** An error as it is told. */
export interface NoticedError {
  readonly code: string;
  readonly message: string;
}

/** Life-cycle events. Listeners are called at once, in order; what they throw is logged. */
export interface Notices {
  on<Name extends keyof ControllerNotices>(
    name: Name,
    listener: (notice: ControllerNotices[Name]) => void,
  ): { stop(): void; [Symbol.dispose](): void };
}

/** Notices and how to tell them. */
export class NoticeBoard implements Notices {
  readonly #log: Logger;
  readonly #listeners = new Map<string, Set<(notice: never) => void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  on<Name extends keyof ControllerNotices>(
    name: Name,
    listener: (notice: ControllerNotices[Name]) => void,
  ): { stop(): void; [Symbol.dispose](): void } {
    // One for each call, so that a function can be given twice.
    const own = (notice: ControllerNotices[Name]): void => listener(notice);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(own);
    const stop = (): void => void listeners.delete(own);
    return { stop, [Symbol.dispose]: stop };
  }

  tell<Name extends keyof ControllerNotices>(name: Name, notice: ControllerNotices[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        // Kept under its own name.
        (listener as (notice: ControllerNotices[Name]) => void)(notice);
      } catch (error) {
        this.#log.error({ notice: name, detail: messageOf(error) }, "a notice listener failed");
      }
    }
  }
}
