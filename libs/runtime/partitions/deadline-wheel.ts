import type { Clock } from '../ports/clock';

/** Something with a deadline; `expire` is called at most once, from a timer. */
export interface Expiring {
  expire(): void;
}

/** Removes its item from the wheel; harmless afterwards. */
export type Bucket = Set<Expiring>;

/**
 * Deadlines of many requests on one timer, rounded up to `tickMs`: setting and dropping one costs a set operation, not a
 * timer. The timer runs only while there is something to wait for.
 */
export class DeadlineWheel {
  private readonly buckets = new Map<number, Bucket>();
  private armed = false;

  constructor(
    private readonly clock: Clock,
    private readonly tickMs: number,
  ) {}

  /** Expires `item` after `delayMs` or up to a tick later, unless it is deleted from the returned bucket before. */
  add(delayMs: number, item: Expiring): Bucket {
    const tick = Math.ceil((this.clock.monotonicMs() + Math.max(0, delayMs)) / this.tickMs);
    let bucket = this.buckets.get(tick);
    if (bucket === undefined) this.buckets.set(tick, (bucket = new Set()));
    bucket.add(item);
    this.arm();
    return bucket;
  }

  private arm(): void {
    if (this.armed || this.buckets.size === 0) return;
    this.armed = true;
    this.clock.schedule(this.tickMs, () => {
      this.armed = false;
      this.turn();
      this.arm();
    });
  }

  private turn(): void {
    const now = this.clock.monotonicMs() / this.tickMs;
    for (const [tick, bucket] of this.buckets) {
      if (tick <= now) {
        this.buckets.delete(tick);
        for (const item of bucket) item.expire();
      } else if (bucket.size === 0) {
        this.buckets.delete(tick);
      }
    }
  }
}
