import { RecordFormatError } from '../record-format-error';
import { gzipCompress, gzipDecompress } from './gzip';
import { lz4Compress, lz4Decompress } from './lz4';
import { snappyCompress, snappyDecompress } from './snappy';
import { zstdCompress, zstdDecompress } from './zstd';

/** Kafka's codecs by the id in a batch's attributes. */
export const CodecId = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** A codec by the name that `compression.type` uses (there `none` is called `uncompressed`). */
export type CodecName = keyof typeof CodecId;

interface Codec {
  readonly compress: (data: Buffer, level?: number) => Buffer;
  readonly decompress: (data: Buffer, maxBytes: number) => Buffer;
}

const CODECS: ReadonlyMap<number, Codec> = new Map<number, Codec>([
  [CodecId.gzip, { compress: gzipCompress, decompress: gzipDecompress }],
  [CodecId.snappy, { compress: snappyCompress, decompress: snappyDecompress }],
  [CodecId.lz4, { compress: lz4Compress, decompress: lz4Decompress }],
  [CodecId.zstd, { compress: zstdCompress, decompress: zstdDecompress }],
]);

function codecOf(codecId: number): Codec {
  const codec = CODECS.get(codecId);
  if (codec === undefined) throw new RecordFormatError(`codec ${codecId} is unknown; 0 to 4 are`, 'codec');
  return codec;
}

/**
 * Compresses; the bytes themselves with `none`. `level` means what it does for the codec (gzip, zstd); snappy and lz4
 * have none.
 */
export function compress(codecId: number, data: Buffer, level?: number): Buffer {
  return codecId === CodecId.none ? data : codecOf(codecId).compress(data, level);
}

/**
 * Decompresses to at most `maxBytes`; more is refused before memory is spent on it.
 *
 * @throws RecordFormatError: `codec`, `compressed-data` or `decompressed-size`.
 */
export function decompress(codecId: number, data: Buffer, maxBytes: number): Buffer {
  return codecId === CodecId.none ? data : codecOf(codecId).decompress(data, maxBytes);
}
