import { beforeEach, describe, expect, it } from 'vitest';
import { topicConfigValues } from '@streamline/core/metadata/topic-configs';
import { RECORD_BATCH_BYTES_MAX } from '@streamline/core/types/limits';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { batchOf, checkedBatch, openTestEngine, TEST_LOG_CONFIG, testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { codecIdOf } from '@streamline/wire/records/batch-header';
import type { CodecName } from '@streamline/wire/records/codecs/codec';
import { CodecId } from '@streamline/wire/records/codecs/codec';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { validateProduce } from '@streamline/wire/records/validate-produce';
import type { PartitionLog } from '../log/log-engine';
import type { OpenedLogEngine } from '../log/open-log-engine';
import { DEFAULT_LOG_JOURNAL } from '../log/open-log-engine';
import { logConfigOf, produceRulesOf } from '../partitions/topic-settings';

const NOW = 1_700_000_000_000;
const NONE: ReadonlyMap<string, string> = new Map();
/** Makes every batch begin a segment: the index of one has room for no entry. */
const SEGMENT_A_BATCH = { 'segment.index.bytes': '4' } as const;

let disk: MemoryDisk;
let clock: VirtualClock;
let opened: OpenedLogEngine['engine'];

beforeEach(async () => {
  disk = new MemoryDisk({ random: new SeededRandom(1) });
  clock = new VirtualClock(NOW);
  ({ engine: opened } = await openTestEngine({ disk, clock, random: new SeededRandom(3) }));
});

/** A partition's log as a topic with these configs gets it. */
function logWith(configs: Record<string, string>): PartitionLog {
  const values = topicConfigValues(new Map(Object.entries(configs)), NONE);
  return opened.open(testKey(1), logConfigOf(values, false, 86_400_000));
}

async function append(log: PartitionLog, ...timestamps: number[]): Promise<void> {
  for (const timestamp of timestamps) {
    expect(log.append(batchOf(['value'], timestamp)).kind).toBe('appended');
    await until(() => log.stableEndOffset === log.logEndOffset);
  }
}

/** Lets the disk go on until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 5_000; tries++) {
    if (isSo()) return;
    await disk.exists('/');
  }
  throw new Error('it never came about');
}

const segments = (): string[] => disk.filePaths().filter((path) => path.endsWith('.log'));

async function segmentCount(): Promise<number> {
  await opened.checkpoint();
  return segments().length;
}

describe('a topic config in effect', () => {
  it('does by default nothing of what follows: one segment, nothing removed', async () => {
    const log = logWith({ 'segment.ms': '1000' });
    await append(log, NOW - 1_000, NOW - 1_000, NOW - 1, ...Array.from({ length: 12 }, () => NOW - 1));
    await opened.runRetention();
    expect(await segmentCount()).toBe(1);
    expect(log.logStartOffset).toBe(0);
  });

  it('segment.bytes closes a segment by its size', async () => {
    const log = logWith({ 'segment.bytes': '1048576' });
    for (let n = 0; n < 150; n++) {
      log.append(batchOf(['x'.repeat(8_000)], NOW));
      // The journal of the test is smaller than what is appended: checkpoints, which take their time, make room in it.
      await until(() => {
        clock.advance(1);
        return log.stableEndOffset === log.logEndOffset;
      });
    }
    expect(await segmentCount()).toBe(2);
  });

  it('segment.ms closes a segment by its age', async () => {
    await append(logWith({ 'segment.ms': '1000' }), NOW, NOW + 1_000, NOW + 1_001);
    expect(await segmentCount()).toBe(2);
  });

  it('segment.jitter.ms closes a segment earlier than segment.ms says', async () => {
    await append(logWith({ 'segment.ms': '1000', 'segment.jitter.ms': '1000' }), NOW, NOW + 999);
    expect(await segmentCount()).toBe(2);
  });

  it('segment.index.bytes closes a segment whose index is full', async () => {
    await append(logWith(SEGMENT_A_BATCH), NOW, NOW, NOW);
    expect(await segmentCount()).toBe(3);
  });

  it('index.interval.bytes says how fast the index fills', async () => {
    await append(logWith({ 'segment.index.bytes': '16', 'index.interval.bytes': '0' }), ...Array.from({ length: 12 }, () => NOW));
    const dense = await segmentCount();
    expect(dense).toBeGreaterThan(2);
  });

  it.each([
    ['retention.ms', { 'retention.ms': '1000' }],
    ['retention.bytes', { 'retention.bytes': '100' }],
  ])('%s removes old segments', async (_, configs) => {
    const log = logWith({ ...SEGMENT_A_BATCH, ...configs });
    await append(log, NOW - 9_000, NOW - 8_000, NOW - 7_000, NOW);
    await opened.checkpoint();
    await opened.runRetention();
    expect(log.logStartOffset).toBeGreaterThan(1);
  });

  it('cleanup.policy without delete keeps everything', async () => {
    const log = logWith({ ...SEGMENT_A_BATCH, 'cleanup.policy': '', 'retention.ms': '1000', 'retention.bytes': '100' });
    await append(log, NOW - 9_000, NOW - 8_000, NOW);
    await opened.checkpoint();
    await opened.runRetention();
    expect(log.logStartOffset).toBe(0);
  });

  it('file.delete.delay.ms keeps the files of a removed segment for so long', async () => {
    const log = logWith({ ...SEGMENT_A_BATCH, 'retention.ms': '1000', 'file.delete.delay.ms': '5000' });
    await append(log, NOW - 9_000, NOW - 8_000, NOW);
    await opened.checkpoint();
    await opened.runRetention();
    const before = segments().length;
    clock.advance(4_999);
    for (let n = 0; n < 50; n++) await disk.exists('/');
    expect(segments()).toHaveLength(before);
    clock.advance(1);
    await until(() => segments().length < before);
  });

  const durable = (): number =>
    segments().reduce((sum, path) => sum + disk.durableContentOf(path).filter((byte) => byte !== 0).length, 0);

  it('flush.messages above 1 syncs after so many records', async () => {
    const log = logWith({ 'flush.messages': '3' });
    await append(log, NOW, NOW);
    const before = durable();
    for (let n = 0; n < 50; n++) await disk.exists('/');
    expect(durable()).toBe(before);
    await append(log, NOW);
    await until(() => durable() > before);
  });

  it('flush.ms syncs after so long', async () => {
    const log = logWith({ 'flush.messages': '1000', 'flush.ms': '500' });
    await append(log, NOW);
    const before = durable();
    clock.advance(499);
    for (let n = 0; n < 50; n++) await disk.exists('/');
    expect(durable()).toBe(before);
    clock.advance(1);
    await until(() => durable() > before);
  });

  it('max.decompressed.message.bytes refuses what decompresses to more', () => {
    const batch = buildBatch({ records: [{ value: Buffer.alloc(50_000) }], timestamp: NOW, codec: 'gzip' });
    const outcome = (bytes: string) =>
      validateProduce(batch, produceRulesOf(topicConfigValues(new Map([['max.decompressed.message.bytes', bytes]]), NONE)), NOW);
    expect(outcome('60000').ok).toBe(true);
    expect(outcome('40000')).toMatchObject({ ok: false, errorCode: 87 });
  });

  const stored = (configs: Record<string, string>, codec: CodecName = 'none', bytes = 50_000) => {
    const batch = buildBatch({ records: [{ value: Buffer.from('0123456789abcdef'.repeat(bytes / 16)) }], timestamp: NOW, codec });
    return validateProduce(batch, produceRulesOf(topicConfigValues(new Map(Object.entries(configs)), NONE)), NOW);
  };
  const codecOf = (outcome: ReturnType<typeof stored>) => (outcome.ok ? codecIdOf(outcome.header.attributes) : undefined);
  const sizeOf = (outcome: ReturnType<typeof stored>) => (outcome.ok ? outcome.batch.length : 0);

  it.each([
    ['uncompressed', CodecId.none],
    ['gzip', CodecId.gzip],
    ['snappy', CodecId.snappy],
    ['lz4', CodecId.lz4],
    ['zstd', CodecId.zstd],
  ])('compression.type %s stores batches with that codec, whatever the producer chose', (type, codecId) => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      expect(codecOf(stored({ 'compression.type': type }, codec)), codec).toBe(codecId);
    }
  });

  it('compression.type producer stores batches as they came', () => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)
      expect(codecOf(stored({}, codec))).toBe(CodecId[codec]);
  });

  it('max.message.bytes promises no more than the journal of a node takes', async () => {
    const journal = { ...DEFAULT_LOG_JOURNAL, fileBytes: 28 << 20, fileCount: 2 };
    const ports = { disk: new MemoryDisk({ random: new SeededRandom(1) }), clock, random: new SeededRandom(3) };
    const { engine } = await openTestEngine({ ...ports, journal });
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    const batchWith = (bytes: number) => checkedBatch({ records: [{ value: Buffer.alloc(bytes) }], timestamp: NOW });
    const overhead = batchWith(RECORD_BATCH_BYTES_MAX).bytes.length - RECORD_BATCH_BYTES_MAX;
    const largest = batchWith(RECORD_BATCH_BYTES_MAX - overhead);
    expect(largest.bytes).toHaveLength(RECORD_BATCH_BYTES_MAX);
    expect(log.append(largest).kind).toBe('appended');
    await until(() => log.stableEndOffset === 1);
  });

  it('compression.type refuses what max.message.bytes does not allow any more once it is stored', () => {
    const limit = { 'max.message.bytes': '10000' };
    expect(stored(limit, 'gzip')).toMatchObject({ ok: true });
    expect(stored({ ...limit, 'compression.type': 'uncompressed' }, 'gzip')).toMatchObject({ ok: false, errorCode: 10 });
  });

  it.each([
    ['compression.gzip.level', 'gzip', '1', '9'],
    ['compression.zstd.level', 'zstd', '-131072', '19'],
  ])('%s says how hard the broker compresses', (name, type, low, high) => {
    const small = sizeOf(stored({ 'compression.type': type, [name]: high }));
    const large = sizeOf(stored({ 'compression.type': type, [name]: low }));
    expect(small).toBeGreaterThan(0);
    expect(large).toBeGreaterThan(small);
  });
});
