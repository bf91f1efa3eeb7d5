import type { RowPlan } from "../kinds/plan.ts";

/** What reflectors found out about a server, kept for later ones of the same resource. */
export class WatchMemory {
  readonly #listOnly = new Set<string>();

  /** Streamed lists do not work for this resource. */
  rememberListOnly(plan: RowPlan): void {
    this.#listOnly.add(resourceOf(plan));
  }

  isListOnly(plan: RowPlan): boolean {
    return this.#listOnly.has(resourceOf(plan));
  }
}

function resourceOf(plan: RowPlan): string {
  return `${plan.apiVersion}/${plan.plural}`;
}
