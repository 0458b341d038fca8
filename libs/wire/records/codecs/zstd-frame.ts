import { unreadable } from './codec-error';

/**
 * Where a zstd frame (RFC 8878) begins and ends and how much it can decompress to, found from its block headers alone:
 * ```
 * 28 b5 2f fd | descriptor | [window] | [dictionary id] | [content size] | { 3-byte block header | block } * | [checksum]
 * ```
 */
export interface ZstdFrame {
  readonly start: number;
  readonly end: number;
  readonly blocksAt: number;
  /** The window descriptor byte that a rewritten header of this frame carries. */
  readonly windowDescriptor: number;
  /** It holds at least that many bytes, going by declared content size, stored and run-length blocks. */
  readonly leastBytes: number;
  /** It cannot hold more: the decoder enforces the block maximum. */
  readonly mostBytes: number;
}

/** The start of a frame, made into a frame of its own. */
export interface ZstdPrefix {
  readonly bytes: Buffer;
  readonly blockCount: number;
  /** True: nothing of the frame is left out. */
  readonly isWhole: boolean;
}

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const MAX_BLOCK_BYTES = 128 * 1024;
const BLOCK_HEADER_BYTES = 3;
const RUN_LENGTH_BLOCK = 1;
const COMPRESSED_BLOCK = 2;
const RESERVED_BLOCK = 3;
/** What the decoder accepts by default (windowLog 27). */
const MAX_WINDOW_BYTES = 1 << 27;

interface BlockHeader {
  readonly isLast: boolean;
  readonly type: number;
  /** What it decompresses to, for stored and run-length blocks. */
  readonly size: number;
  readonly end: number;
}

/** Moves past skippable frames. */
export function skipZstdSkippable(data: Buffer, start: number): number {
  let at = start;
  while (data.length - at >= 8 && (data.readUInt32LE(at) & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
    at += 8 + data.readUInt32LE(at + 4);
  }
  return at;
}

/** @throws RecordFormatError `compressed-data` where no whole frame starts at `start`. */
export function readZstdFrame(data: Buffer, start: number): ZstdFrame {
  if (data.length - start < 6 || data.readUInt32LE(start) !== FRAME_MAGIC)
    throw unreadable('zstd', `no frame starts at ${start}`);
  const descriptor = data.readUInt8(start + 4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x03) !== 0) throw unreadable('zstd', 'it wants a dictionary');
  const contentSizeAt = start + 5 + (isSingleSegment ? 0 : 1);
  const contentSizeBytes = contentSizeFieldBytes(descriptor >> 6, isSingleSegment);
  const blocksAt = contentSizeAt + contentSizeBytes;
  if (blocksAt > data.length) throw unreadable('zstd', 'the frame header is cut');
  const contentBytes = readContentSize(data, contentSizeAt, contentSizeBytes);
  const windowDescriptor = isSingleSegment ? windowDescriptorFor(contentBytes) : data.readUInt8(start + 5);
  const windowBytes = isSingleSegment ? contentBytes : windowOf(windowDescriptor);
  if (windowBytes > MAX_WINDOW_BYTES && !isSingleSegment) throw unreadable('zstd', `its window is ${windowBytes} bytes`);
  const maxBlockBytes = Math.min(MAX_BLOCK_BYTES, windowBytes);
  let leastBytes = 0;
  let mostBytes = 0;
  let at = blocksAt;
  for (;;) {
    const block = readBlockHeader(data, at);
    leastBytes += block.type === COMPRESSED_BLOCK ? 0 : block.size;
    mostBytes += block.type === COMPRESSED_BLOCK ? maxBlockBytes : block.size;
    at = block.end;
    if (block.isLast) break;
  }
  const end = at + ((descriptor & 0x04) !== 0 ? 4 : 0);
  if (end > data.length) throw unreadable('zstd', 'the frame is cut');
  return { start, end, blocksAt, windowDescriptor, leastBytes: Math.max(leastBytes, contentBytes), mostBytes };
}

/**
 * The frame up to the first blocks whose bound, after `knownBlocks` blocks of known size, still fits in `roomBytes`;
 * as a frame with a header that declares neither content size nor checksum.
 */
export function zstdPrefix(data: Buffer, frame: ZstdFrame, knownBlocks: number, roomBytes: number): ZstdPrefix {
  let blockCount = 0;
  let boundBytes = 0;
  let lastAt = frame.blocksAt;
  let at = frame.blocksAt;
  let isWhole = false;
  while (!isWhole) {
    const block = readBlockHeader(data, at);
    if (blockCount >= knownBlocks) boundBytes += block.type === COMPRESSED_BLOCK ? MAX_BLOCK_BYTES : block.size;
    if (boundBytes > roomBytes + MAX_BLOCK_BYTES) break;
    lastAt = at;
    at = block.end;
    blockCount += 1;
    isWhole = block.isLast;
  }
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, frame.windowDescriptor]);
  const bytes = Buffer.concat([header, data.subarray(frame.blocksAt, at)]);
  const lastHeaderAt = header.length + lastAt - frame.blocksAt;
  bytes.writeUInt8(bytes.readUInt8(lastHeaderAt) | 1, lastHeaderAt);
  return { bytes, blockCount, isWhole };
}

function readBlockHeader(data: Buffer, at: number): BlockHeader {
  if (data.length - at < BLOCK_HEADER_BYTES) throw unreadable('zstd', 'the frame is cut');
  const word = data.readUIntLE(at, BLOCK_HEADER_BYTES);
  const type = (word >> 1) & 0x03;
  const size = word >> 3;
  const end = at + BLOCK_HEADER_BYTES + (type === RUN_LENGTH_BLOCK ? 1 : size);
  if (type === RESERVED_BLOCK || end > data.length) throw unreadable('zstd', `the block at ${at} is wrong`);
  return { isLast: (word & 1) !== 0, type, size, end };
}

function contentSizeFieldBytes(flag: number, isSingleSegment: boolean): number {
  return flag === 0 ? (isSingleSegment ? 1 : 0) : 1 << flag;
}

function readContentSize(data: Buffer, at: number, fieldBytes: number): number {
  if (fieldBytes === 0) return 0;
  if (fieldBytes === 8) return Number(data.readBigUInt64LE(at));
  return data.readUIntLE(at, fieldBytes) + (fieldBytes === 2 ? 256 : 0);
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 0x07);
}

/** The smallest power of two that holds the content; beyond what the decoder takes it will refuse it. */
function windowDescriptorFor(contentBytes: number): number {
  let exponent = 7;
  while (exponent < 17 && 2 ** (10 + exponent) < contentBytes) exponent += 1;
  return exponent << 3;
}
