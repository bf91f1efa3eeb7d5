import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { indexSpecs } from "../store/index-plan.ts";
import { MAX_KINDS } from "../store/layout.ts";

/** Throws what keeps plans from being followed together: STORE_KIND_EXISTS, STORE_BAD_PLAN, STORE_TOO_MANY_KINDS. */
export function checkPlans(plans: readonly RowPlan[]): void {
  const names = new Set<string>();
  for (const plan of plans) {
    if (names.has(plan.name)) {
      throw new FairleadError("STORE_KIND_EXISTS", `"${plan.name}" is named twice; merge what is asked of it into one`);
    }
    names.add(plan.name);
    // Throws for an index that cannot be.
    indexSpecs(plan);
  }
  if (plans.length > MAX_KINDS) {
    throw new FairleadError("STORE_TOO_MANY_KINDS", `a store cannot hold more than ${MAX_KINDS} kinds`);
  }
}
