import type { Segment } from '@streamline/core/log/segment';
import type { JournalPosition } from '../ports/journal';
import type { Slab } from './tail-memory';

/** The owner of a tail entry, as far as eviction and durability need it. */
export interface TailOwner {
  /** Batches before it may leave the cache. */
  readonly evictableEnd: number;
  evict(entry: TailEntry): void;
}

/** A batch in memory: appended, perhaps durable, perhaps written. */
export interface TailEntry {
  readonly owner: TailOwner;
  readonly baseOffset: number;
  readonly endOffset: number;
  /** A view of its slab, for the engine alone and only until it leaves the tail: then it is empty. */
  bytes: Buffer;
  readonly slab: Slab;
  readonly maxTimestamp: number;
  /** Replaced when the batch moves to another segment (S-9). */
  segment: Segment;
  positionBytes: number;
  /** Durable once the journal has come this far; Infinity while it is held back (P-3). */
  journalPosition: JournalPosition | number;
  /** Truncated or deleted: stands in global queues only. */
  dropped: boolean;
}

/** The newest batches of one partition, oldest first. */
export class TailQueue {
  private entries: TailEntry[] = [];
  private head = 0;

  get length(): number {
    return this.entries.length - this.head;
  }

  at(index: number): TailEntry | undefined {
    return this.entries[this.head + index];
  }

  push(entry: TailEntry): void {
    this.entries.push(entry);
  }

  /** The first entry that ends after `offset`: it holds it, or comes next after a gap. Its index, or `length`. */
  indexOf(offset: number): number {
    let low = this.head;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.entries[middle];
      if (entry !== undefined && entry.endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low - this.head;
  }

  /** Removes the oldest entry. */
  shift(): TailEntry | undefined {
    const entry = this.entries[this.head];
    if (entry === undefined) return undefined;
    this.head += 1;
    if (this.head === this.entries.length) {
      this.entries = [];
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return entry;
  }

  /** Removes and returns all entries from `index` on. */
  cutFrom(index: number): TailEntry[] {
    return this.entries.splice(this.head + index);
  }
}
