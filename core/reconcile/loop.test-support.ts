import type { AnyKind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { LogFields } from "../log.ts";
import { StepClock } from "../queue/step-clock.test-support.ts";
import { createStore, type Store } from "../store/create-store.ts";
import type { StoreReader } from "../store/reader.ts";
import { type RowInput, RowMaker } from "../store/row-maker.test-support.ts";
import type { KindWriter, StoreWriter } from "../store/store.ts";
import type { ControllerDefinition } from "./controller.ts";
import { KeyLocks } from "./key-locks.ts";
import type { ReconcileKube } from "./kube.ts";
import type { RunHooks } from "./own-write.ts";
import { RunLoop, type RunLoopOptions } from "./run-loop.ts";

/** For tests: a store that the test writes itself, and loops over it with a clock that stands still. */
export class LoopBench {
  readonly clock = new StepClock();
  readonly lines: string[] = [];
  readonly #locks = new Map<string, KeyLocks>();
  readonly reader: StoreReader;
  /** What the last reconciles were given. */
  readonly hooks: RunHooks[] = [];
  readonly statuses: object[] = [];
  readonly #store: Store;
  readonly #writer: StoreWriter;
  readonly #kinds = new Map<string, { readonly writer: KindWriter; readonly maker: RowMaker }>();
  readonly #loops: RunLoop[] = [];

  constructor(...kinds: readonly AnyKind[]) {
    const plans: RowPlan[] = kinds.map((kind) => kind.plan());
    this.#store = createStore({ backend: "local", plans, maxBytes: 1 << 22 });
    this.#writer = this.#store.writer();
    this.reader = this.#store.reader();
    for (const plan of plans) {
      const writer = this.#writer.open(plan);
      this.#kinds.set(plan.name, { writer, maker: new RowMaker(plan, writer.interner) });
    }
  }

  synced(...names: readonly string[]): void {
    for (const name of names) {
      this.#of(name).writer.status.synced(true);
    }
    this.#writer.commit();
  }

  /** Puts objects without telling anybody before `commit`. */
  put(kind: string, input: RowInput): void {
    const { writer, maker } = this.#of(kind);
    writer.put(maker.make({ namespace: "shop", uid: `uid-${kind}-${input.name}`, ...input }));
  }

  remove(kind: string, name: string): void {
    const { writer, maker } = this.#of(kind);
    writer.remove(maker.make({ namespace: "shop", name }));
  }

  /** Shows what was put and tells the listeners. */
  async commit(): Promise<void> {
    this.#writer.commit();
    this.reader.flush();
    await settle();
  }

  loop(definition: ControllerDefinition, more: Partial<RunLoopOptions> = {}): RunLoop {
    const note = (level: string) => (fields: LogFields, message: string) => {
      this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
    const loop = new RunLoop({
      definition,
      store: this.reader,
      clock: this.clock,
      log: { debug: () => {}, info: note("info"), warn: note("warn"), error: note("error") },
      events: { normal: () => {}, warn: () => {} },
      kube: (hooks) => this.#kube(hooks),
      term: () => undefined,
      locks: this.locksOf(definition.name),
      ...more,
    });
    this.#loops.push(loop);
    return loop;
  }

  /** Those of the controllers of one name. */
  locksOf(name: string): KeyLocks {
    const locks = this.#locks.get(name) ?? new KeyLocks();
    this.#locks.set(name, locks);
    return locks;
  }

  /** Keys that are held by anybody. */
  get held(): number {
    return [...this.#locks.values()].reduce((sum, { size }) => sum + size, 0);
  }

  async end(): Promise<void> {
    const stopped = this.#loops.map((loop) => loop.stop(0));
    this.clock.step(0);
    await Promise.all(stopped);
    this.#store.close();
  }

  /** Only what a loop itself calls. */
  #kube(hooks: RunHooks): ReconcileKube {
    this.hooks.push(hooks);
    const part = {
      patchStatus: async (_object: object, status: object) => {
        hooks.fence();
        this.statuses.push(status);
        return true;
      },
    };
    return part as unknown as ReconcileKube;
  }

  #of(name: string) {
    const kind = this.#kinds.get(name);
    if (kind === undefined) {
      throw new Error(`no kind ${name}`);
    }
    return kind;
  }
}

/** Resolves when all that was ready to run has run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
