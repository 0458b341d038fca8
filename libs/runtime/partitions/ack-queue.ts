import type { Offset } from '@streamline/core/types/ids';

/** Someone who waits for an append to be acknowledged; called once. */
export interface Ack {
  /** 0: acknowledged; else a Kafka error code. */
  settle(errorCode: number): void;
}

interface Waiting {
  readonly lastOffset: Offset;
  readonly ack: Ack;
}

/** Emptied slots that are kept before the array is cut. */
const SLACK = 256;

/** Acknowledgements of one partition that wait for an offset to be passed, ordered by it. */
export class AckQueue {
  private waiting: Waiting[] = [];
  private head = 0;

  get size(): number {
    return this.waiting.length - this.head;
  }

  /** Waits until the partition has passed `lastOffset`. Nearly always the highest so far (not for duplicates). */
  push(lastOffset: Offset, ack: Ack): void {
    let at = this.waiting.length;
    while (at > this.head && (this.waiting[at - 1]?.lastOffset ?? -1) > lastOffset) at -= 1;
    if (at === this.waiting.length) this.waiting.push({ lastOffset, ack });
    else this.waiting.splice(at, 0, { lastOffset, ack });
  }

  /** Settles all that wait for an offset before `end`. */
  release(end: Offset, errorCode: number): void {
    for (;;) {
      const next = this.waiting[this.head];
      if (next === undefined || next.lastOffset >= end) break;
      this.head += 1;
      next.ack.settle(errorCode);
    }
    if (this.head === this.waiting.length) {
      this.waiting.length = 0;
      this.head = 0;
    } else if (this.head > SLACK && this.head * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
  }

  /** Settles all, since what they wait for will not be known here. */
  fail(errorCode: number): void {
    const failed = this.waiting.slice(this.head);
    this.waiting = [];
    this.head = 0;
    for (const { ack } of failed) ack.settle(errorCode);
  }
}
