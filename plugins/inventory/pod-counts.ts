/** The phases that pods are counted by; a phase that is missing or new counts as "Unknown". */
export const PHASES = ["Pending", "Running", "Succeeded", "Failed", "Unknown"] as const;
export type Phase = (typeof PHASES)[number];

/** Number of pods, by phase. Plain data: this is what the service answers. */
export interface PodTotals {
  readonly total: number;
  /** Pods whose condition "Ready" is "True". */
  readonly ready: number;
  /** Phases with no pod are left out. */
  readonly phases: Readonly<Partial<Record<Phase, number>>>;
}

/** Position of a phase in `PHASES`. */
export function phaseNumber(phase: string | undefined): number {
  const found = PHASES.indexOf(phase as Phase); // an unknown one is found nowhere
  return found < 0 ? PHASES.length - 1 : found;
}

/** Counters of pods that are moved by differences, never recounted. */
export class PodCounts {
  total = 0;
  ready = 0;
  readonly phases: number[] = PHASES.map(() => 0);

  /** Counts one pod more (`by` 1) or less (-1). */
  count(phase: number, isReady: boolean, by: 1 | -1): void {
    this.total += by;
    this.phases[phase] += by;
    if (isReady) {
      this.ready += by;
    }
  }

  /** Adds (`by` 1) or takes away (-1) what the other one has counted. */
  merge(other: PodCounts, by: 1 | -1): void {
    this.total += other.total * by;
    this.ready += other.ready * by;
    for (let phase = 0; phase < this.phases.length; phase++) {
      this.phases[phase] += other.phases[phase] * by;
    }
  }

  totals(): PodTotals {
    const phases: Partial<Record<Phase, number>> = {};
    for (const [at, phase] of PHASES.entries()) {
      if (this.phases[at] > 0) {
        phases[phase] = this.phases[at];
      }
    }
    return { total: this.total, ready: this.ready, phases };
  }
}
