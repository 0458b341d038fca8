/** Ends with `isCancelled`: the queue skips it when its time comes. */
export interface ScheduledEvent {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Virtual time and what is to happen in it: a binary heap by time, equal times in the order of scheduling. */
export class EventQueue {
  #nowMs = 0;
  #scheduled = 0;
  #processed = 0;
  readonly #heap: ScheduledEvent[] = [];

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get processed(): number {
    return this.#processed;
  }

  after(delayMs: number, run: () => void): ScheduledEvent {
    return this.at(this.#nowMs + Math.max(delayMs, 0), run);
  }

  at(atMs: number, run: () => void): ScheduledEvent {
    this.#scheduled += 1;
    const event = { atMs: Math.max(atMs, this.#nowMs), order: this.#scheduled, run, isCancelled: false };
    this.#up(event);
    return event;
  }

  /** Runs the next event unless it is later than `untilMs`; false if there was none (time is then at `untilMs`). */
  runNext(untilMs: number): boolean {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#removeFirst();
      if (first.isCancelled) continue;
      this.#nowMs = first.atMs;
      this.#processed += 1;
      first.run();
      return true;
    }
  }

  #up(event: ScheduledEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
