import type { Clock } from '../ports/clock';

/** Something with a deadline, on one wheel at a time; its links are the wheel's own. */
export abstract class Expiring {
  bucket: Bucket | undefined;
  previous: Expiring | undefined;
  next: Expiring | undefined;

  /** Called at most once for each time that it is added, from a timer. */
  abstract expire(): void;
}

/** What expires at one tick, as a list through the items. */
interface Bucket {
  readonly tick: number;
  first: Expiring | undefined;
}

/**
 * Deadlines of many requests on one timer, rounded up to `tickMs`: setting and dropping one costs a few links, no timer and
 * no memory. The timer runs only while there is something to wait for.
 */
export class DeadlineWheel {
  private readonly buckets = new Map<number, Bucket>();
  private armed = false;
  private count = 0;

  constructor(
    private readonly clock: Clock,
    private readonly tickMs: number,
  ) {}

  /** Items that have neither expired nor been deleted. */
  get size(): number {
    return this.count;
  }

  /** Expires `item` after `delayMs` or up to a tick later, unless it is deleted before. */
  add(delayMs: number, item: Expiring): void {
    const tick = Math.ceil((this.clock.monotonicMs() + Math.max(0, delayMs)) / this.tickMs);
    let bucket = this.buckets.get(tick);
    if (bucket === undefined) this.buckets.set(tick, (bucket = { tick, first: undefined }));
    item.bucket = bucket;
    item.next = bucket.first;
    if (bucket.first !== undefined) bucket.first.previous = item;
    bucket.first = item;
    this.count += 1;
    this.arm();
  }

  /** Harmless where the item is on no wheel (any more). */
  delete(item: Expiring): void {
    const { bucket, previous, next } = item;
    if (bucket === undefined) return;
    if (previous === undefined) bucket.first = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    item.bucket = undefined;
    item.previous = undefined;
    item.next = undefined;
    this.count -= 1;
  }

  /** Expires all now. */
  expireAll(): void {
    for (const bucket of this.buckets.values()) this.expire(bucket);
  }

  private expire(bucket: Bucket): void {
    for (let item = bucket.first; item !== undefined; item = bucket.first) {
      this.delete(item);
      item.expire();
    }
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
    for (const bucket of this.buckets.values()) {
      if (bucket.tick <= now) {
        this.buckets.delete(bucket.tick);
        this.expire(bucket);
      } else if (bucket.first === undefined) {
        this.buckets.delete(bucket.tick);
      }
    }
  }
}
