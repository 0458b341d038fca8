import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_LOG_CONFIG, batchOf, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { LogEngine } from './log-engine';

const PAGE_CACHE = { ...TEST_LOG_CONFIG, flushMessages: Number.MAX_SAFE_INTEGER };

let disk: MemoryDisk;
let clock: VirtualClock;
let engine: LogEngine;

async function turns(): Promise<void> {
  for (let at = 0; at < 20; at += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Lets what is under way end, checkpoints and their timers too. */
async function settle(): Promise<void> {
  for (let step = 0; step < 40; step += 1) {
    await turns();
    clock.advance(500);
  }
}

beforeEach(async () => {
  disk = new MemoryDisk({ random: new SeededRandom(1) });
  clock = new VirtualClock();
  const limits = { tailCacheBytes: 8 << 10, slabBytes: 2 << 10, checkpointStepBytes: 8 << 10 };
  ({ engine } = await openTestEngine({ disk, clock, random: new SeededRandom(7), limits }));
});

describe('the headroom of the log engine', () => {
  it('comes back when page-cache batches are written, though nothing syncs them', async () => {
    const log = engine.open(testKey(1), PAGE_CACHE);
    log.append(batchOf(['first']));
    await settle();
    const release = disk.inject({ operations: ['write'], fault: 'hold' });
    while (engine.headroomBytes > 0) log.append(batchOf(['x'.repeat(1000)]));
    let isTold = false;
    engine.onHeadroom(() => (isTold = true));
    await settle();
    expect(isTold).toBe(false);
    release();
    await settle();
    expect(log.stableEndOffset).toBe(log.logEndOffset);
    expect(isTold).toBe(true);
  });

  it('comes back when the partition that took the memory is deleted, though its disk does not answer', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    await settle();
    disk.inject({ operations: ['write', 'makeDirectory', 'open'], fault: 'hold' });
    while (engine.headroomBytes > 0) log.append(batchOf(['x'.repeat(1000)]));
    let isTold = false;
    engine.onHeadroom(() => (isTold = true));
    await settle();
    expect(isTold).toBe(false);
    void engine.delete(testKey(1));
    await settle();
    expect(isTold).toBe(true);
  });
});
