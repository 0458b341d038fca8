import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, decodeFileHeader, encodeFileHeader } from '@streamline/core/journal/format';
import type { Journal, JournalPosition } from '@streamline/runtime/ports/journal';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { turns } from '@streamline/testing/journal/journal-story';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { crc32c } from './crc32c';
import { JournalDamagedError, JournalFailedError, JournalFormatError } from './journal-error';
import type { JournalOptions } from './journal-options';
import { openJournal } from './open-journal';
import type { OpenedJournal } from './open-journal';

const DIRECTORY = '/journal';
const GROUP_BYTES_MAX = 4 * BLOCK_BYTES;
const FILE_BYTES = 24 * BLOCK_BYTES;

class Bench {
  readonly clock = new VirtualClock();
  readonly random = new SeededRandom(1);
  disk = new MemoryDisk({ random: this.random.fork() });
  readonly writes: number[] = [];

  async open(options: Partial<JournalOptions> = {}): Promise<OpenedJournal & { readonly records: string[] }> {
    const records: string[] = [];
    const opened = await openJournal(
      {
        disk: this.disk,
        clock: this.clock,
        random: this.random,
        directory: DIRECTORY,
        fileBytes: FILE_BYTES,
        fileCount: 3,
        groupBytesMax: GROUP_BYTES_MAX,
        pendingBytesMax: 256 * 1024,
        onGroup: (write) => this.writes.push(write.records),
        ...options,
      },
      (record) => void records.push(`${record.type} ${record.payload.subarray(0, 20).toString()}`),
    );
    return { ...opened, records };
  }

  kill(): void {
    this.disk = this.disk.kill();
  }
}

/** Appends `count` records that fill a group each and waits for them. */
async function fill(journal: Journal, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    journal.append(1, [Buffer.alloc(journal.recordBytesMax, 'x')]);
    await journal.flush();
  }
}

describe('openJournal', () => {
  it('hands out what was appended, in order', async () => {
    const bench = new Bench();
    const { journal, recovery } = await bench.open();
    expect(recovery).toMatchObject({ isNew: true, cleanStop: true, records: 0 });
    journal.append(1, [Buffer.from('one')]);
    journal.append(2, [Buffer.from('t'), Buffer.from('wo')]);
    journal.append(3, []);
    await journal.close();
    const again = await bench.open();
    expect(again.records).toEqual(['1 one', '2 two', '3 ']);
    expect(again.recovery).toMatchObject({ isNew: false, cleanStop: true, records: 3, tornBytes: 0 });
  });

  it('reports an unclean stop, also when only the opening came after a clean one (J-5)', async () => {
    const bench = new Bench();
    await (await bench.open()).journal.close();
    await bench.open();
    bench.kill();
    expect((await bench.open()).recovery.cleanStop).toBe(false);
  });

  it('hands out what is not released, and does not read files wholly before that', async () => {
    const bench = new Bench();
    const first = await bench.open();
    await fill(first.journal, 9);
    const redo = first.journal.append(2, [Buffer.from('from here')]);
    await first.journal.flush();
    first.journal.release(redo);
    await first.journal.close();
    const again = await bench.open();
    expect(again.records).toEqual(['2 from here']);
    expect(again.recovery.redo).toBe(redo);
    expect(again.recovery.bytesScanned).toBeLessThanOrEqual(2 * FILE_BYTES);
  });

  it('begins replay at startReplayAt where that is later than the last release', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    journal.append(1, [Buffer.from('old')]);
    const startReplayAt = journal.append(1, [Buffer.from('new')]);
    await journal.close();
    expect((await bench.open({ startReplayAt })).records).toEqual(['1 new']);
  });

  it('hands everything to the first pass before the second one begins', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    for (const text of ['a', 'b']) journal.append(1, [Buffer.from(text)]);
    await journal.close();
    const order: string[] = [];
    const again = await bench.open({ firstPass: (record) => void order.push(record.payload.toString()) });
    expect(order).toEqual(['a', 'b']);
    expect(again.recovery.records).toBe(2);
  });

  it("returns the owner's bytes of the newest file (J-6)", async () => {
    const bench = new Bench();
    let term = 0;
    const headerPayload = () => Buffer.from(`term ${(term += 1)}`);
    const { journal } = await bench.open({ headerPayload });
    await fill(journal, 6);
    bench.kill();
    expect((await bench.open({ headerPayload })).recovery.headerPayload.toString()).toBe(`term ${term}`);
    expect(term).toBe(2);
  });

  it('continues in the same file after a crash, so that restarts do not use the ring up', async () => {
    const bench = new Bench();
    for (let life = 0; life < 5; life += 1) {
      const { journal } = await bench.open();
      journal.append(1, [Buffer.from(`life ${life}`)]);
      await journal.flush();
      bench.kill();
    }
    expect((await bench.open()).records).toEqual([0, 1, 2, 3, 4].map((life) => `1 life ${life}`));
    const block = decodeFileHeader(bench.disk.contentOf(`${DIRECTORY}/000.journal`).subarray(0, BLOCK_BYTES), crc32c);
    expect(block.kind === 'used' ? block.header.sequence : block.kind).toBe(1);
  });

  it('takes files of another size and count over', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    await fill(journal, 9);
    await journal.close();
    const resized = await bench.open({ fileBytes: 2 * FILE_BYTES, fileCount: 2 });
    expect(resized.records).toHaveLength(9);
    resized.journal.release((resized.journal.durablePosition + 1) as JournalPosition);
    await fill(resized.journal, 12);
    await resized.journal.close();
    const sizes = bench.disk.filePaths().map((path) => bench.disk.contentOf(path).length);
    expect(sizes).toContain(2 * FILE_BYTES);
    expect((await bench.open({ fileBytes: 2 * FILE_BYTES, fileCount: 2 })).records).toHaveLength(12);
  });

  it('takes a full ring of files of another size over', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    while (journal.headroomBytes > 0) await fill(journal, 1);
    bench.kill();
    const smaller = { fileBytes: 18 * BLOCK_BYTES, fileCount: 3 };
    const resized = await bench.open(smaller);
    resized.journal.release((resized.journal.durablePosition + 1) as JournalPosition);
    await fill(resized.journal, 5);
    bench.kill();
    expect((await bench.open(smaller)).records).toHaveLength(5);
  });

  it('writes a last group again that is larger than groups may be now', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    await fill(journal, 4);
    bench.kill();
    const smaller = { groupBytesMax: BLOCK_BYTES };
    expect((await bench.open(smaller)).recovery).toMatchObject({ rewroteLastGroup: true, records: 4 });
    bench.kill();
    expect((await bench.open(smaller)).recovery).toMatchObject({ rewroteLastGroup: false, records: 4 });
  });

  it('refuses damage with file, offset and what to do, and changes nothing (J-5)', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    for (const text of ['a', 'b']) {
      journal.append(1, [Buffer.from(text)]);
      await journal.flush();
    }
    await journal.close();
    const path = `${DIRECTORY}/000.journal`;
    bench.disk.flipBit(path, BLOCK_BYTES + 70, 3);
    const before = bench.disk.contentOf(path);
    const opening = bench.open();
    await expect(opening).rejects.toThrow(JournalDamagedError);
    await expect(opening).rejects.toThrow(
      /000\.journal is damaged at offset 4096: .* follows at offset 8192.* Restore the directory/,
    );
    expect(bench.disk.contentOf(path).equals(before)).toBe(true);
  });

  it('refuses a journal whose only header is unreadable, rather than to begin a new one', async () => {
    const bench = new Bench();
    await (await bench.open()).journal.close();
    bench.disk.flipBit(`${DIRECTORY}/000.journal`, 20, 0);
    await expect(bench.open()).rejects.toThrow(/the header is unreadable/);
  });

  it('refuses files of a later format', async () => {
    const bench = new Bench();
    await (await bench.open()).journal.close();
    const path = `${DIRECTORY}/000.journal`;
    const block = decodeFileHeader(bench.disk.contentOf(path).subarray(0, BLOCK_BYTES), crc32c);
    if (block.kind !== 'used') throw new Error('no header');
    const file = await bench.disk.open(path, 'write');
    await file.write(0, [encodeFileHeader({ ...block.header, formatVersion: 2 }, crc32c)]);
    await expect(bench.open()).rejects.toThrow(JournalFormatError);
  });

  it('refuses options that cannot work, by name', async () => {
    const bench = new Bench();
    await expect(bench.open({ fileBytes: 8 * BLOCK_BYTES })).rejects.toThrow(/fileBytes 32768 .* at least/);
    await expect(bench.open({ groupBytesMax: 5000 })).rejects.toThrow(/groupBytesMax 5000/);
    await expect(bench.open({ fileCount: 1 })).rejects.toThrow(/fileCount 1/);
    await expect(bench.open({ reserveBytes: FILE_BYTES })).rejects.toThrow(/reserveBytes 98304 is not from 0 to/);
    await expect(bench.open({ pendingBytesMax: 0 })).rejects.toThrow(/pendingBytesMax 0/);
  });
});

describe('Journal', () => {
  it('writes a lone record at once, and what comes meanwhile together in the next group (J-4)', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    journal.append(1, [Buffer.from('alone')]);
    await turns(0);
    await Promise.resolve();
    for (let i = 0; i < 10; i += 1) journal.append(1, [Buffer.from(`together ${i}`)]);
    await journal.flush();
    expect(bench.writes).toEqual([1, 10]);
  });

  it('acknowledges a record only when its group is durable', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    const release = bench.disk.inject({ operations: ['durableWrite'], fault: 'hold' });
    const position = journal.append(1, [Buffer.from('x')]);
    await turns(20);
    expect(journal.durablePosition).toBeLessThan(position);
    bench.clock.advance(30);
    expect(journal.outstandingWriteMs).toBe(30);
    release();
    await journal.flush();
    expect(journal.durablePosition).toBe(position);
    expect(journal.outstandingWriteMs).toBe(0);
  });

  it('seals when it has been idle, once (J-5)', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    journal.append(1, [Buffer.from('x')]);
    await journal.flush();
    bench.kill();
    expect((await bench.open()).recovery.rewroteLastGroup).toBe(true);
    bench.kill();
    expect((await bench.open()).recovery.rewroteLastGroup).toBe(false);
    const sealed = await bench.open();
    sealed.journal.append(1, [Buffer.from('y')]);
    await sealed.journal.flush();
    do await turns(1);
    while (bench.disk.isBusy);
    bench.clock.advance(1000);
    do await turns(1);
    while (bench.disk.isBusy);
    const operations = bench.disk.operationsCompleted;
    bench.clock.advance(1000);
    await turns(10);
    expect(bench.disk.operationsCompleted).toBe(operations);
    bench.kill();
    expect((await bench.open()).recovery.rewroteLastGroup).toBe(false);
  });

  it('makes producers wait when the ring is full, tells what to release, and goes on then (J-7)', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    const pressures: number[] = [];
    journal.onPressure((releaseUpTo) => pressures.push(releaseUpTo));
    let appended = 0;
    while (journal.headroomBytes > 0) {
      await fill(journal, 1);
      appended += 1;
    }
    expect(pressures.length).toBeGreaterThan(0);
    expect(journal.usedBytes).toBeLessThanOrEqual(journal.capacityBytes);
    let hasRoom = false;
    journal.onHeadroom(() => {
      hasRoom = true;
    });
    await turns(10);
    expect(hasRoom).toBe(false);
    journal.release(Math.max(...pressures) as JournalPosition);
    expect(hasRoom).toBe(true);
    journal.onPressure((releaseUpTo) => journal.release(releaseUpTo as JournalPosition));
    await fill(journal, appended);
    expect(bench.disk.filePaths()).toHaveLength(3);
  });

  it('keeps the ring from growing on a full disk, and grows it when there is space again', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    const repair = bench.disk.inject({ operations: ['open', 'write'], path: /preparing/, fault: 'ENOSPC' });
    for (let i = 0; i < 5; i += 1) journal.append(1, [Buffer.alloc(journal.recordBytesMax)]);
    await turns(50);
    expect(journal.durablePosition).toBeLessThan(journal.endPosition);
    repair();
    bench.clock.advance(1000);
    await journal.flush();
    expect(journal.durablePosition).toBe(journal.endPosition);
  });

  it('fails for good after a write error, and acknowledges nothing more (J-9)', async () => {
    const bench = new Bench();
    const { journal } = await bench.open();
    const failures: Error[] = [];
    const durable: number[] = [];
    journal.onFailure((error) => failures.push(error));
    journal.onDurable((position) => durable.push(position));
    bench.disk.inject({ operations: ['durableWrite'], fault: 'EIO', times: 1 });
    journal.append(1, [Buffer.from('x')]);
    await expect(journal.flush()).rejects.toThrow(/writing the journal in \/journal failed: EIO/);
    expect(() => journal.append(1, [Buffer.from('y')])).toThrow(JournalFailedError);
    await expect(journal.flush()).rejects.toThrow(JournalFailedError);
    await expect(journal.close()).rejects.toThrow(JournalFailedError);
    expect(failures).toHaveLength(1);
    expect(durable).toEqual([]);
  });

  it('refuses records that are too large, of no type, or late', async () => {
    const { journal } = await new Bench().open();
    expect(() => journal.append(1, [Buffer.alloc(journal.recordBytesMax + 1)])).toThrow(/at most 16312 fit/);
    expect(() => journal.append(0, [])).toThrow(/record type 0/);
    expect(() => journal.append(128, [])).toThrow(/record type 128/);
    await journal.close();
    expect(() => journal.append(1, [])).toThrow(/closed/);
  });

  it('ends with an error when what waits cannot be written before the end', async () => {
    const bench = new Bench();
    const { journal } = await bench.open({ fileCount: 2 });
    while (journal.headroomBytes > 0) await fill(journal, 1);
    for (let i = 0; i < 6; i += 1) journal.append(1, [Buffer.alloc(journal.recordBytesMax)]);
    await expect(journal.close()).rejects.toThrow(/the ring is full: \d+ bytes wait/);
  });
});
