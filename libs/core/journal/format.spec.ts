import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as format from './format';
import { GroupKind } from './format';
import type { FileHeader, GroupHeader } from './format';

const HEADER: FileHeader = {
  formatVersion: format.FORMAT_VERSION,
  sequence: 7,
  fileBytes: 64 * 1024,
  groupBytesMax: 16 * 1024,
  startPosition: 2 ** 40 + 5,
  redo: 2 ** 33,
  salt: Buffer.from('0123456789abcdef'),
  ownerPayload: Buffer.from('term 3, vote 2'),
};

function group(payload: Buffer, file: FileHeader, offset: number, kind = GroupKind.Data): Buffer {
  const block = Buffer.alloc(format.paddedGroupBytes(payload.length));
  const header: GroupHeader = {
    kind,
    payloadBytes: payload.length,
    recordCount: 1,
    startPosition: 12,
    redo: 3,
    blockIndex: offset / format.BLOCK_BYTES,
  };
  format.encodeGroupHeader(block, header, [payload], file.salt, format.saltSeed(file.salt, crc32c), crc32c);
  payload.copy(block, format.GROUP_HEADER_BYTES);
  return block;
}

function isValid(block: Buffer, file: FileHeader, offset: number): boolean {
  const header = format.decodeGroupHeader(block, offset, file);
  return header !== undefined && format.isGroupIntact(block, header, format.saltSeed(file.salt, crc32c), crc32c);
}

describe('journal file header', () => {
  it('comes back as it was written', () => {
    const found = format.decodeFileHeader(format.encodeFileHeader(HEADER, crc32c), crc32c);
    expect(found).toEqual({ kind: 'used', header: HEADER });
  });

  it('is blank where a file was only preallocated', () => {
    expect(format.decodeFileHeader(Buffer.alloc(format.BLOCK_BYTES), crc32c).kind).toBe('blank');
  });

  it('is unreadable after any bit of it has changed', () => {
    fc.assert(
      fc.property(fc.nat(format.BLOCK_BYTES - 1), fc.nat(7), (offset, bit) => {
        const block = format.encodeFileHeader(HEADER, crc32c);
        block.writeUInt8(block.readUInt8(offset) ^ (1 << bit), offset);
        expect(format.decodeFileHeader(block, crc32c).kind).toBe('unreadable');
      }),
    );
  });

  it('of a later format is told apart from an unreadable one', () => {
    const block = format.encodeFileHeader({ ...HEADER, formatVersion: 9 }, crc32c);
    expect(format.decodeFileHeader(block, crc32c)).toEqual({ kind: 'foreign', formatVersion: 9 });
  });

  it('refuses an owner payload that does not fit (J-6)', () => {
    const ownerPayload = Buffer.alloc(format.HEADER_PAYLOAD_BYTES_MAX + 1);
    expect(() => format.encodeFileHeader({ ...HEADER, ownerPayload }, crc32c)).toThrow(/3969 bytes, at most 3968/);
  });
});

describe('journal group', () => {
  it('is the same where CRCs of parts are known', () => {
    const seed = format.saltSeed(HEADER.salt, crc32c);
    const parts = fc.array(fc.record({ bytes: fc.uint8Array({ maxLength: 500 }), isKnown: fc.boolean() }), { maxLength: 8 });
    fc.assert(
      fc.property(parts, (drawn) => {
        const payload = drawn.map(({ bytes }) => bytes);
        const header = {
          kind: GroupKind.Data,
          payloadBytes: Buffer.concat(payload).length,
          recordCount: 3,
          startPosition: 9,
          redo: 1,
          blockIndex: 2,
        };
        const [plain, combined] = [Buffer.alloc(format.GROUP_HEADER_BYTES), Buffer.alloc(format.GROUP_HEADER_BYTES)];
        format.encodeGroupHeader(plain, header, payload, HEADER.salt, seed, crc32c);
        const known = drawn.map(({ bytes, isKnown }) => (isKnown ? crc32c(bytes) : undefined));
        format.encodeGroupHeader(combined, header, payload, HEADER.salt, seed, crc32c, known);
        expect(combined.equals(plain)).toBe(true);
      }),
    );
  });

  it('is valid only in the file and at the place that it was written for (J-3)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes, salt) => {
        fc.pre(!Buffer.from(salt).equals(Buffer.from(HEADER.salt)));
        const block = group(Buffer.from(bytes), HEADER, 8192);
        expect(isValid(block, HEADER, 8192)).toBe(true);
        expect(isValid(block, HEADER, 12288)).toBe(false);
        expect(isValid(block, { ...HEADER, salt }, 8192)).toBe(false);
      }),
    );
  });

  it('is not valid under a salt that shares its tag', () => {
    const salt = Buffer.from(HEADER.salt);
    salt.writeUInt8(salt.readUInt8(15) ^ 1, 15);
    expect(isValid(group(Buffer.from('x'), HEADER, 4096), { ...HEADER, salt }, 4096)).toBe(false);
  });

  it('is not valid after a bit of its header or payload has changed', () => {
    const payload = Buffer.from('a record');
    fc.assert(
      fc.property(fc.nat(format.GROUP_HEADER_BYTES + payload.length - 1), fc.nat(7), (offset, bit) => {
        const block = group(payload, HEADER, 4096);
        block.writeUInt8(block.readUInt8(offset) ^ (1 << bit), offset);
        expect(isValid(block, HEADER, 4096)).toBe(false);
      }),
    );
  });

  it('is not read beyond the file or the largest group', () => {
    const large = group(Buffer.alloc(20 * 1024), { ...HEADER, groupBytesMax: 32 * 1024 }, 4096);
    expect(format.decodeGroupHeader(large, 4096, HEADER)).toBeUndefined();
    const atEnd = group(Buffer.alloc(5000), HEADER, HEADER.fileBytes - 4096);
    expect(format.decodeGroupHeader(atEnd, HEADER.fileBytes - 4096, HEADER)).toBeUndefined();
  });

  it('gives back its records', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 127 }), fc.uint8Array({ maxLength: 50 }))), (records) => {
        const parts = records.map(([type, bytes]) => {
          const record = Buffer.alloc(format.RECORD_HEADER_BYTES + bytes.length);
          format.encodeRecordHeader(record, 0, type, bytes.length);
          record.set(bytes, format.RECORD_HEADER_BYTES);
          return record;
        });
        const payload = Buffer.concat(parts);
        const found = [...format.recordsOf(payload)].map(({ type, from, to }) => [
          type,
          new Uint8Array(payload.subarray(from, to)),
        ]);
        expect(found).toEqual(records);
      }),
    );
  });
});
