import { beforeEach, describe, expect, it } from 'vitest';
import { Segment } from '@streamline/core/log/segment';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { TailCache } from './tail-cache';
import { TailMemory } from './tail-memory';
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

let memory: TailMemory;

beforeEach(() => {
  memory = new TailMemory(BATCH_BYTES, new VirtualClock());
});

function entry(owner: Owner, offset: number): TailEntry {
  return {
    ...memory.place(Buffer.alloc(BATCH_BYTES)),
    owner,
    baseOffset: offset,
    endOffset: offset + 1,
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
    const cache = new TailCache(5 * (BATCH_BYTES + 300), memory);
    for (let offset = 0; offset < 20; offset++) cache.add(entry(offset % 2 === 0 ? one : other, offset));
    expect(cache.sizeBytes).toBe(5 * (BATCH_BYTES + 300));
    expect([...one.evicted, ...other.evicted].sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, offset) => offset));
  });

  it('exceeds its bound, and says so, rather than lose what is in no segment yet', () => {
    const owner = new Owner();
    owner.evictableEnd = 0;
    const cache = new TailCache(2 * BATCH_BYTES, memory);
    for (let offset = 0; offset < 4; offset++) cache.add(entry(owner, offset));
    expect(owner.evicted).toEqual([]);
    expect(cache.pressed).toBe(true);
    owner.evictableEnd = 4;
    cache.evict();
    expect(owner.evicted).toEqual([0, 1, 2]);
    expect(cache.pressed).toBe(false);
  });

  it('counts the memory that a small batch keeps from those around it when they are gone', () => {
    memory = new TailMemory(10 * BATCH_BYTES, new VirtualClock());
    const [deleted, owner] = [new Owner(), new Owner()];
    const cache = new TailCache(40 * BATCH_BYTES, memory);
    for (let round = 0; round < 100; round++) {
      const others = Array.from({ length: 9 }, (_, offset) => entry(deleted, offset));
      for (const each of [...others, entry(owner, round)]) cache.add(each);
      for (const each of others) cache.drop(each);
    }
    expect(memory.heldBytes).toBeLessThanOrEqual(50 * BATCH_BYTES);
    expect(owner.evicted.length).toBeGreaterThan(90);
  });

  it('forgets what was dropped long before its turn comes', () => {
    const cache = new TailCache(Number.MAX_SAFE_INTEGER, memory);
    const owner = new Owner();
    const kept = entry(owner, 0);
    cache.add(kept);
    for (let offset = 1; offset < 6_000; offset++) {
      const dropped = entry(owner, offset);
      cache.add(dropped);
      cache.drop(dropped);
    }
    expect(cache.queuedEntries).toBeLessThan(5_000);
    expect(kept.dropped).toBe(false);
  });
});
