/** Collects times without allocating per value; those beyond its room are dropped. */
export class LatencyLog {
  private readonly values: Float64Array;
  private count = 0;

  constructor(room = 2_000_000) {
    this.values = new Float64Array(room);
  }

  readonly add = (milliseconds: number): void => {
    if (this.count < this.values.length) this.values[this.count++] = milliseconds;
  };

  clear(): void {
    this.count = 0;
  }

  percentiles(): { readonly p50Ms: number; readonly p99Ms: number; readonly p999Ms: number; readonly maxMs: number } {
    const sorted = this.values.subarray(0, this.count).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), maxMs: at(1) };
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
