import type { TailEntry } from './tail-queue';

/** Objects around a batch count too: many small ones would otherwise take several times the bound. */
const ENTRY_OVERHEAD_BYTES = 200;

/**
 * Bounds the memory of all partitions' tails together. Entries leave in the order in which they came, over all partitions, and only
 * once their owner can do without them; while the oldest cannot go, the cache exceeds its bound and asks for a checkpoint.
 */
export class TailCache {
  private entries: TailEntry[] = [];
  private head = 0;
  private heldBytes = 0;

  constructor(private readonly maxBytes: number) {}

  get sizeBytes(): number {
    return this.heldBytes;
  }

  /** The bound is exceeded, and the oldest entry cannot leave. */
  get pressed(): boolean {
    return this.heldBytes > this.maxBytes;
  }

  add(entry: TailEntry): void {
    this.entries.push(entry);
    this.heldBytes += entry.bytes.length + ENTRY_OVERHEAD_BYTES;
    if (this.heldBytes > this.maxBytes) this.evict();
  }

  /** The entry is gone from its partition; its bytes are free. */
  drop(entry: TailEntry): void {
    if (entry.dropped) return;
    entry.dropped = true;
    this.heldBytes -= entry.bytes.length + ENTRY_OVERHEAD_BYTES;
  }

  /** Lets the oldest entries go while the bound is exceeded. */
  evict(): void {
    while (this.head < this.entries.length) {
      const entry = this.entries[this.head];
      if (entry === undefined) break;
      if (!entry.dropped) {
        if (this.heldBytes <= this.maxBytes || entry.owner.evictableEnd < entry.endOffset) break;
        entry.owner.evict(entry);
        this.drop(entry);
      }
      this.head += 1;
    }
    if (this.head > 4096 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }
}
