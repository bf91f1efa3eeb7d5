import type { RowPlan } from "../kinds/plan.ts";
import { isSamePlan } from "../store/need.ts";
import type { KindWriter, StoreWriter } from "../store/store.ts";
import { KindGroup } from "./kind-group.ts";
import type { LoadGate } from "./load-gate.ts";
import { checkPlans } from "./plan-list.ts";
import type { ReflectorHost } from "./reflector-host.ts";

/** What the set of kinds needs of its engine. */
export interface KindsHost {
  readonly store: StoreWriter;
  readonly reflectors: ReflectorHost;
  readonly gate: LoadGate;
  /** All scopes of the kind are known from the start. */
  isComplete(plan: RowPlan): boolean;
  /** Begins to follow a kind, if the engine runs. */
  begin(group: KindGroup): void;
}

/**
 * The kinds that an engine follows. A kind that gets another plan has two groups for a while: the one that readers see,
 * which goes on, and its successor, which loads; when that is complete it takes the place of the first.
 */
export class FollowedKinds {
  readonly #host: KindsHost;
  readonly #groups = new Map<string, KindGroup>();
  readonly #successors = new Map<string, KindGroup>();

  constructor(host: KindsHost) {
    this.#host = host;
  }

  /** The kind as readers see it. */
  get(name: string): KindGroup | undefined {
    return this.#groups.get(name);
  }

  /** The kinds as readers see them. */
  get shown(): KindGroup[] {
    return [...this.#groups.values()];
  }

  /** Successors too. */
  get all(): KindGroup[] {
    return [...this.#groups.values(), ...this.#successors.values()];
  }

  /** Opens the kinds that are followed first. Throws STORE_KIND_EXISTS, STORE_BAD_PLAN, STORE_TOO_MANY_KINDS. */
  open(plans: readonly RowPlan[]): void {
    for (const plan of plans) {
      this.#add(plan, this.#host.store.open(plan));
    }
  }

  /**
   * From now on these kinds are followed. Throws what is wrong with the plans (STORE_*) before anything is changed; a kind
   * for which the store has no place is left out, and STORE_TOO_MANY_KINDS thrown when all others are taken over.
   */
  set(plans: readonly RowPlan[]): void {
    checkPlans(plans);
    const wanted = new Set(plans.map((plan) => plan.name));
    for (const name of [...this.#groups.keys()]) {
      if (!wanted.has(name)) {
        this.#drop(name);
      }
    }
    const errors: unknown[] = [];
    for (const plan of plans) {
      try {
        this.#set(plan);
      } catch (error) {
        errors.push(error);
      }
    }
    this.#host.reflectors.batch.flush();
    if (errors.length > 0) {
      throw errors[0];
    }
  }

  stop(): void {
    for (const group of this.all) {
      group.stop();
    }
  }

  #set(plan: RowPlan): void {
    const { store } = this.#host;
    const { name } = plan;
    const group = this.#groups.get(name);
    const successor = this.#successors.get(name);
    if (successor !== undefined && isSamePlan(successor.plan, plan)) {
      return;
    }
    this.#dropSuccessor(name);
    if (group === undefined) {
      this.#host.begin(this.#add(plan, store.replace(plan)));
    } else if (isSamePlan(group.plan, plan)) {
      return;
    } else if (group.synced) {
      this.#host.begin(this.#addSuccessor(plan, store.replace(plan)));
    } else {
      // What is there is not complete: nothing is lost with it.
      this.#drop(name);
      this.#host.begin(this.#add(plan, store.open(plan)));
    }
  }

  #add(plan: RowPlan, writer: KindWriter): KindGroup {
    const group = this.#make(plan, writer);
    this.#groups.set(plan.name, group);
    return group;
  }

  #addSuccessor(plan: RowPlan, writer: KindWriter): KindGroup {
    const successor = this.#make(plan, writer, () => this.#succeed(successor));
    this.#successors.set(plan.name, successor);
    return successor;
  }

  #make(plan: RowPlan, writer: KindWriter, onComplete?: () => void): KindGroup {
    const { reflectors, gate } = this.#host;
    const isComplete = this.#host.isComplete(plan);
    return new KindGroup({ plan, writer, host: reflectors, gate, isComplete, onComplete });
  }

  #succeed(successor: KindGroup): void {
    const { name } = successor.plan;
    const before = this.#groups.get(name);
    this.#groups.set(name, successor);
    this.#successors.delete(name);
    this.#host.store.show(successor.writer);
    this.#host.reflectors.batch.flush();
    before?.stop();
  }

  #drop(name: string): void {
    this.#dropSuccessor(name);
    const group = this.#groups.get(name);
    if (group !== undefined) {
      this.#groups.delete(name);
      group.stop();
      this.#host.store.drop(group.writer);
      this.#host.reflectors.batch.touch();
    }
  }

  #dropSuccessor(name: string): void {
    const successor = this.#successors.get(name);
    if (successor !== undefined) {
      this.#successors.delete(name);
      successor.stop();
      this.#host.store.drop(successor.writer);
    }
  }
}
