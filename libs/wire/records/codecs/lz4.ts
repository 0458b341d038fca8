import type * as Lz4 from 'lz4-napi';
import { addonOnFirstUse } from './addon';
import { runDecoder, tooLarge, unreadable } from './codec-error';
import { xxh32Short } from './xxh32';

/**
 * The lz4 frame format (lz4_Frame_format.md 1.6.4), which Kafka uses since magic 2:
 * ```
 * 04 22 4d 18 | FLG | BD | [int64 content size] | [int32 dictionary id] | header checksum |
 * { int32 length, high bit = stored | block | [int32 block checksum] } * | int32 0 | [int32 content checksum]
 * ```
 * The frame is walked here and the blocks are given to the decoder one by one: the native frame decoder knows no limit.
 * Checksums of content are left out: the batch's CRC-32C covers the same bytes.
 */
const FRAME_MAGIC = 0x184d2204;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const STORED_BIT = 0x8000_0000;
const MIN_MATCH_BYTES = 4;
const WINDOW_BYTES = 64 * 1024;

const addon = addonOnFirstUse<typeof Lz4>('lz4-napi');

interface FrameHeader {
  readonly blocksAt: number;
  readonly maxBlockBytes: number;
  readonly linkedBlocks: boolean;
  readonly blockChecksumBytes: 0 | 4;
  readonly contentChecksumBytes: 0 | 4;
  readonly contentBytes: number | undefined;
}

/** One frame of independent 64 KiB blocks without content size: what Java's reader accepts. */
export function lz4Compress(data: Buffer): Buffer {
  return addon().compressFrameSync(data);
}

/** A block within the data, and where what it decodes to goes. */
interface Block {
  readonly at: number;
  readonly length: number;
  readonly isStored: boolean;
  readonly isLinked: boolean;
  readonly outputAt: number;
  readonly size: number;
  /** Where the output of its frame begins: linked blocks do not refer further back. */
  readonly frameOutputAt: number;
}

/** Decompresses all frames in `data`. Sizes are counted from the blocks' tokens before anything is allocated. */
export function lz4Decompress(data: Buffer, maxBytes: number): Buffer {
  const blocks: Block[] = [];
  let totalBytes = 0;
  let frameCount = 0;
  let at = skipSkippable(data, 0);
  while (at < data.length || frameCount === 0) {
    const header = readFrameHeader(data, at);
    if (header.contentBytes !== undefined && header.contentBytes > maxBytes - totalBytes) throw tooLarge('lz4', maxBytes);
    const frame = measureBlocks(data, header, blocks, totalBytes, maxBytes);
    if (header.contentBytes !== undefined && frame.totalBytes - totalBytes !== header.contentBytes) {
      throw unreadable('lz4', `the frame declares ${header.contentBytes} bytes and holds ${frame.totalBytes - totalBytes}`);
    }
    totalBytes = frame.totalBytes;
    frameCount += 1;
    at = skipSkippable(data, frame.end);
  }
  const output = Buffer.allocUnsafe(totalBytes);
  for (const block of blocks) decodeInto(output, data, block);
  return output;
}

function skipSkippable(data: Buffer, start: number): number {
  let at = start;
  while (data.length - at >= 8 && (data.readUInt32LE(at) & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
    at += 8 + data.readUInt32LE(at + 4);
  }
  return at;
}

function readFrameHeader(data: Buffer, at: number): FrameHeader {
  if (data.length - at < 7 || data.readUInt32LE(at) !== FRAME_MAGIC) throw unreadable('lz4', `no frame starts at ${at}`);
  const flags = data.readUInt8(at + 4);
  const hasContentSize = (flags & 0x08) !== 0;
  const hasDictionary = (flags & 0x01) !== 0;
  const checksumAt = at + 6 + (hasContentSize ? 8 : 0) + (hasDictionary ? 4 : 0);
  const sizeCode = (data.readUInt8(at + 5) >> 4) & 0x07;
  if (flags >> 6 !== 1 || sizeCode < 4 || checksumAt >= data.length) throw unreadable('lz4', 'the frame descriptor is wrong');
  if (hasDictionary) throw unreadable('lz4', 'it wants a dictionary');
  if (((xxh32Short(data.subarray(at + 4, checksumAt)) >>> 8) & 0xff) !== data.readUInt8(checksumAt)) {
    throw unreadable('lz4', 'the frame descriptor has a wrong checksum');
  }
  return {
    blocksAt: checksumAt + 1,
    maxBlockBytes: 1 << (8 + 2 * sizeCode),
    linkedBlocks: (flags & 0x20) === 0,
    blockChecksumBytes: (flags & 0x10) !== 0 ? 4 : 0,
    contentChecksumBytes: (flags & 0x04) !== 0 ? 4 : 0,
    contentBytes: hasContentSize ? Number(data.readBigUInt64LE(at + 6)) : undefined,
  };
}

function measureBlocks(
  data: Buffer,
  header: FrameHeader,
  blocks: Block[],
  frameOutputAt: number,
  maxBytes: number,
): { readonly totalBytes: number; readonly end: number } {
  let totalBytes = frameOutputAt;
  let at = header.blocksAt;
  for (;;) {
    if (data.length - at < 4) throw unreadable('lz4', 'the frame is cut');
    const word = data.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const isStored = word >= STORED_BIT;
    const length = word % STORED_BIT;
    if (length > data.length - at - header.blockChecksumBytes)
      throw unreadable('lz4', `block length ${length} reaches beyond the data`);
    const size = isStored ? length : decodedBlockSize(data.subarray(at, at + length));
    if (size > header.maxBlockBytes)
      throw unreadable('lz4', `a block holds ${size} bytes, the frame allows ${header.maxBlockBytes}`);
    if (size > maxBytes - totalBytes) throw tooLarge('lz4', maxBytes);
    blocks.push({ at, length, isStored, isLinked: header.linkedBlocks, outputAt: totalBytes, size, frameOutputAt });
    totalBytes += size;
    at += length + header.blockChecksumBytes;
  }
  const end = at + header.contentChecksumBytes;
  if (end > data.length) throw unreadable('lz4', 'the frame is cut');
  return { totalBytes, end };
}

/** lz4-napi wants the size in front, little endian, and what linked blocks refer back to as a dictionary. */
function decodeInto(output: Buffer, data: Buffer, block: Block): void {
  if (block.size === 0) return;
  if (block.isStored) {
    data.copy(output, block.outputAt, block.at, block.at + block.length);
    return;
  }
  const sized = Buffer.allocUnsafe(4 + block.length);
  sized.writeUInt32LE(block.size, 0);
  data.copy(sized, 4, block.at, block.at + block.length);
  const windowAt = Math.max(block.frameOutputAt, block.outputAt - WINDOW_BYTES);
  const window = block.isLinked && windowAt < block.outputAt ? output.subarray(windowAt, block.outputAt) : undefined;
  const { uncompressSync } = addon();
  const decoded = runDecoder('lz4', () => uncompressSync(sized, window));
  if (decoded.length !== block.size) {
    throw unreadable('lz4', `a block decodes to ${decoded.length} bytes, its tokens say ${block.size}`);
  }
  decoded.copy(output, block.outputAt);
}

/** Adds up a block's literals and matches without decoding them. */
function decodedBlockSize(block: Buffer): number {
  let size = 0;
  let at = 0;
  while (at < block.length) {
    const token = block.readUInt8(at);
    at += 1;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        more = byteAt(block, at);
        literals += more;
        at += 1;
      } while (more === 255);
    }
    size += literals;
    at += literals;
    if (at === block.length) return size;
    at += 2;
    let match = token & 0x0f;
    if (match === 15) {
      let more: number;
      do {
        more = byteAt(block, at);
        match += more;
        at += 1;
      } while (more === 255);
    }
    size += match + MIN_MATCH_BYTES;
  }
  throw unreadable('lz4', 'a block is cut');
}

function byteAt(block: Buffer, at: number): number {
  const byte = block[at];
  if (byte === undefined) throw unreadable('lz4', 'a block is cut');
  return byte;
}
