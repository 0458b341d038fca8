import type * as Snappy from 'snappy';
import { addonOnFirstUse } from './addon';
import { runDecoder, tooLarge, unreadable } from './codec-error';

/**
 * xerial's stream format, which Java's clients read and write:
 * ```
 * 82 'SNAPPY' 00 | int32 version = 1 | int32 compatible = 1 | { int32 length | raw snappy block } *
 * ```
 * Other clients send one raw block instead; both are read, xerial is written.
 */
const XERIAL_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
const XERIAL_MAGIC = XERIAL_HEADER.subarray(0, 8);
const BLOCK_BYTES = 32 * 1024;
const LENGTH_BYTES = 4;

const addon = addonOnFirstUse<typeof Snappy>('snappy');

/** Compresses into xerial blocks of 32 KiB, as Java's clients do. */
export function snappyCompress(data: Buffer): Buffer {
  const { compressSync } = addon();
  const parts: Buffer[] = [XERIAL_HEADER];
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const block = compressSync(data.subarray(at, at + BLOCK_BYTES));
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeInt32BE(block.length, 0);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** Each block declares its size, which is checked before the decoder allocates it (and the decoder holds it to it). */
export function snappyDecompress(data: Buffer, maxBytes: number): Buffer {
  if (!data.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return decompressBlock(data, maxBytes, maxBytes);
  if (data.length < XERIAL_HEADER.length) throw unreadable('snappy', 'the xerial header is cut');
  const parts: Buffer[] = [];
  let totalBytes = 0;
  let at = XERIAL_HEADER.length;
  while (at < data.length) {
    const length = data.length - at < LENGTH_BYTES ? -1 : data.readInt32BE(at);
    at += LENGTH_BYTES;
    if (length < 0 || length > data.length - at)
      throw unreadable('snappy', `block length ${length} at ${at} reaches beyond the data`);
    const part = decompressBlock(data.subarray(at, at + length), maxBytes - totalBytes, maxBytes);
    parts.push(part);
    totalBytes += part.length;
    at += length;
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, totalBytes);
}

function decompressBlock(block: Buffer, remainingBytes: number, maxBytes: number): Buffer {
  if (declaredSize(block) > remainingBytes) throw tooLarge('snappy', maxBytes);
  const { uncompressSync } = addon();
  return runDecoder('snappy', () => {
    const decoded = uncompressSync(block, { asBuffer: true });
    return typeof decoded === 'string' ? Buffer.from(decoded) : decoded;
  });
}

/** The varint at the start of a raw block. */
function declaredSize(block: Buffer): number {
  let size = 0;
  let scale = 1;
  for (let at = 0; at < 5; at += 1) {
    const byte = block[at];
    if (byte === undefined) break;
    size += (byte & 0x7f) * scale;
    if (byte < 0x80) return size;
    scale *= 0x80;
  }
  throw unreadable('snappy', 'the block declares no size');
}
