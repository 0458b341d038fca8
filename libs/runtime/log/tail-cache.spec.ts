import { describe, expect, it } from 'vitest';
import { Segment } from '@streamline/core/log/segment';
import { TailCache } from './tail-cache';
import type { TailEntry, TailOwner } from './tail-queue';

const BATCH_BYTES = 1_000;

/** A partition whose batches before `evictableEnd` are in its segments. */
class Owner implements TailOwner {
  readonly evicted: number[] = [];
  evictableEnd = Number.MAX_SAFE_INTEGER;

  evict(entry: TailEntry): void {
    this.evicted.push(entry.baseOffset);
  }
}

function entry(owner: Owner, offset: number): TailEntry {
  return {
    owner,
    baseOffset: offset,
    endOffset: offset + 1,
    bytes: Buffer.alloc(BATCH_BYTES),
    maxTimestamp: 0,
    segment: new Segment(0, 0, 0),
    positionBytes: offset * BATCH_BYTES,
    journalPosition: 0,
    dropped: false,
  };
}

describe('the tail cache', () => {
  it('holds the newest batches of all partitions within tail_cache_bytes, and lets the oldest go first', () => {
    const [one, other] = [new Owner(), new Owner()];
    const cache = new TailCache(5 * (BATCH_BYTES + 200));
    for (let offset = 0; offset < 20; offset++) cache.add(entry(offset % 2 === 0 ? one : other, offset));
    expect(cache.sizeBytes).toBe(5 * (BATCH_BYTES + 200));
    expect([...one.evicted, ...other.evicted].sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, offset) => offset));
  });

  it('exceeds its bound, and says so, rather than lose what is in no segment yet', () => {
    const owner = new Owner();
    owner.evictableEnd = 0;
    const cache = new TailCache(2 * BATCH_BYTES);
    for (let offset = 0; offset < 4; offset++) cache.add(entry(owner, offset));
    expect(owner.evicted).toEqual([]);
    expect(cache.pressed).toBe(true);
    owner.evictableEnd = 4;
    cache.evict();
    expect(owner.evicted).toEqual([0, 1, 2]);
    expect(cache.pressed).toBe(false);
  });
});
