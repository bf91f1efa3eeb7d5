import { WATCH_LIMITS, type WatchLimits } from "./limits.ts";
import { next } from "./machine.ts";
import { type Action, type Input, initialState, type ReflectorState, type TimerName } from "./reflector-state.ts";

type Opened = Extract<Action, { kind: "openWatch" | "list" }>;

/** Inputs of the open request, without the number that the scenario adds. */
type RequestInput = Input extends infer One ? (One extends { readonly id: number } ? Omit<One, "id"> : never) : never;

/** For tests: drives the machine by hand on a virtual clock and remembers what it asked for. */
export class Scenario {
  state: ReflectorState;
  now = 0;
  readonly actions: Action[] = [];
  readonly requests: Opened[] = [];
  readonly timers = new Map<TimerName, number>();
  probes = 0;
  lastProbe = 0;
  random = (): number => 0.5;
  readonly limits: WatchLimits;

  constructor(options: { noWatchList?: boolean; limits?: Partial<WatchLimits> } = {}) {
    this.limits = { ...WATCH_LIMITS, ...options.limits };
    this.state = initialState({ noWatchList: options.noWatchList, limits: this.limits });
  }

  input(input: Input): this {
    const step = next(this.state, input, this.now, this.random, this.limits);
    this.state = step.state;
    for (const action of step.actions) {
      this.actions.push(action);
      this.#remember(action);
    }
    return this;
  }

  /** An input of the request that is open now. */
  reply(input: RequestInput): this {
    // The union lost its member's identity when `id` was taken out; it is put back here.
    return this.input({ ...input, id: this.state.request } as Input);
  }

  start(): this {
    return this.input({ kind: "start" });
  }

  /** Answers the running probe. */
  probed(version: string): this {
    return this.input({ kind: "probed", id: this.lastProbe, version });
  }

  refuse(code: number, reason = "", extra: { retryAfterMs?: number; causes?: string[] } = {}): this {
    return this.reply({ kind: "refused", status: refusal(code, reason, extra) });
  }

  /** A started watch that is synced at `version`, by a streamed list. */
  synced(version = "100"): this {
    return this.start().reply({ kind: "head" }).reply({ kind: "bookmark", version, initialEnd: true });
  }

  event(version: string): this {
    return this.reply({ kind: "data", bytes: 100, events: 1, version });
  }

  /** Advances the clock and fires what is due, in order. */
  advance(ms: number): this {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, at]) => at <= until).sort((a, b) => a[1] - b[1])[0];
      if (due === undefined) {
        break;
      }
      this.timers.delete(due[0]);
      this.now = Math.max(this.now, due[1]);
      this.input({ kind: "timer", name: due[0] });
    }
    this.now = until;
    return this;
  }

  /** Fires the retry timer when it is due; gives how long that took. */
  retry(): number {
    const at = this.timers.get("retry");
    if (at === undefined) {
      throw new Error("no retry is planned");
    }
    const wait = at - this.now;
    this.advance(wait);
    return wait;
  }

  get last(): Opened {
    return this.requests[this.requests.length - 1];
  }

  count(kind: Action["kind"]): number {
    return this.actions.filter((action) => action.kind === kind).length;
  }

  counted(counter: string): number {
    return this.actions.filter((action) => action.kind === "count" && action.counter === counter).length;
  }

  #remember(action: Action): void {
    switch (action.kind) {
      case "openWatch":
      case "list":
        this.requests.push(action);
        return;
      case "startTimer":
        this.timers.set(action.name, this.now + action.ms);
        return;
      case "stopTimer":
        this.timers.delete(action.name);
        return;
      case "probeVersion":
        this.probes++;
        this.lastProbe = action.id;
        return;
      default:
    }
  }
}

/** For tests: an error answer. */
export function refusal(
  code: number,
  reason = "",
  extra: { retryAfterMs?: number; causes?: string[]; message?: string } = {},
): Extract<Input, { kind: "refused" }>["status"] {
  return {
    code,
    reason,
    message: extra.message ?? "",
    retryAfterMs: extra.retryAfterMs ?? 0,
    causes: extra.causes ?? [],
  };
}
