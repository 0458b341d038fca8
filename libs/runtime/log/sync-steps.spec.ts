import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_DIRECTORY, TEST_LOG_CONFIG, batchOf, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { LogEngine, PartitionLog } from './log-engine';

const STEP_BYTES = 4000;
const RUN_BYTES = 1000;
const TOPICS = [1, 2, 3];

let disk: MemoryDisk;
let engine: LogEngine;

async function turns(): Promise<void> {
  for (let at = 0; at < 40; at += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

function directoryOf(topic: number): string {
  return `${TEST_DIRECTORY}/partitions/${testKey(topic).topicId}-0/`;
}

function segmentOf(topic: number): string {
  return `${directoryOf(topic)}00000000000000000000.log`;
}

/** Appends about a run, and lets it go to the segment as far as nothing keeps it. The clock stands still: no checkpoint runs. */
async function appendRun(log: PartitionLog): Promise<void> {
  log.append(batchOf(['x'.repeat(RUN_BYTES)]));
  await turns();
}

beforeEach(async () => {
  disk = new MemoryDisk({ random: new SeededRandom(1) });
  const limits = { writeRunBytes: RUN_BYTES, syncStepBytes: STEP_BYTES, parallelLargeSyncs: 1, checkpointStepBytes: 1 << 20 };
  const journal = { fileBytes: 256 << 10, fileCount: 4, groupBytesMax: 12 << 10, pendingBytesMax: 64 << 10, sealDelayMs: 20 };
  ({ engine } = await openTestEngine({ disk, clock: new VirtualClock(), random: new SeededRandom(7), limits, journal }));
});

describe('segments of journaled partitions', () => {
  it('are synced whenever a step is written, without a checkpoint', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (let run = 0; run < 20; run += 1) {
      await appendRun(log);
      const unsynced = disk.contentOf(segmentOf(1)).length - disk.durableContentOf(segmentOf(1)).length;
      expect(unsynced).toBeLessThan(STEP_BYTES + 2 * RUN_BYTES);
    }
    expect(disk.durableContentOf(segmentOf(1)).length).toBeGreaterThan(10 * RUN_BYTES);
  });

  it('take what becomes durable in the journal also while the disk does not sync', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    await appendRun(log);
    const release = disk.inject({ operations: ['datasync'], path: /\.log$/, fault: 'hold' });
    for (let run = 0; run < 20; run += 1) await appendRun(log);
    expect(disk.contentOf(segmentOf(1)).length).toBeGreaterThan(20 * RUN_BYTES);
    expect(disk.durableContentOf(segmentOf(1)).length).toBeLessThan(STEP_BYTES);
    release();
    await turns();
    await appendRun(log);
    expect(disk.durableContentOf(segmentOf(1)).length).toBeGreaterThan(20 * RUN_BYTES);
  });

  it('are repaired by the next checkpoint where such a sync fails', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    disk.inject({ operations: ['datasync'], path: /\.log$/, fault: 'EIO', times: 1 });
    for (let run = 0; run < 20; run += 1) await appendRun(log);
    await engine.checkpoint();
    expect(log.offlineReason).toBeUndefined();
    const durable = disk.filePaths().filter((path) => path.startsWith(directoryOf(1)) && path.endsWith('.log'));
    expect(durable.reduce((sum, path) => sum + disk.durableContentOf(path).length, 0)).toBeGreaterThan(20 * RUN_BYTES);
  });

  it('are synced so many at a time where there is much to sync', async () => {
    const logs = TOPICS.map((topic) => engine.open(testKey(topic), TEST_LOG_CONFIG));
    for (const log of logs) await appendRun(log);
    const release = disk.inject({ operations: ['datasync'], path: new RegExp(segmentOf(1)), fault: 'hold' });
    for (let run = 0; run < 6; run += 1) for (const log of logs) await appendRun(log);
    const durable = (): boolean[] => TOPICS.map((topic) => disk.durableContentOf(segmentOf(topic)).length > STEP_BYTES);
    expect(durable()).toEqual([false, false, false]);
    release();
    for (const log of logs) await appendRun(log);
    expect(durable()).toEqual([true, true, true]);
  });
});
