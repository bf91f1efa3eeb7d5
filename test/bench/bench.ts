import type { Report } from "./report.ts";

/** What every bench is told. */
export interface BenchOptions {
  /** Interleaved runs of each contender. */
  readonly runs: number;
  /** Shorter phases: to see that a bench works, not for figures to publish. */
  readonly quick: boolean;
  /** Shape of the seeded cluster. */
  readonly shape: "small" | "seed" | "large";
  /** Programs that "core" measures, or parts of the names of those that "dns" does; empty for all. */
  readonly only: readonly string[];
  /** Of "dns": broken packets instead of figures. */
  readonly fuzz: boolean;
  /** Says one line about how far the bench is. */
  readonly progress: (line: string) => void;
}

/** A bench by name. */
export interface Bench {
  readonly name: string;
  readonly summary: string;
  run(options: BenchOptions): Promise<Report>;
}
