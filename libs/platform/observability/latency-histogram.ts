import type { HistogramSample, Labels } from './metric-family';

/** Upper bounds in ms: 0.0625 ms doubling to 32 s. */
const BOUND_COUNT = 20;
const FIRST_BOUND_MS = 1 / 16;
const MS_PER_SECOND = 1_000;

const BOUNDS_SECONDS: readonly number[] = Array.from(
  { length: BOUND_COUNT },
  (_, index) => (FIRST_BOUND_MS * 2 ** index) / MS_PER_SECOND,
);

/** Durations in buckets that double. `observe` is a few instructions, fit for the hot path. */
export class LatencyHistogram {
  private readonly counts = new Float64Array(BOUND_COUNT + 1);
  private sumMs = 0;

  observe(elapsedMs: number): void {
    const units = Math.ceil(elapsedMs / FIRST_BOUND_MS);
    const bucket = units <= 1 ? 0 : Math.min(BOUND_COUNT, 32 - Math.clz32(Math.min(units, 2 ** 31) - 1));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sumMs += elapsedMs;
  }

  /** In seconds. */
  sample(labels?: Labels): HistogramSample {
    return { labels, bounds: BOUNDS_SECONDS, counts: [...this.counts], sum: this.sumMs / MS_PER_SECOND };
  }
}
