import type { PluginEvents } from "../api/context.ts";
import { milliseconds } from "../controller/duration.ts";
import type { Term } from "../election/leadership.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { LogFields, Logger } from "../log.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import { detached } from "./cached-object.ts";
import { type ControllerDefinition, type ReconcileContext, type Request, requestOf } from "./controller.ts";
import type { ReconcileKube } from "./kube.ts";
import type { OwnWrite, RunHooks } from "./own-write.ts";
import type { ObjectLike } from "./predicate.ts";

/** What every reconcile of a controller is made of. */
export interface RunOneParts {
  readonly definition: ControllerDefinition;
  readonly store: StoreReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: PluginEvents;
  /** Opens the way to the API server for one reconcile. */
  readonly kube: (hooks: RunHooks) => ReconcileKube;
  /** The term in which it begins; undefined where nobody has to lead. Throws ELECTION_NOT_LEADER. */
  readonly term: () => Term | undefined;
}

/** One reconcile: the key, how it was taken, and how it is ended. */
export interface RunOne {
  readonly key: string;
  readonly priority: number;
  readonly attempt: number;
  readonly ending: AbortController;
  /** Throws when the key is not this process's any more. */
  readonly check: () => void;
  readonly wrote: (write: OwnWrite) => void;
}

/** What is to be done after a reconcile that did not fail. */
export interface NextStep {
  readonly requeueAfterMs: number | undefined;
  readonly priority: number;
}

/** Reconciles one key once. Rejects with whatever the reconcile throws. */
export async function runOne(parts: RunOneParts, run: RunOne): Promise<NextStep> {
  const { definition, log, clock, store } = parts;
  const { key, ending } = run;
  const { signal } = ending;
  const term = parts.term();
  let isOver = false;
  const fence = (): void => {
    if (isOver) {
      throw new FairleadError("RECONCILE_OVER", `the reconcile of "${key}" is over; await each of its writes`);
    }
    signal.throwIfAborted();
    term?.check();
    run.check();
  };
  const request = requestOf(key);
  const object = definition.for === undefined ? request : readObject(store, definition, key);
  const written = object === undefined || definition.for === undefined ? undefined : asRead(object);
  const runLog = new RunLog(log, { controller: definition.name, key });
  const failed = (error: unknown): void => {
    if (isOver) {
      const fields = { code: codeOf(error), detail: messageOf(error) };
      runLog.warn(fields, "a write failed after its reconcile was over; await each of its writes");
    }
  };
  const kube = parts.kube({ signal, fence, wrote: run.wrote, failed });
  const context: ReconcileContext = {
    request,
    kube,
    log: runLog,
    signal,
    attempt: run.attempt,
    events: parts.events,
    store,
    clock: { now: () => clock.wallNow(), monotonic: () => clock.now() },
  };
  try {
    const given = await call(definition, object, request, context);
    const result = readResult(given, run.priority);
    if (result.status !== undefined && written !== undefined) {
      // What the store gave is an object of the kind.
      await kube.patchStatus(written as Parameters<ReconcileKube["patchStatus"]>[0], result.status);
    }
    // A reconcile that did not look at its signal has come too late all the same.
    signal.throwIfAborted();
    return result;
  } finally {
    isOver = true;
  }
}

/**
 * What a status is compared with and written to. The object belongs to the reconcile, which may edit its status and return just
 * that.
 */
function asRead(object: unknown): object {
  // What the store gives is an object, and any object can be read by its keys.
  const { apiVersion, kind, metadata, status } = object as Readonly<Record<string, unknown>>;
  return { apiVersion, kind, metadata: levelOf(metadata), status: copyOfStatus(status) };
}

/** What is not followed is refused by the prototype, also in a copy. */
function levelOf(value: unknown): unknown {
  return typeof value === "object" && value !== null
    ? Object.assign(Object.create(Object.getPrototypeOf(value)), value)
    : value;
}

function copyOfStatus(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(copyOfStatus);
  }
  const copy = levelOf(value);
  if (typeof copy === "object" && copy !== null) {
    for (const [name, inner] of Object.entries(copy)) {
      if (typeof inner === "object" && inner !== null) {
        Object.assign(copy, { [name]: copyOfStatus(inner) });
      }
    }
  }
  return copy;
}

function call(
  { reconcile, deleted }: ControllerDefinition,
  object: unknown,
  request: Request,
  context: ReconcileContext,
): unknown {
  return object === undefined ? deleted?.(request, context) : reconcile(object, context);
}

function readObject(store: StoreReader, { for: kind, sources }: ControllerDefinition, key: string): unknown {
  const copy = copyOf(store, sources[0].kind, key);
  if (copy === undefined || kind === undefined || !("read" in kind) || typeof kind.read !== "function") {
    return copy;
  }
  try {
    return { ...kind.read(copy), key };
  } catch (error) {
    // An object that was valid once must still be able to go: its finalizers are taken away by a reconcile.
    if (copy.metadata.deletionTimestamp !== undefined) {
      return copy;
    }
    throw error;
  }
}

function copyOf(store: StoreReader, followed: AnyKind, key: string): ObjectLike | undefined {
  const { apiVersion, kind } = followed;
  return store.read((view) => {
    const found: (ObjectLike & { toJSON?(): unknown }) | undefined = view.kind(followed.name).get(key);
    if (found === undefined) {
      return undefined;
    }
    const copy =
      followed.kept === "fields"
        ? Object.assign(detached(followed, found), { apiVersion, kind })
        : { ...(found.toJSON?.() as object), key };
    // Both are made of an object of the cluster.
    return copy as ObjectLike;
  });
}

/** Results come from users, in JavaScript too. */
function readResult(given: unknown, priority: number): NextStep & { readonly status: object | undefined } {
  if (typeof given !== "object" || given === null) {
    return { requeueAfterMs: undefined, priority, status: undefined };
  }
  const misspelt = Object.keys(given).find((key) => /^requeue/i.test(key) && key !== "requeueAfter");
  if (misspelt !== undefined) {
    throw new FairleadError(
      "RECONCILE_BAD_RESULT",
      `a reconcile answered with "${misspelt}", which is no part of a result; use requeueAfter, such as { requeueAfter: "30s" }`,
    );
  }
  const { requeueAfter, status, priority: wanted } = given as Readonly<Record<string, unknown>>;
  return {
    // Throws for what is no time.
    requeueAfterMs: requeueAfter === undefined ? undefined : milliseconds(requeueAfter as number | string),
    priority: typeof wanted === "number" && Number.isFinite(wanted) ? wanted : priority,
    status: typeof status === "object" && status !== null ? status : undefined,
  };
}

/** A logger whose lines carry the same fields. */
class RunLog implements Logger {
  readonly #log: Logger;
  readonly #fields: LogFields;

  constructor(log: Logger, fields: LogFields) {
    this.#log = log;
    this.#fields = fields;
  }

  debug(fields: LogFields | string, message?: string): void {
    this.#write("debug", fields, message);
  }

  info(fields: LogFields | string, message?: string): void {
    this.#write("info", fields, message);
  }

  warn(fields: LogFields | string, message?: string): void {
    this.#write("warn", fields, message);
  }

  error(fields: LogFields | string, message?: string): void {
    this.#write("error", fields, message);
  }

  /** In JavaScript one may give only a text, as pino takes it. */
  #write(level: keyof Logger, fields: LogFields | string, message = ""): void {
    if (typeof fields === "string") {
      this.#log[level](this.#fields, fields);
    } else {
      this.#log[level]({ ...fields, ...this.#fields }, message);
    }
  }
}
