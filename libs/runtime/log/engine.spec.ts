import { beforeEach, describe, expect, it } from 'vitest';
import type { LeaderEpoch, Offset, TimestampMs } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_LOG_CONFIG, batchOf, checkedBatch, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import type { LogEngine, PartitionLog } from './log-engine';

const PAGE_CACHE = { ...TEST_LOG_CONFIG, flushMessages: 1_000_000 };

let disk: MemoryDisk;
let clock: VirtualClock;
let engine: LogEngine;

async function start(bootId = 'boot-1'): ReturnType<typeof openTestEngine> {
  const opened = await openTestEngine({ disk, clock, random: new SeededRandom(7), bootId });
  engine = opened.engine;
  return opened;
}

/** Resolves when everything appended is stable. */
function stable(log: PartitionLog): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (log.stableEndOffset === log.logEndOffset) resolve();
    };
    engine.onStable(look);
    look();
  });
}

/** All records from an offset on, as `offset:value`. */
async function contents(log: PartitionLog, from: number = log.logStartOffset): Promise<string[]> {
  const found: string[] = [];
  let offset = from;
  while (offset < log.logEndOffset) {
    const { chunks } = await log.read(offset as Offset, { maxBytes: 4096, minOneBatch: true, upTo: log.logEndOffset });
    if (chunks.length === 0) throw new Error(`nothing read at ${offset}`);
    for (const chunk of chunks) {
      for (const batch of batchesIn(chunk)) {
        const header = readBatchHeader(batch);
        for (const record of recordsOf(batch, header, 1 << 20)) {
          if (record.offset >= from) found.push(`${record.offset}:${record.value?.toString()}`);
          offset = record.offset + 1;
        }
      }
    }
  }
  return found;
}

beforeEach(async () => {
  disk = new MemoryDisk({ random: new SeededRandom(1) });
  clock = new VirtualClock();
  await start();
});

describe('the log engine', () => {
  for (const [name, config] of [
    ['fsync', TEST_LOG_CONFIG],
    ['page-cache', PAGE_CACHE],
  ] as const) {
    it(`gives offsets, reads back and survives a clean stop (${name})`, async () => {
      const log = engine.open(testKey(1), config);
      expect(log.append(batchOf(['a', 'b']))).toMatchObject({ kind: 'appended', baseOffset: 0, lastOffset: 1 });
      expect(log.append(batchOf(['c']))).toMatchObject({ kind: 'appended', baseOffset: 2, lastOffset: 2 });
      await stable(log);
      expect(await contents(log)).toEqual(['0:a', '1:b', '2:c']);
      await engine.close();
      const { recovery } = await start();
      expect(recovery).toMatchObject({ cleanStop: true, partitions: 1 });
      const again = engine.open(testKey(1), config);
      expect(await contents(again)).toEqual(['0:a', '1:b', '2:c']);
      again.append(batchOf(['d']));
      await stable(again);
      expect(await contents(again)).toEqual(['0:a', '1:b', '2:c', '3:d']);
    });

    it(`keeps what was acknowledged when the process is killed (${name})`, async () => {
      const log = engine.open(testKey(1), config);
      for (const value of ['a', 'b', 'c']) log.append(batchOf([value]));
      await stable(log);
      disk = disk.kill();
      await start();
      expect(await contents(engine.open(testKey(1), config))).toEqual(['0:a', '1:b', '2:c']);
    });
  }

  for (const [name, config] of [
    ['fsync', TEST_LOG_CONFIG],
    ['page-cache', PAGE_CACHE],
  ] as const) {
    it(`is done with the caller's memory when append returns, and leaves it as it was (${name})`, async () => {
      const log = engine.open(testKey(1), config);
      const values = ['small', 'y'.repeat(6_000)];
      for (const value of values) {
        const batch = batchOf([value]);
        const before = Buffer.from(batch.bytes);
        log.append(batch);
        expect(batch.bytes.equals(before)).toBe(true);
        batch.bytes.fill(0xee);
      }
      expect(await contents(log)).toEqual(values.map((value, at) => `${at}:${value}`));
      await stable(log);
      disk = disk.kill();
      await start();
      expect(await contents(engine.open(testKey(1), config))).toEqual(values.map((value, at) => `${at}:${value}`));
    });
  }

  it('lends those who copy at once the bytes in memory, and gives others a copy of their own', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (const value of ['a', 'b'.repeat(6_000), 'c']) log.append(batchOf([value]));
    const limits = { maxBytes: 1 << 20, minOneBatch: true, upTo: log.logEndOffset };
    const from = 1 as Offset;
    const [own, lent, lentAgain] = [
      await log.read(from, limits),
      await log.read(from, { ...limits, borrowed: true }),
      await log.read(from, { ...limits, borrowed: true }),
    ];
    expect(lent.chunks).toHaveLength(2);
    expect(Buffer.concat(lent.chunks).equals(Buffer.concat(own.chunks))).toBe(true);
    expect(lent.bytes).toBe(own.bytes);
    expect(lent.chunks.map(({ buffer }) => buffer)).toEqual(lentAgain.chunks.map(({ buffer }) => buffer));
    for (const chunk of own.chunks) chunk.fill(0xee);
    expect(await contents(log)).toEqual(['0:a', `1:${'b'.repeat(6_000)}`, '2:c']);
  });

  it('keeps what was acknowledged when the power fails', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (const value of ['a', 'b', 'c']) log.append(batchOf([value]));
    await stable(log);
    disk = disk.crash();
    const { recovery } = await start('boot-2');
    expect(recovery).toMatchObject({ cleanStop: false, sameBoot: false });
    expect(await contents(engine.open(testKey(1), TEST_LOG_CONFIG))).toEqual(['0:a', '1:b', '2:c']);
  });

  it('goes around the journal many times, checkpointing', async () => {
    const log = engine.open(testKey(1), { ...TEST_LOG_CONFIG, segmentBytes: 50_000 });
    const expected: string[] = [];
    for (let at = 0; at < 400; at += 1) {
      const value = `${at}-${'x'.repeat(3000)}`;
      log.append(batchOf([value]));
      expected.push(`${at}:${value}`);
      while (engine.headroomBytes <= 0) {
        clock.advance(10);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
    await stable(log);
    expect(await contents(log)).toEqual(expected);
    disk = disk.crash();
    await start('boot-2');
    expect(await contents(engine.open(testKey(1), TEST_LOG_CONFIG))).toEqual(expected);
  });

  it('knows duplicates of idempotent producers after a restart', async () => {
    const batch = (sequence: number): ReturnType<typeof checkedBatch> =>
      checkedBatch({
        records: [{ value: Buffer.from(`s${sequence}`) }],
        timestamp: clock.wallMs(),
        producerId: 9,
        producerEpoch: 0,
        baseSequence: sequence,
      });
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (let sequence = 0; sequence < 7; sequence += 1) log.append(batch(sequence));
    await stable(log);
    expect(log.append(batch(3))).toMatchObject({ kind: 'duplicate', baseOffset: 3 });
    expect(log.append(batch(1))).toMatchObject({ kind: 'refused', errorCode: 45 });
    await engine.close();
    await start();
    const again = engine.open(testKey(1), TEST_LOG_CONFIG);
    expect(again.append(batch(6))).toMatchObject({ kind: 'duplicate', baseOffset: 6 });
    expect(again.append(batch(8))).toMatchObject({ kind: 'refused', errorCode: 45 });
    expect(again.append(batch(7))).toMatchObject({ kind: 'appended', baseOffset: 7 });
  });

  it('deletes a partition and returns its space, and starts it anew', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.append(batchOf(['old']));
    await stable(log);
    await engine.checkpoint();
    expect(disk.filePaths().some((path) => path.includes('partitions'))).toBe(true);
    await engine.delete(testKey(1));
    expect(disk.filePaths().some((path) => path.includes('partitions'))).toBe(false);
    const anew = engine.open(testKey(1), TEST_LOG_CONFIG);
    anew.append(batchOf(['new']));
    await stable(anew);
    disk = disk.crash();
    await start('boot-2');
    expect(await contents(engine.open(testKey(1), TEST_LOG_CONFIG))).toEqual(['0:new']);
  });

  it('cuts a log by truncation for good, producers and epochs with it', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.startEpoch(1 as LeaderEpoch);
    for (const value of ['a', 'b', 'c']) log.append(batchOf([value]));
    log.startEpoch(3 as LeaderEpoch);
    log.append(batchOf(['d']));
    await stable(log);
    await engine.checkpoint();
    expect(log.epochEndOffset(2 as LeaderEpoch)).toEqual({ leaderEpoch: 1, endOffset: 3 });
    await log.truncateTo(2 as Offset);
    expect(log.epochOf(2 as Offset)).toBe(1);
    log.append(batchOf(['e']));
    await stable(log);
    disk = disk.crash();
    await start('boot-2');
    const again = engine.open(testKey(1), TEST_LOG_CONFIG);
    expect(await contents(again)).toEqual(['0:a', '1:b', '2:e']);
  });

  it('removes segments by retention and by DeleteRecords, and keeps the start over a restart', async () => {
    const config = { ...TEST_LOG_CONFIG, segmentBytes: 200, retentionBytes: 300 };
    const log = engine.open(testKey(1), config);
    for (let at = 0; at < 20; at += 1) log.append(batchOf([`value-${at}`]));
    await stable(log);
    await engine.checkpoint();
    await engine.runRetention();
    expect(log.logStartOffset).toBeGreaterThan(10);
    await log.advanceLogStart(18 as Offset);
    expect(() => log.read(3 as Offset, { maxBytes: 10, minOneBatch: true, upTo: 20 as Offset })).toThrow(/outside 18 to 20/);
    disk = disk.crash();
    await start('boot-2');
    const again = engine.open(testKey(1), config);
    expect(again.logStartOffset).toBe(18);
    expect(await contents(again)).toEqual(['18:value-18', '19:value-19']);
  });

  it('changes durability both ways without losing what was acknowledged', async () => {
    let log = engine.open(testKey(1), PAGE_CACHE);
    log.append(batchOf(['a']));
    log.configure(TEST_LOG_CONFIG);
    log.append(batchOf(['b']));
    await stable(log);
    disk = disk.crash();
    await start('boot-2');
    log = engine.open(testKey(1), TEST_LOG_CONFIG);
    expect(await contents(log)).toEqual(['0:a', '1:b']);
    log.append(batchOf(['c']));
    log.configure(PAGE_CACHE);
    log.append(batchOf(['d']));
    await stable(log);
    disk = disk.kill();
    await start('boot-2');
    expect(await contents(engine.open(testKey(1), PAGE_CACHE))).toEqual(['0:a', '1:b', '2:c', '3:d']);
  });

  it('finds offsets by time, within batches and over segments', async () => {
    const log = engine.open(testKey(1), { ...TEST_LOG_CONFIG, segmentBytes: 400, indexIntervalBytes: 100 });
    for (let at = 0; at < 30; at += 1) {
      log.append(
        checkedBatch({
          records: [
            { value: Buffer.from('x'), timestamp: 1000 + at * 10 },
            { value: Buffer.from('y'), timestamp: 1005 + at * 10 },
          ],
          timestamp: 0,
          codec: 'gzip',
        }),
      );
    }
    await stable(log);
    await engine.checkpoint();
    await engine.close();
    await start();
    const again = engine.open(testKey(1), TEST_LOG_CONFIG);
    for (const at of [0, 7, 29]) {
      expect(await again.offsetForTimestamp((1003 + at * 10) as TimestampMs, again.logEndOffset)).toMatchObject({
        offset: at * 2 + 1,
      });
    }
    expect(await again.offsetForTimestamp(2000 as TimestampMs, again.logEndOffset)).toBeUndefined();
    expect(await again.offsetOfMaxTimestamp(again.logEndOffset)).toMatchObject({ offset: 59, timestamp: 1295 });
    expect(await again.offsetOfMaxTimestamp(21 as Offset)).toMatchObject({ offset: 19 });
  });
});
