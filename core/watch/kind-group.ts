import type { RowPlan } from "../kinds/plan.ts";
import type { KindWriter } from "../store/store.ts";
import type { LoadGate } from "./load-gate.ts";
import type { WatchScope } from "./paths.ts";
import { Reflector } from "./reflector.ts";
import type { ReflectorHost, ReflectorListener } from "./reflector-host.ts";
import { PHASE, type Phase } from "./reflector-state.ts";
import { isBelow } from "./version-order.ts";

/** The phase of several reflectors is that of the worst. */
const WORST_FIRST: readonly Phase[] = [
  "forbidden",
  "notServed",
  "backingOff",
  "connecting",
  "listing",
  "watching",
  "idle",
  "stopped",
];

interface Part {
  readonly reflector: Reflector;
  synced: boolean;
  currentAt: number;
  phase: Phase;
  version: string;
  release: (() => void) | undefined;
}

/** How to make a group. */
export interface KindGroupOptions {
  readonly plan: RowPlan;
  readonly writer: KindWriter;
  readonly host: ReflectorHost;
  readonly gate: LoadGate;
  /** All scopes are known from the start. */
  readonly isComplete: boolean;
  /** Nobody sees the kind before this is called, once, when it is complete: it shows it. */
  readonly onComplete?: () => void;
}

/** All reflectors of one kind, and the one status that they add up to. */
export class KindGroup {
  readonly plan: RowPlan;
  readonly writer: KindWriter;
  readonly #host: ReflectorHost;
  readonly #gate: LoadGate;
  readonly #onComplete: (() => void) | undefined;
  readonly #parts = new Map<string, Part>();
  /** All scopes are known; before that nothing is synced. */
  #complete: boolean;
  #synced = false;
  /** Objects did not fit: listed again when there is room. */
  refused = false;

  constructor({ plan, writer, host, gate, isComplete, onComplete }: KindGroupOptions) {
    this.plan = plan;
    this.writer = writer;
    this.#host = host;
    this.#gate = gate;
    this.#complete = isComplete;
    this.#onComplete = onComplete;
  }

  get reflectors(): Reflector[] {
    return [...this.#parts.values()].map((part) => part.reflector);
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** Begins to follow a scope. */
  follow(scope: WatchScope): void {
    const key = scope.namespace ?? "";
    if (this.#parts.has(key)) {
      return;
    }
    const listener: ReflectorListener = {
      synced: () => this.#onSynced(part),
      current: (wallMs) => this.#onCurrent(part, wallMs),
      phase: (phase) => this.#onPhase(part, phase),
      version: (version) => this.#onVersion(part, version),
      count: (counter, amount) => this.writer.status.add(counter, amount),
      refused: () => {
        this.refused = true;
      },
    };
    const part: Part = {
      reflector: new Reflector(this.plan, scope, this.writer, this.#host, listener),
      synced: false,
      currentAt: 0,
      phase: "idle",
      version: "",
      release: undefined,
    };
    this.#parts.set(key, part);
    this.#gate.enter((release) => {
      part.release = release;
      if (this.#parts.get(key) === part) {
        part.reflector.start();
      } else {
        release();
      }
    });
  }

  /** Stops following a namespace and forgets its objects. */
  unfollow(namespace: string): void {
    const part = this.#parts.get(namespace);
    if (part === undefined) {
      return;
    }
    this.#parts.delete(namespace);
    part.reflector.stop();
    part.release?.();
    this.writer.clear({ namespace });
    this.#host.batch.touch();
    this.#checkSynced();
  }

  /** From now on the known scopes are all there are. */
  complete(): void {
    this.#complete = true;
    this.#checkSynced();
  }

  stop(): void {
    for (const part of this.#parts.values()) {
      part.reflector.stop();
      part.release?.();
    }
    this.#parts.clear();
    this.writer.status.phase(PHASE.stopped);
  }

  relist(reason: string): void {
    for (const { reflector } of this.#parts.values()) {
      reflector.relist(reason);
    }
  }

  wake(): void {
    for (const { reflector } of this.#parts.values()) {
      reflector.wake();
    }
  }

  #onSynced(part: Part): void {
    part.synced = true;
    part.release?.();
    this.#checkSynced();
  }

  #checkSynced(): void {
    if (this.#synced || !this.#complete) {
      return;
    }
    for (const part of this.#parts.values()) {
      if (!part.synced) {
        return;
      }
    }
    this.#synced = true;
    if (this.#onComplete !== undefined) {
      // What readers see from one moment to the next must be complete and current.
      this.writer.status.currentAt(this.#host.clock.wallNow());
      this.writer.status.synced(true);
      this.#onComplete();
      return;
    }
    this.#host.batch.flush();
    if (this.#parts.size === 0) {
      this.writer.status.currentAt(this.#host.clock.wallNow());
    }
    this.writer.status.synced(true);
  }

  #onCurrent(part: Part, wallMs: number): void {
    part.currentAt = wallMs;
    let oldest = wallMs;
    for (const other of this.#parts.values()) {
      oldest = Math.min(oldest, other.currentAt);
    }
    if (oldest > 0) {
      this.writer.status.currentAt(oldest);
    }
  }

  #onPhase(part: Part, phase: Phase): void {
    part.phase = phase;
    if (phase === "backingOff" || phase === "forbidden" || phase === "notServed" || phase === "stopped") {
      part.release?.();
    }
    let worst = phase;
    for (const other of this.#parts.values()) {
      if (WORST_FIRST.indexOf(other.phase) < WORST_FIRST.indexOf(worst)) {
        worst = other.phase;
      }
    }
    this.writer.status.phase(PHASE[worst]);
  }

  #onVersion(part: Part, version: string): void {
    part.version = version;
    if (this.#parts.size === 1) {
      this.writer.status.resourceVersion(version);
      return;
    }
    let newest = version;
    for (const other of this.#parts.values()) {
      if (isBelow(newest, other.version)) {
        newest = other.version;
      }
    }
    this.writer.status.resourceVersion(newest);
  }
}
