import type { Offset } from '@streamline/core/types/ids';

/** Someone who waits for an append to be acknowledged; called once. */
export interface Ack {
  /** 0: acknowledged; else a Kafka error code. */
  settle(errorCode: number): void;
}

/** Places before the first that waits which are put up with before the others move down. */
const SLACK = 256;
/** An empty queue keeps no more places than this. */
const KEPT_PLACES = 1024;

/** Acknowledgements of one partition that wait for an offset to be passed, ordered by it. Its places are used again. */
export class AckQueue {
  /** What waits stands at `[head, tail)` of both. */
  private offsets: Offset[] = [];
  private acks: (Ack | undefined)[] = [];
  private head = 0;
  private tail = 0;

  get size(): number {
    return this.tail - this.head;
  }

  /** Waits until the partition has passed `lastOffset`. Nearly always the highest so far (not for duplicates). */
  push(lastOffset: Offset, ack: Ack): void {
    let at = this.tail;
    for (; at > this.head && (this.offsets[at - 1] ?? -1) > lastOffset; at -= 1) {
      this.offsets[at] = this.offsets[at - 1] ?? lastOffset;
      this.acks[at] = this.acks[at - 1];
    }
    this.offsets[at] = lastOffset;
    this.acks[at] = ack;
    this.tail += 1;
  }

  /** Settles all that wait for an offset before `end`. */
  release(end: Offset, errorCode: number): void {
    while (this.head < this.tail && (this.offsets[this.head] ?? end) < end) {
      const ack = this.acks[this.head];
      this.acks[this.head] = undefined;
      this.head += 1;
      ack?.settle(errorCode);
    }
    this.moveDown();
  }

  /** Settles all, since what they wait for will not be known here. */
  fail(errorCode: number): void {
    const failed = this.acks.slice(this.head, this.tail);
    this.offsets = [];
    this.acks = [];
    this.head = 0;
    this.tail = 0;
    for (const ack of failed) ack?.settle(errorCode);
  }

  private moveDown(): void {
    if (this.head === this.tail) {
      this.head = 0;
      this.tail = 0;
      if (this.acks.length <= KEPT_PLACES) return;
      this.offsets = [];
      this.acks = [];
    } else if (this.head > SLACK && this.head * 2 > this.tail) {
      this.offsets = this.offsets.slice(this.head, this.tail);
      this.acks = this.acks.slice(this.head, this.tail);
      this.tail -= this.head;
      this.head = 0;
    }
  }
}
