import type { TailMemory } from './tail-memory';
import type { TailEntry } from './tail-queue';

/** Objects around a batch count too (275 bytes, measured): many small ones would otherwise take several times the bound. */
const ENTRY_OVERHEAD_BYTES = 300;
/** Dropped entries that are put up with, besides as many as there are others. */
const SLACK = 4096;
const NOTHING = Buffer.alloc(0);

/**
 * Bounds the memory of all partitions' tails together. Entries leave in the order in which they came, over all partitions, and only
 * once their owner can do without them; while the oldest cannot go, the cache exceeds its bound and asks for a checkpoint.
 */
export class TailCache {
  private entries: TailEntry[] = [];
  private head = 0;
  /** Entries that are not dropped. */
  private live = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly memory: TailMemory,
  ) {}

  /** What is taken, not what the batches hold: one of them keeps all of the memory that those around it have left. */
  get sizeBytes(): number {
    return this.memory.heldBytes + this.live * ENTRY_OVERHEAD_BYTES;
  }

  /** Entries that are kept, dropped ones too. */
  get queuedEntries(): number {
    return this.entries.length;
  }

  /** The bound is exceeded, and the oldest entry cannot leave. */
  get pressed(): boolean {
    return this.sizeBytes > this.maxBytes;
  }

  add(entry: TailEntry): void {
    this.entries.push(entry);
    this.live += 1;
    if (this.pressed) this.evict();
  }

  /** The entry is gone from its partition; its place in memory is free. */
  drop(entry: TailEntry): void {
    if (entry.dropped) return;
    entry.dropped = true;
    this.live -= 1;
    entry.bytes = NOTHING;
    this.memory.release(entry.slab);
    if (this.entries.length > 2 * this.live + SLACK) this.compact();
  }

  /** Lets the oldest entries go while the bound is exceeded. */
  evict(): void {
    for (let entry = this.entries[this.head]; entry !== undefined; entry = this.entries[this.head]) {
      if (!entry.dropped && (!this.pressed || entry.owner.evictableEnd < entry.endOffset)) return;
      this.head += 1;
      if (entry.dropped) continue;
      entry.owner.evict(entry);
      this.drop(entry);
    }
  }

  private compact(): void {
    this.entries = this.entries.filter((entry) => !entry.dropped);
    this.head = 0;
  }
}
