import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { combineCrc32c } from './crc-combine';

describe('the combination of two CRCs', () => {
  it('is the CRC of all the bytes, from any seed', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, fc.nat({ max: 0xffff_ffff }), (first, second, seed) => {
        const whole = crc32c(Buffer.concat([first, second]), seed);
        expect(combineCrc32c(crc32c(first, seed), crc32c(second), second.length)).toBe(whole);
      }),
    );
  });

  it('holds for batches of any size', () => {
    const first = crc32c(Buffer.from('a record before it'), 77);
    for (const bytes of [1, 4_095, 16_384, 65_536 - 21, 1_000_003, 8 << 20]) {
      const second = Buffer.alloc(bytes, 'batch');
      expect(combineCrc32c(first, crc32c(second), bytes)).toBe(crc32c(second, first));
    }
  });
});
