import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildBatch } from './batch-builder';
import type { NewBatch, NewRecord } from './batch-builder';
import { BatchField, readBatchHeader } from './batch-header';
import { isBatchCrcValid } from './batch-patch';
import { RecordFormatError } from './record-format-error';
import { scanRecords } from './record-scan';
import { recordsOf, recordsSection } from './record-view';
import { VarintReader, varintSize, writeVarint } from './varint';

const LIMIT = 1 << 24;
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const anyRecord: fc.Arbitrary<NewRecord> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestamp: fc.integer({ min: -1, max: 2 ** 48 }),
  headers: fc.array(fc.record({ key: fc.string(), value: fc.option(bytes) }), { maxLength: 3 }),
});
const anyBatch: fc.Arbitrary<NewBatch> = fc.record({
  records: fc.array(anyRecord, { minLength: 1, maxLength: 40 }),
  timestamp: fc.nat(),
  baseOffset: fc.nat({ max: 2 ** 50 }),
  codec: fc.constantFrom('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  producerId: fc.integer({ min: -1, max: 2 ** 52 }),
  producerEpoch: fc.integer({ min: -1, max: 32767 }),
  baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
});

describe('a batch that was built', () => {
  it('gives back every record, with every codec', () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        const built = buildBatch(batch);
        const header = readBatchHeader(built);
        expect(isBatchCrcValid(built)).toBe(true);
        const read = [...recordsOf(built, header, LIMIT)].map((record) => ({
          offset: record.offset,
          key: record.key,
          value: record.value,
          timestamp: record.timestamp,
          headers: record.headers(),
        }));
        const baseOffset = batch.baseOffset ?? 0;
        expect(read).toEqual(batch.records.map((record, index) => ({ ...record, offset: baseOffset + index })));
      }),
      { numRuns: 150 },
    );
  });

  it('is scanned to the same counts as its records give', () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        const built = buildBatch(batch);
        const header = readBatchHeader(built);
        const scan = scanRecords(recordsSection(built, header, LIMIT), header.recordCount, header.baseTimestamp);
        const times = batch.records.map((record) => record.timestamp ?? 0);
        expect(scan.keylessCount).toBe(batch.records.filter((record) => record.key === null).length);
        expect(scan.maxTimestamp).toBe(Math.max(...times));
        expect(scan.minTimestamp).toBe(
          times.every((time) => time === -1) ? -1 : Math.min(...times.filter((time) => time !== -1)),
        );
        expect(header.maxTimestamp).toBe(scan.maxTimestamp);
      }),
      { numRuns: 100 },
    );
  });

  it('gives all its records the append time with LogAppendTime', () => {
    const built = buildBatch({ records: [{ timestamp: 1 }, { timestamp: 2 }], timestamp: 99, logAppendTime: true });
    expect([...recordsOf(built, readBatchHeader(built), LIMIT)].map((record) => record.timestamp)).toEqual([99, 99]);
  });

  it('hands out views, not copies', () => {
    const built = buildBatch({ records: [{ value: Buffer.from('payload') }], timestamp: 1 });
    const [record] = recordsOf(built, readBatchHeader(built), LIMIT);
    expect(record?.value?.buffer).toBe(built.buffer);
  });
});

describe('mutated records', () => {
  const built = buildBatch({
    records: [
      { key: Buffer.from('k1'), value: Buffer.from('value one'), headers: [{ key: 'h', value: Buffer.from('x') }] },
      { key: null, value: Buffer.alloc(200, 7) },
      { key: Buffer.from('k3'), value: null },
    ],
    timestamp: 1_700_000_000_000,
  });
  const header = readBatchHeader(built);
  const section = built.subarray(BatchField.records);

  function scanAndRead(mutant: Buffer): void {
    const whole = Buffer.concat([built.subarray(0, BatchField.records), mutant]);
    for (const read of [
      () => scanRecords(mutant, header.recordCount, header.baseTimestamp),
      () => [...recordsOf(whole, { ...header, sizeBytes: whole.length }, LIMIT)].map((record) => record.headers()),
    ]) {
      try {
        read();
      } catch (error) {
        expect(error).toBeInstanceOf(RecordFormatError);
      }
    }
  }

  it('are read or refused, never more', () => {
    for (let at = 0; at < section.length; at += 1) {
      for (const byte of [0, 1, 0x7f, 0x80, 0xfe, 0xff]) {
        const mutant = Buffer.from(section);
        mutant[at] = byte;
        scanAndRead(mutant);
      }
    }
  });

  it('are refused by the scan when cut or followed by more', () => {
    for (let length = 0; length < section.length; length += 1) {
      expect(() => scanRecords(section.subarray(0, length), 3, 0)).toThrow(RecordFormatError);
    }
    expect(() => scanRecords(Buffer.concat([section, Buffer.alloc(1)]), 3, 0)).toThrow(/follow the last/);
    expect(() => scanRecords(section, 2, 0)).toThrow(/follow the last/);
    expect(() => scanRecords(section, 4, 0)).toThrow(RecordFormatError);
    expect(() => scanRecords(section, 0x7fffffff, 0)).toThrow(RecordFormatError);
  });
});

describe('varints', () => {
  it('round trip from -2^51 to 2^51', () => {
    const buffer = Buffer.alloc(10);
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), (value) => {
        const end = writeVarint(buffer, 0, value);
        expect(end).toBe(varintSize(value));
        const reader = new VarintReader(buffer, 0, end);
        expect(reader.readVarlong()).toBe(value);
        expect(reader.position).toBe(end);
        if (Math.abs(value) < 2 ** 31) expect(new VarintReader(buffer, 0, end).readVarint()).toBe(value);
      }),
    );
  });

  it('are refused when longer than their type, or cut', () => {
    const endless = Buffer.alloc(12, 0xff);
    expect(() => new VarintReader(endless, 0, 12).readVarint()).toThrow(/too large/);
    expect(() => new VarintReader(endless, 0, 12).readVarlong()).toThrow(/too large/);
    expect(() => new VarintReader(endless, 0, 3).readVarlong()).toThrow(/bytes end/);
  });
});
