import { beforeEach, describe, expect, it } from 'vitest';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_LOG_CONFIG, checkedBatch, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { patchBaseOffset, patchPartitionLeaderEpoch } from '@streamline/wire/records/batch-patch';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import type { CheckedBatch, LogEngine, PartitionLog } from './log-engine';

const PAGE_CACHE = { ...TEST_LOG_CONFIG, flushMessages: 1_000_000 };

let disk: MemoryDisk;
let clock: VirtualClock;
let engine: LogEngine;

async function start(): Promise<void> {
  engine = (await openTestEngine({ disk, clock, random: new SeededRandom(7) })).engine;
}

/** A batch as a leader of `epoch` placed it. */
function placed(baseOffset: number, epoch: number, values: readonly string[], producer = {}): CheckedBatch {
  const records = values.map((value) => ({ value: Buffer.from(value) }));
  const { bytes } = checkedBatch({ records, timestamp: 1_700_000_000_000, ...producer });
  patchBaseOffset(bytes, baseOffset);
  patchPartitionLeaderEpoch(bytes, epoch);
  return { bytes, header: readBatchHeader(bytes) };
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

/** Every record as `offset@epoch:value`. */
async function contents(log: PartitionLog): Promise<string[]> {
  const found: string[] = [];
  for (let at: number = log.logStartOffset; at < log.logEndOffset;) {
    const read = await log.read(at as Offset, { maxBytes: 1 << 20, minOneBatch: true, upTo: log.logEndOffset });
    if (read.bytes === 0) throw new Error(`nothing read at ${at}`);
    for (const batch of read.chunks.flatMap((chunk) => [...batchesIn(chunk)])) {
      const header = readBatchHeader(batch);
      for (const { offset, value } of recordsOf(batch, header, 1 << 20)) {
        found.push(`${offset}@${header.partitionLeaderEpoch}:${value?.toString()}`);
        at = offset + 1;
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

for (const [name, config] of [
  ['fsync', TEST_LOG_CONFIG],
  ['page-cache', PAGE_CACHE],
] as const) {
  describe(`the log of a follower (${name})`, () => {
    const open = (): PartitionLog => engine.open(testKey(1), config);

    /** The process ends, the machine does not. */
    async function killAndStart(): Promise<PartitionLog> {
      disk = disk.kill();
      await start();
      return open();
    }

    it('takes batches with the offsets and epochs that the leader gave them, and keeps them', async () => {
      const log = open();
      expect(log.appendReplicated(placed(0, 3, ['a', 'b']))).toMatchObject({ kind: 'appended', baseOffset: 0, lastOffset: 1 });
      expect(log.appendReplicated(placed(2, 5, ['c']))).toMatchObject({ kind: 'appended', lastOffset: 2 });
      await stable(log);
      const again = await killAndStart();
      expect(await contents(again)).toEqual(['0@3:a', '1@3:b', '2@5:c']);
      expect(again.epochs).toEqual([
        { epoch: 3, startOffset: 0 },
        { epoch: 5, startOffset: 2 },
      ]);
      expect(again).toMatchObject({ writtenEndOffset: 3, leaderEpoch: 5 });
    });

    it('is read from files into memory that the reader gives', async () => {
      const log = open();
      log.appendReplicated(placed(0, 1, ['a', 'b']));
      await stable(log);
      await engine.checkpoint();
      await engine.close();
      await start();
      const given: Buffer[] = [];
      const memory = (bytes: number): Buffer => {
        const buffer = Buffer.alloc(bytes);
        given.push(buffer);
        return buffer;
      };
      const { chunks } = await open().read(0 as Offset, { maxBytes: 1 << 20, minOneBatch: true, upTo: 2 as Offset, memory });
      expect(chunks.map(({ buffer }) => buffer)).toEqual([given.at(-1)?.buffer]);
    });

    it('refuses what does not continue it', async () => {
      const log = open();
      log.appendReplicated(placed(0, 1, ['a', 'b']));
      expect(log.appendReplicated(placed(1, 1, ['x']))).toMatchObject({ kind: 'refused', errorCode: 56 });
      expect(log.logEndOffset).toBe(2);
    });

    it('refuses a batch of an older epoch than it has: it would be taken for one of the newer', () => {
      const log = open();
      log.appendReplicated(placed(0, 1, ['a']));
      log.startEpoch(4 as LeaderEpoch);
      const message = expect.stringContaining('a batch of epoch 1 cannot follow epoch 4');
      expect(log.appendReplicated(placed(1, 1, ['b']))).toMatchObject({ kind: 'refused', errorCode: 56, message });
      expect(log.logEndOffset).toBe(1);
    });

    it('knows the producers of what it took', () => {
      const log = open();
      const producer = { producerId: 9, producerEpoch: 0, baseSequence: 0 };
      log.appendReplicated(placed(0, 1, ['a'], producer));
      log.startEpoch(2 as LeaderEpoch);
      expect(log.append(placed(0, 0, ['a'], producer))).toMatchObject({ kind: 'duplicate', baseOffset: 0 });
    });

    it('forgets an epoch that it led in vain when it is cut where it ends, and takes an older one again', async () => {
      const log = open();
      log.appendReplicated(placed(0, 1, ['a']));
      log.startEpoch(4 as LeaderEpoch);
      expect(log.epochs.map(({ epoch }) => epoch)).toEqual([1, 4]);
      await log.truncateTo(1 as Offset);
      expect(log.epochs).toEqual([{ epoch: 1, startOffset: 0 }]);
      log.appendReplicated(placed(1, 2, ['b']));
      await stable(log);
      const again = await killAndStart();
      expect(await contents(again)).toEqual(['0@1:a', '1@2:b']);
      expect(again.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    });

    for (const offset of [0, 1, 7]) {
      it(`begins anew at ${offset}, with nothing of what was before`, async () => {
        const log = open();
        log.appendReplicated(placed(0, 1, ['a', 'b'], { producerId: 9, producerEpoch: 3, baseSequence: 0 }));
        await stable(log);
        await log.startAt(offset as Offset);
        expect(log).toMatchObject({ logStartOffset: offset, logEndOffset: offset, stableEndOffset: offset, epochs: [] });
        expect([...log.producers()]).toEqual([]);
        const empty = await killAndStart();
        expect(empty).toMatchObject({ logStartOffset: offset, logEndOffset: offset, durableEndOffset: offset, epochs: [] });
        empty.appendReplicated(placed(offset, 6, ['x']));
        await stable(empty);
        const again = await killAndStart();
        expect(await contents(again)).toEqual([`${offset}@6:x`]);
      });
    }

    it('has all or nothing of what was before when power fails while it begins anew: part of it would look whole', async () => {
      const found = new Set<string>();
      for (let operations = 0, hasEnded = false; !hasEnded; operations += 1) {
        disk = new MemoryDisk({ random: new SeededRandom(operations) });
        await start();
        for (const [at, value] of ['a', 'b', 'c', 'd'].entries()) open().appendReplicated(placed(at, 1, [value]));
        await open().advanceLogStart(1 as Offset);
        await engine.close();
        await start();
        const beginning = open();
        const stopped = disk.stopAfter(operations).then(() => false);
        hasEnded = await Promise.race([stopped, beginning.startAt(4 as Offset).then(() => true)]);
        disk = disk.crash();
        await start();
        found.add(`${open().logStartOffset}-${open().logEndOffset}: ${(await contents(open())).join()}`);
      }
      expect([...found].toSorted()).toEqual(['1-4: 1@1:b,2@1:c,3@1:d', '4-4: ']);
    });

    it('begins within a batch where the log of the leader does', async () => {
      const log = open();
      await log.startAt(11 as Offset);
      expect(log.appendReplicated(placed(10, 6, ['a', 'b', 'c']))).toMatchObject({ kind: 'appended', lastOffset: 12 });
      expect(log).toMatchObject({ logStartOffset: 11, logEndOffset: 13 });
      await stable(log);
      const again = await killAndStart();
      expect(again).toMatchObject({ logStartOffset: 11, logEndOffset: 13 });
      expect((await again.read(11 as Offset, { maxBytes: 1, minOneBatch: true, upTo: 13 as Offset })).bytes).toBeGreaterThan(0);
    });
  });
}

describe('the log of a follower that lost its page cache', () => {
  const open = (): PartitionLog => engine.open(testKey(1), PAGE_CACHE);
  const epochs = (): unknown[] => open().epochs.map(({ epoch, startOffset }) => [epoch, startOffset]);

  it('ends before an epoch that it has, which moves to its end until it is cut there', async () => {
    open().appendReplicated(placed(0, 1, ['a']));
    await engine.close();
    await start();
    const log = open();
    log.appendReplicated(placed(1, 1, ['b']));
    log.startEpoch(4 as LeaderEpoch);
    expect(epochs()).toEqual([
      [1, 0],
      [4, 2],
    ]);
    // The epoch is in the journal once what comes behind it is written.
    log.append(placed(2, 4, ['c']));
    await stable(log);
    disk = disk.crash();
    await start();
    expect(await contents(open())).toEqual(['0@1:a']);
    expect(epochs()).toEqual([
      [1, 0],
      [4, 1],
    ]);
    await open().truncateTo(1 as Offset);
    expect(epochs()).toEqual([[1, 0]]);
    expect(open().appendReplicated(placed(1, 1, ['b']))).toMatchObject({ kind: 'appended' });
    await stable(open());
    disk = disk.kill();
    await start();
    expect(await contents(open())).toEqual(['0@1:a', '1@1:b']);
    expect(epochs()).toEqual([[1, 0]]);
  });
});
