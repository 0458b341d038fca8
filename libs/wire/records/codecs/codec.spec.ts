import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as rawSnappy } from 'snappy';
import { describe, expect, it } from 'vitest';
import { RecordFormatError } from '../record-format-error';
import { CodecId, compress, decompress } from './codec';
import { xxh32Short } from './xxh32';

const MiB = 1 << 20;
const CODECS = [CodecId.gzip, CodecId.snappy, CodecId.lz4, CodecId.zstd] as const;
const payload = Buffer.from(Array.from({ length: 40_000 }, (_, index) => `${index % 977}:${(index * 7919) % 104729};`).join(''));

/** 300 times the same 4 KiB: far apart matches, many lz4 and zstd blocks. */
const repetitive = Buffer.concat(Array.from({ length: 300 }, () => payload.subarray(0, 4096)));

/** Runs `attempt` and tells how far the process's memory rose above what it was, in bytes (Linux counts it). */
function growthOf(attempt: () => void): number {
  writeFileSync('/proc/self/clear_refs', '5');
  const before = peakBytes();
  attempt();
  return peakBytes() - before;
}

function peakBytes(): number {
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1]) * 1024;
}

function reasonOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof RecordFormatError) return error.reason;
    throw error;
  }
  return 'none';
}

describe.each(CODECS)('codec %i', (codecId) => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 5000 }), (data) => {
        const bytes = Buffer.from(data);
        expect(decompress(codecId, compress(codecId, bytes), 5000).equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
    for (const bytes of [payload, repetitive]) {
      expect(decompress(codecId, compress(codecId, bytes), bytes.length).equals(bytes)).toBe(true);
    }
  });

  it('refuses one byte more than the limit, and takes exactly the limit', () => {
    const compressed = compress(codecId, payload);
    expect(reasonOf(() => decompress(codecId, compressed, payload.length - 1))).toBe('decompressed-size');
    expect(decompress(codecId, compressed, payload.length).length).toBe(payload.length);
  });

  it('refuses a bomb', () => {
    expect(reasonOf(() => decompress(codecId, compress(codecId, Buffer.alloc(64 * MiB)), MiB))).toBe('decompressed-size');
  });

  it.runIf(existsSync('/proc/self/clear_refs'))('refuses a bomb before memory is spent on it', () => {
    const bomb = compress(codecId, Buffer.alloc(64 * MiB));
    expect(growthOf(() => decompress(codecId, bomb, 64 * MiB))).toBeGreaterThan(60 * MiB);
    expect(growthOf(() => reasonOf(() => decompress(codecId, bomb, MiB)))).toBeLessThan(8 * MiB);
  });

  it('reads or refuses mutated data, within the limit', () => {
    const compressed = compress(codecId, payload.subarray(0, 3000));
    for (let at = 0; at < compressed.length; at += 3) {
      for (const byte of [0, 0x80, 0xff]) {
        const mutant = Buffer.from(compressed);
        mutant[at] = byte;
        expect(['none', 'compressed-data', 'decompressed-size']).toContain(reasonOf(() => decompress(codecId, mutant, MiB)));
      }
      expect(reasonOf(() => decompress(codecId, compressed.subarray(0, at), MiB))).not.toBe('decompressed-size');
    }
    expect(reasonOf(() => decompress(codecId, Buffer.alloc(0), MiB))).toBe('compressed-data');
  });
});

describe('gzip', () => {
  it('reads several members one after the other', () => {
    expect(decompress(CodecId.gzip, Buffer.concat([gzipSync('ab'), gzipSync('cd')]), 10).toString()).toBe('abcd');
  });
});

describe('snappy', () => {
  it('writes xerial framing, version 1', () => {
    expect(compress(CodecId.snappy, payload).subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
  });

  it('reads a raw block', () => {
    expect(decompress(CodecId.snappy, rawSnappy(payload), payload.length).equals(payload)).toBe(true);
  });

  it('refuses a raw block that declares 4 GB', () => {
    expect(reasonOf(() => decompress(CodecId.snappy, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), MiB))).toBe(
      'decompressed-size',
    );
  });

  it('counts all xerial blocks together against the limit', () => {
    const compressed = compress(CodecId.snappy, Buffer.alloc(4 * 32 * 1024));
    expect(reasonOf(() => decompress(CodecId.snappy, compressed, 3 * 32 * 1024))).toBe('decompressed-size');
  });
});

describe('lz4', () => {
  it('writes a frame of independent blocks without content size, as Java reads it', () => {
    const frame = compress(CodecId.lz4, payload);
    expect(frame.readUInt32LE(0)).toBe(0x184d2204);
    expect(frame.readUInt8(4) & 0x20).toBe(0x20);
    expect(frame.readUInt8(4) & 0x08).toBe(0);
  });

  it('reads frames with block and content checksums', () => {
    const frame = compressFrameSync(repetitive, { contentChecksum: true, blockChecksums: true });
    expect(decompress(CodecId.lz4, frame, repetitive.length).equals(repetitive)).toBe(true);
  });

  it('reads a frame of linked blocks with content size, as the lz4 tool writes it', () => {
    const text = Buffer.from('streamline '.repeat(20));
    const first = Buffer.concat([Buffer.from([0xf0, text.length - 15]), text]);
    // Two literals of its own, then a match that reaches back into the first block: offset 222, length 4 + 15 + 200.
    const second = Buffer.concat([Buffer.from([0x2f, 0x41, 0x42, 222, 0, 200, 0x50]), Buffer.from('final')]);
    const expected = Buffer.concat([text, Buffer.from('AB'), text.subarray(0, 219), Buffer.from('final')]);
    const descriptor = Buffer.alloc(10);
    descriptor.set([0x48, 0x40]);
    descriptor.writeBigUInt64LE(BigInt(expected.length), 2);
    const length = (block: Buffer) => Buffer.from([block.length & 0xff, block.length >> 8, 0, 0]);
    const frame = Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18]),
      descriptor,
      Buffer.from([(xxh32Short(descriptor) >>> 8) & 0xff]),
      ...[length(first), first, length(second), second, Buffer.alloc(4)],
    ]);
    expect(decompress(CodecId.lz4, frame, 1000).toString()).toBe(expected.toString());
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);
    expect(decompress(CodecId.lz4, Buffer.concat([skippable, frame, skippable, frame]), 1000).length).toBe(2 * expected.length);
  });

  it('refuses a frame descriptor with a wrong checksum', () => {
    const frame = compress(CodecId.lz4, payload);
    frame.writeUInt8(frame.readUInt8(6) ^ 1, 6);
    expect(() => decompress(CodecId.lz4, frame, MiB)).toThrow(/checksum/);
  });
});

describe('zstd', () => {
  /** A frame of run-length blocks of 4 bytes each, which a block header alone lets grow to 128 KiB. */
  function runLengthFrame(blockCount: number, blockBytes: number): Buffer {
    const blocks = Array.from({ length: blockCount }, (_, index) => {
      const block = Buffer.alloc(4, 0x61);
      block.writeUIntLE((blockBytes << 3) | (1 << 1) | (index === blockCount - 1 ? 1 : 0), 0, 3);
      return block;
    });
    return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]), ...blocks]);
  }

  /** Small blocks, as a stream that is flushed often has them: their bound is far above what they hold. */
  function flushedFrame(blockCount: number): { frame: Buffer; size: number } {
    const single = compress(CodecId.zstd, Buffer.alloc(500, 'ab'));
    const descriptor = single.readUInt8(4);
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const contentSizeBytes = descriptor >> 6 === 0 ? Number(isSingleSegment) : 1 << (descriptor >> 6);
    const headerBytes = 5 + (isSingleSegment ? 0 : 1) + contentSizeBytes;
    const block = single.subarray(headerBytes, single.length - ((descriptor & 4) !== 0 ? 4 : 0));
    const blocks = Array.from({ length: blockCount }, (_, index) => {
      const copy = Buffer.from(block);
      copy.writeUInt8((copy.readUInt8(0) & 0xfe) | (index === blockCount - 1 ? 1 : 0), 0);
      return copy;
    });
    return { frame: Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]), ...blocks]), size: blockCount * 500 };
  }

  it('refuses many run-length blocks by their headers alone', () => {
    const frame = runLengthFrame(10_000, 128 * 1024);
    expect(decompress(CodecId.zstd, runLengthFrame(4, 1000), 4000).length).toBe(4000);
    expect(reasonOf(() => decompress(CodecId.zstd, frame, 64 * MiB))).toBe('decompressed-size');
  });

  it('reads a frame of small blocks whose bound is above the limit though its content is not', () => {
    const { frame, size } = flushedFrame(24);
    const limit = 256 * 1024;
    expect(size).toBeLessThan(limit);
    expect(decompress(CodecId.zstd, frame, limit).length).toBe(size);
    expect(reasonOf(() => decompress(CodecId.zstd, frame, size - 1))).toBe('decompressed-size');
  });

  it('reads several frames, with skippable ones between', () => {
    const frame = compress(CodecId.zstd, payload);
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const data = Buffer.concat([skippable, frame, skippable, frame, skippable]);
    expect(decompress(CodecId.zstd, data, 2 * payload.length).length).toBe(2 * payload.length);
    expect(reasonOf(() => decompress(CodecId.zstd, data, 2 * payload.length - 1))).toBe('decompressed-size');
  });

  it('takes every level of the topic config compression.zstd.level', () => {
    for (const level of [-5, 1, 19])
      expect(decompress(CodecId.zstd, compress(CodecId.zstd, payload, level), MiB).equals(payload)).toBe(true);
  });
});

describe('a codec id that means nothing', () => {
  it('is refused', () => {
    expect(reasonOf(() => decompress(5, Buffer.alloc(3), 10))).toBe('codec');
  });
});

describe('xxh32', () => {
  it('gives the known hashes', () => {
    expect(xxh32Short(Buffer.alloc(0)).toString(16)).toBe('2cc5d05');
    expect(xxh32Short(Buffer.from('abc')).toString(16)).toBe('32d153ff');
  });
});
