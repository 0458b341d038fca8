import { beforeEach, describe, expect, it } from 'vitest';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_DIRECTORY, TEST_LOG_CONFIG, batchOf, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { readAll } from '@streamline/testing/log/log-verifier';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import type { LogEngine, PartitionLog } from './log-engine';
import type { LogLimits } from './log-limits';

const SEGMENT = `${TEST_DIRECTORY}/partitions/${testKey(1).topicId}-0/00000000000000000000.log`;
const STORAGE_ERROR = { kind: 'refused', errorCode: 56 };

let disk: MemoryDisk;
let clock: VirtualClock;
let engine: LogEngine;

async function start(limits?: Partial<LogLimits>): ReturnType<typeof openTestEngine> {
  const opened = await openTestEngine({ disk, clock, random: new SeededRandom(7), limits });
  engine = opened.engine;
  return opened;
}

async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

function stable(log: PartitionLog): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (log.stableEndOffset === log.logEndOffset) resolve();
    };
    engine.onStable(look);
    look();
  });
}

/** A log with these values, stopped cleanly, so that reads after the next start come from files. */
async function onDisk(values: readonly string[], config = TEST_LOG_CONFIG): Promise<void> {
  const log = engine.open(testKey(1), config);
  for (const value of values) log.append(batchOf([value]));
  await stable(log);
  await engine.checkpoint();
  await engine.close();
}

beforeEach(async () => {
  disk = new MemoryDisk({ random: new SeededRandom(1) });
  clock = new VirtualClock();
  await start();
});

describe('the log engine, when disks fail', () => {
  it('acknowledges nothing more after a journal write failed, and says so once (J-9)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.append(batchOf(['a']));
    await stable(log);
    const failures: Error[] = [];
    engine.onFatal((error) => failures.push(error));
    disk.inject({ operations: ['durableWrite'], fault: 'EIO' });
    log.append(batchOf(['b']));
    await turns(20);
    expect(failures).toHaveLength(1);
    expect(log.stableEndOffset).toBe(1);
    expect(log.append(batchOf(['c']))).toMatchObject(STORAGE_ERROR);
  });

  it('writes what waited for a change of durability although the journal is slow with the epoch that came meanwhile (P-3)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.append(batchOf(['a']));
    await stable(log);
    const release = disk.inject({ operations: ['durableWrite'], fault: 'hold' });
    log.configure({ ...TEST_LOG_CONFIG, flushMessages: 1000 });
    log.append(batchOf(['b']));
    log.startEpoch(1 as LeaderEpoch);
    await turns(100);
    expect(log.stableEndOffset).toBe(1);
    release();
    await turns(100);
    expect(log.stableEndOffset).toBe(2);
  });

  it('writes what a full disk refused once there is room, though nobody appends any more (S-10)', async () => {
    const log = engine.open(testKey(1), { ...TEST_LOG_CONFIG, flushMessages: 1000 });
    log.append(batchOf(['a']));
    await stable(log);
    const relieve = disk.inject({ operations: ['write'], path: /\.log$/, fault: 'ENOSPC' });
    log.append(batchOf(['b']));
    for (let second = 0; second < 3; second += 1) {
      await turns(20);
      expect(log.stableEndOffset).toBe(1);
      clock.advance(1_000);
    }
    relieve();
    for (let second = 0; second < 3; second += 1) {
      clock.advance(1_000);
      await turns(20);
    }
    expect([log.stableEndOffset, log.offlineReason]).toEqual([2, undefined]);
  });

  it('refuses appends while the disk is full, still reads, and goes on by itself (S-10)', async () => {
    disk = new MemoryDisk({ random: new SeededRandom(1), capacityBytes: 1 << 20 });
    await start({ spaceMarginBytes: 200_000 });
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    const internal = engine.open(testKey(2), { ...TEST_LOG_CONFIG, internal: true });
    log.append(batchOf(['a']));
    await stable(log);
    const ballast = await disk.open('/ballast', 'create');
    const { freeBytes } = await disk.space('/');
    await ballast.write(0, [Buffer.alloc(freeBytes - 150_000)]);
    clock.advance(1000);
    log.append(batchOf(['b']));
    await turns(5);
    expect(log.append(batchOf(['c']))).toMatchObject(STORAGE_ERROR);
    expect(internal.append(batchOf(['internal']))).toMatchObject({ kind: 'appended' });
    expect(await readAll(log, 1000)).toHaveLength(2);
    await ballast.truncate(0);
    clock.advance(1000);
    log.append(batchOf(['c']));
    await turns(5);
    expect(log.append(batchOf(['c']))).toMatchObject({ kind: 'appended' });
  });

  it('puts batches into a new file after a failed sync, and keeps them through a power loss (S-9)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.append(batchOf(['a']));
    await stable(log);
    await engine.checkpoint();
    log.append(batchOf(['b']));
    await stable(log);
    disk.inject({ operations: ['datasync'], path: /partitions/, fault: 'EIO', times: 1 });
    await expect(engine.checkpoint()).rejects.toThrow('EIO');
    await engine.checkpoint();
    expect(disk.filePaths()).toContain(SEGMENT.replace('00000.log', '00001.log'));
    disk = disk.crash();
    await start();
    expect(await readAll(engine.open(testKey(1), TEST_LOG_CONFIG), 1000)).toHaveLength(2);
  });

  it('goes on after the sync of a file that was cut failed: nothing is lacking, and it was tried for ever until the log was given up (S-9)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (const value of ['a', 'b']) log.append(batchOf([value]));
    await stable(log);
    await log.truncateTo(1 as Offset);
    disk.inject({ operations: ['datasync'], path: /partitions/, fault: 'EIO', times: 1 });
    await expect(engine.checkpoint()).rejects.toThrow('EIO');
    for (const value of ['c', 'd', 'e', 'f', 'g']) {
      log.append(batchOf([value]));
      await stable(log);
      await engine.checkpoint();
    }
    expect(log.offlineReason).toBeUndefined();
    disk = disk.crash();
    await start();
    expect(await readAll(engine.open(testKey(1), TEST_LOG_CONFIG), 1000)).toHaveLength(6);
  });

  it('puts nothing more into a file of which nothing is left after a cut, and of which the sync failed (S-9)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.append(batchOf(['a']));
    await stable(log);
    await engine.checkpoint();
    const before = disk.filePaths().filter((path) => path.endsWith('.log'));
    await log.truncateTo(0 as Offset);
    disk.inject({ operations: ['datasync'], path: /partitions/, fault: 'EIO', times: 1 });
    await expect(engine.checkpoint()).rejects.toThrow('EIO');
    log.append(batchOf(['b']));
    await stable(log);
    await engine.checkpoint();
    const after = disk.filePaths().filter((path) => path.endsWith('.log'));
    expect([before.length, after.length, after.some((path) => before.includes(path))]).toEqual([1, 1, false]);
    expect(log.offlineReason).toBeUndefined();
    disk = disk.crash();
    await start();
    expect(await readAll(engine.open(testKey(1), TEST_LOG_CONFIG), 1000)).toHaveLength(1);
  });
});

describe('the log engine, when segments are damaged', () => {
  it('takes that replica alone offline, names file and offset, and never cuts (S-11)', async () => {
    await onDisk(['a', 'b', 'c']);
    const second = 64 + readBatchHeader(disk.contentOf(SEGMENT), 64).sizeBytes;
    disk.flipBit(SEGMENT, second + 16, 2);
    await start();
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    const other = engine.open(testKey(2), TEST_LOG_CONFIG);
    const limits = { maxBytes: 1000, minOneBatch: true, upTo: 3 as Offset };
    await expect(Promise.resolve(log.read(1 as Offset, limits))).rejects.toThrow(`${SEGMENT}: bad batch at byte`);
    expect(log.offlineReason).toContain('offset 1');
    expect(log.append(batchOf(['d']))).toMatchObject(STORAGE_ERROR);
    expect(other.append(batchOf(['fine']))).toMatchObject({ kind: 'appended' });
    await engine.close();
    const { recovery } = await start();
    expect(recovery.offline).toEqual([{ key: testKey(1), reason: log.offlineReason }]);
    expect(disk.contentOf(SEGMENT).length).toBeGreaterThan(second);
  });

  it('does not start a log of which synced bytes are missing (S-11)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (const value of ['a', 'b']) log.append(batchOf([value]));
    await stable(log);
    await engine.checkpoint();
    log.append(batchOf(['c']));
    await stable(log);
    disk = disk.kill();
    const file = await disk.open(SEGMENT, 'write');
    await file.truncate(100);
    await start();
    expect(engine.get(testKey(1))?.offlineReason).toMatch(/ends \d+ bytes before its synced end, offset 2/);
  });

  it('builds an index anew that is damaged or lies (LOG-7)', async () => {
    const config = { ...TEST_LOG_CONFIG, segmentBytes: 600, indexIntervalBytes: 50 };
    const values = Array.from({ length: 40 }, (_, at) => `value ${at}`);
    const log = engine.open(testKey(1), config);
    for (const value of values) log.append(batchOf([value]));
    await stable(log);
    await engine.checkpoint();
    await engine.close();
    const indexes = disk.filePaths().filter((path) => path.endsWith('index'));
    expect(indexes.length).toBeGreaterThan(4);
    for (const path of indexes) await (await disk.open(path, 'write')).write(36, [Buffer.from([99, 99, 99, 99])]);
    await start({ tailCacheBytes: 0 });
    const again = engine.open(testKey(1), config);
    for (const at of [0, 3, 17, 39]) {
      const { chunks } = await again.read(at as Offset, { maxBytes: 1, minOneBatch: true, upTo: 40 as Offset });
      expect(readBatchHeader(Buffer.concat(chunks)).baseOffset).toBe(at);
    }
  });
});

describe('append with LogAppendTime', () => {
  it("stamps batches with the leader's time and a right CRC", async () => {
    const log = engine.open(testKey(1), { ...TEST_LOG_CONFIG, logAppendTime: true });
    expect(log.append(batchOf(['a'], 5))).toMatchObject({ logAppendTimeMs: clock.wallMs() });
    const [batch] = await readAll(log, 1000);
    expect(batch !== undefined && isBatchCrcValid(batch)).toBe(true);
    expect(readBatchHeader(batch ?? Buffer.alloc(0))).toMatchObject({ maxTimestamp: clock.wallMs(), attributes: 8 });
  });
});
