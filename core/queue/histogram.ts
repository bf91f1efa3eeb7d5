/** A series of a histogram as the scrape shows it. */
export interface HistogramSample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName: string;
}

/** Counts values by size, as plain numbers. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /** `bounds`: rising upper bounds; a value on a bound belongs below it. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  get sum(): number {
    return this.#sum;
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > this.#bounds[at]) {
      at++;
    }
    this.#counts[at]++;
    this.#sum += value;
  }

  /** As Prometheus wants them, under that name. */
  samples(name: string, labels: Readonly<Record<string, string | number>>): HistogramSample[] {
    let count = 0;
    const samples: HistogramSample[] = [];
    for (const [at, le] of [...this.#bounds, "+Inf"].entries()) {
      count += this.#counts[at];
      samples.push({ labels: { ...labels, le }, value: count, metricName: `${name}_bucket` });
    }
    samples.push({ labels, value: this.#sum, metricName: `${name}_sum` });
    samples.push({ labels, value: count, metricName: `${name}_count` });
    return samples;
  }
}
