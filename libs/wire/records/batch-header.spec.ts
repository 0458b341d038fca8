import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildBatch } from './batch-builder';
import {
  BATCH_OVERHEAD_BYTES,
  BatchField,
  codecIdOf,
  hasDeleteHorizon,
  isControl,
  isLogAppendTime,
  isTransactional,
} from './batch-header';
import { readBatchHeader, readInt64OrNaN, writeInt64 } from './batch-header';
import { isBatchCrcValid, patchBaseOffset, patchMaxTimestamp, patchPartitionLeaderEpoch } from './batch-patch';
import { batchesIn, wholeBatchSizeAt } from './batch-iterator';
import { RecordFormatError } from './record-format-error';

const value = Buffer.from('v');

describe('readBatchHeader', () => {
  it('reads every field where the builder wrote it', () => {
    const batch = buildBatch({
      records: [
        { value, timestamp: 1000 },
        { value, timestamp: 3000 },
      ],
      timestamp: 1,
      baseOffset: 2 ** 40,
      partitionLeaderEpoch: 7,
      codec: 'gzip',
      producerId: 2 ** 52 + 1,
      producerEpoch: 3,
      baseSequence: 9,
      transactional: true,
    });
    const header = readBatchHeader(batch);
    expect(header).toMatchObject({
      baseOffset: 2 ** 40,
      sizeBytes: batch.length,
      partitionLeaderEpoch: 7,
      magic: 2,
      lastOffsetDelta: 1,
    });
    expect(header).toMatchObject({
      baseTimestamp: 1000,
      maxTimestamp: 3000,
      producerId: 2 ** 52 + 1,
      producerEpoch: 3,
      baseSequence: 9,
      recordCount: 2,
    });
    expect(codecIdOf(header.attributes)).toBe(1);
    expect(isTransactional(header.attributes)).toBe(true);
    expect(isControl(header.attributes) || isLogAppendTime(header.attributes) || hasDeleteHorizon(header.attributes)).toBe(false);
  });

  it('reads at an offset without looking before it', () => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5, baseOffset: 11 });
    const shifted = Buffer.concat([Buffer.alloc(13, 0xff), batch]);
    expect(readBatchHeader(shifted, 13)).toEqual(readBatchHeader(batch));
  });

  it('refuses bytes that end before the batch does, at every length', () => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5 });
    for (let length = 0; length < batch.length; length += 1) {
      expect(() => readBatchHeader(batch.subarray(0, length))).toThrow(RecordFormatError);
    }
  });

  it.each([
    ['baseOffset', BatchField.baseOffset, 'range'],
    ['producerId', BatchField.producerId, 'range'],
    ['baseTimestamp', BatchField.baseTimestamp, 'timestamp-range'],
    ['maxTimestamp', BatchField.maxTimestamp, 'timestamp-range'],
  ] as const)('refuses a %s outside 2^53', (_, at, reason) => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5 });
    batch.writeBigInt64BE(2n ** 53n, at);
    expect(() => readBatchHeader(batch)).toThrow(expect.objectContaining({ reason }));
  });

  it('refuses another magic', () => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5 });
    batch.writeInt8(1, BatchField.magic);
    expect(() => readBatchHeader(batch)).toThrow(expect.objectContaining({ reason: 'magic' }));
  });
});

describe('int64 fields', () => {
  it('hold every safe integer', () => {
    const buffer = Buffer.alloc(8);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        writeInt64(buffer, 0, number);
        expect(buffer.readBigInt64BE(0)).toBe(BigInt(number));
        expect(readInt64OrNaN(buffer, 0)).toBe(number);
      }),
    );
  });
});

describe('patching a batch in place', () => {
  it('leaves the CRC valid for base offset and leader epoch without touching it', () => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5 });
    const { crc } = readBatchHeader(batch);
    patchBaseOffset(batch, 2 ** 45 + 3);
    patchPartitionLeaderEpoch(batch, 12);
    expect(readBatchHeader(batch)).toMatchObject({ baseOffset: 2 ** 45 + 3, partitionLeaderEpoch: 12, crc });
    expect(isBatchCrcValid(batch)).toBe(true);
  });

  it('computes the CRC anew for max timestamp and timestamp type', () => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5, codec: 'zstd' });
    patchMaxTimestamp(batch, 77, true);
    const header = readBatchHeader(batch);
    expect(header.maxTimestamp).toBe(77);
    expect(isLogAppendTime(header.attributes)).toBe(true);
    expect(codecIdOf(header.attributes)).toBe(4);
    expect(isBatchCrcValid(batch)).toBe(true);
  });

  it('finds every flipped bit that the CRC covers', () => {
    const batch = buildBatch({ records: [{ value }], timestamp: 5 });
    for (let bit = BatchField.crc * 8; bit < batch.length * 8; bit += 1) {
      const mutant = Buffer.from(batch);
      mutant.writeUInt8(mutant.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(isBatchCrcValid(mutant)).toBe(false);
    }
  });
});

describe('batchesIn', () => {
  const first = buildBatch({ records: [{ value }], timestamp: 5 });
  const second = buildBatch({ records: [{ value }, { value }], timestamp: 6 });

  it('yields whole batches as views and trims an incomplete trailing one, wherever it is cut', () => {
    const both = Buffer.concat([first, second]);
    for (let length = 0; length <= both.length; length += 1) {
      const whole = [...batchesIn(both.subarray(0, length))];
      expect(whole.length).toBe(length === both.length ? 2 : length >= first.length ? 1 : 0);
      if (whole[0] !== undefined) expect(whole[0].buffer).toBe(both.buffer);
    }
  });

  it('refuses a length below that of any format, and a magic that none has', () => {
    const wrongLength = Buffer.from(first);
    wrongLength.writeInt32BE(13, BatchField.length);
    expect(() => wholeBatchSizeAt(wrongLength, 0)).toThrow(expect.objectContaining({ reason: 'size' }));
    wrongLength.writeInt32BE(-1, BatchField.length);
    expect(() => [...batchesIn(wrongLength)]).toThrow(expect.objectContaining({ reason: 'size' }));
    const wrongMagic = Buffer.from(first);
    wrongMagic.writeInt8(3, BatchField.magic);
    expect(() => [...batchesIn(wrongMagic)]).toThrow(expect.objectContaining({ reason: 'magic' }));
  });

  it('takes a length near 2^31 for an incomplete batch', () => {
    const huge = Buffer.alloc(BATCH_OVERHEAD_BYTES);
    huge.writeInt32BE(0x7fffffff, BatchField.length);
    huge.writeInt8(2, BatchField.magic);
    expect([...batchesIn(huge)]).toEqual([]);
  });
});
