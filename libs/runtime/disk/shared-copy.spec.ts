import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyIntoShared } from './shared-copy';

const MEMORY_BYTES = 64 * 1024;

describe('copyIntoShared', () => {
  it('puts exactly these bytes in their place, of any length, and touches nothing beside them', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 100, maxLength: 8_000 }));
    fc.assert(
      fc.property(bytes, fc.nat(MEMORY_BYTES - 8_000), fc.nat(7), (chunk, at, shift) => {
        const target = Buffer.from(new SharedArrayBuffer(MEMORY_BYTES)).fill(0xee);
        const expected = Buffer.alloc(MEMORY_BYTES, 0xee);
        // A view of other memory, as batches are of frames.
        const source = new Uint8Array(chunk.length + 8).subarray(shift, shift + chunk.length);
        source.set(chunk);
        expected.set(source, at);
        copyIntoShared(target, at, source);
        expect(target.equals(expected)).toBe(true);
      }),
    );
  });

  it('refuses what does not fit', () => {
    const target = Buffer.from(new SharedArrayBuffer(1024));
    expect(() => copyIntoShared(target, 1000, Buffer.alloc(25))).toThrow(RangeError);
    expect(() => copyIntoShared(target, 500, Buffer.alloc(525))).toThrow(RangeError);
  });
});
