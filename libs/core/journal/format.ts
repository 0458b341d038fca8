/**
 * Bytes of a journal file (docs/spec/journal.md): one header block, then groups, each on a block boundary and padded to
 * whole blocks. All integers are little-endian.
 */

import { combineCrc32c } from './crc-combine';

/** CRC-32C of `bytes`, going on from `seed` (0 to begin). Handed in, since cores import nothing. */
export type Crc32c = (bytes: Uint8Array, seed: number) => number;

export const FORMAT_VERSION = 1;
/** Groups begin on, and are padded to, a multiple of it (J-4). */
export const BLOCK_BYTES = 4096;
export const GROUP_HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 8;
export const SALT_BYTES = 16;
/** The most that an owner may put into the header of each file (J-6). */
export const HEADER_PAYLOAD_BYTES_MAX = BLOCK_BYTES - 128;
/** Blocks at the end of each file that no records are written to: a seal, an end mark, the mark of its opening, a release note, the continuation mark. */
export const RESERVED_TAIL_BYTES = 5 * BLOCK_BYTES;

const MAGIC = Buffer.from('STRMJRNL', 'latin1');
const HEADER_PAYLOAD_OFFSET = 128;
const TAG_BYTES = 8;
const TWO_TO_32 = 2 ** 32;

/** The first block of a file: made durable before anything else is written in that use of the file (J-3). */
export interface FileHeader {
  readonly formatVersion: number;
  /** Grows by one with every use of a file; orders the files. */
  readonly sequence: number;
  readonly fileBytes: number;
  /** The largest group, header and padding included, that this use may hold. */
  readonly groupBytesMax: number;
  /** Where the first group of this use starts. */
  readonly startPosition: number;
  /** The last release when the file was begun. */
  readonly redo: number;
  readonly salt: Uint8Array;
  readonly ownerPayload: Uint8Array;
}

export type HeaderBlock =
  | { readonly kind: 'used'; readonly header: FileHeader }
  /** Preallocated, never used. */
  | { readonly kind: 'blank' }
  | { readonly kind: 'unreadable' }
  /** A valid header of a format that this software does not know. */
  | { readonly kind: 'foreign'; readonly formatVersion: number };

export enum GroupKind {
  /** Records of the owner. */
  Data = 1,
  /** Data that was the last group when a crash was recovered, written again because it may not be on the disk. */
  Copy = 2,
  /** No records: what is before it is durable, and the journal was idle (J-5). */
  Seal = 3,
  /** No records: a clean stop (J-5). */
  End = 4,
  /** No records: makes a release durable when the ring is full. */
  Note = 5,
  /** The last group of a file: the payload names the sequence of the file that goes on, whose header is durable. */
  Continued = 6,
  /** No records: the journal was opened after a clean stop. */
  Opened = 7,
}

export interface GroupHeader {
  readonly kind: GroupKind;
  readonly payloadBytes: number;
  readonly recordCount: number;
  /** The position before its first record; its end is `startPosition + payloadBytes` for data, itself for all others. */
  readonly startPosition: number;
  /** The release that was known when it was written. */
  readonly redo: number;
  /** Where in the file it is, in blocks: a group that was written to another place is no group. */
  readonly blockIndex: number;
}

export function isData(kind: GroupKind): boolean {
  return kind === GroupKind.Data || kind === GroupKind.Copy;
}

/** The position of the last record of a group. */
export function groupEnd(header: GroupHeader): number {
  return isData(header.kind) ? header.startPosition + header.payloadBytes : header.startPosition;
}

/** Bytes that a group with this payload takes in the file. */
export function paddedGroupBytes(payloadBytes: number): number {
  return Math.ceil((GROUP_HEADER_BYTES + payloadBytes) / BLOCK_BYTES) * BLOCK_BYTES;
}

/** What the CRCs of one use of a file start from (J-3). */
export function saltSeed(salt: Uint8Array, crc32c: Crc32c): number {
  return crc32c(salt, 0);
}

export function encodeFileHeader(header: FileHeader, crc32c: Crc32c): Buffer {
  if (header.ownerPayload.length > HEADER_PAYLOAD_BYTES_MAX) {
    throw new RangeError(
      `the owner's header payload has ${header.ownerPayload.length} bytes, at most ${HEADER_PAYLOAD_BYTES_MAX} fit`,
    );
  }
  const block = Buffer.alloc(BLOCK_BYTES);
  MAGIC.copy(block, 0);
  block.writeUInt32LE(header.formatVersion, 8);
  writeUInt53(block, header.sequence, 16);
  writeUInt53(block, header.fileBytes, 24);
  writeUInt53(block, header.startPosition, 32);
  writeUInt53(block, header.redo, 40);
  block.set(header.salt, 48);
  block.writeUInt32LE(header.groupBytesMax, 64);
  block.writeUInt32LE(header.ownerPayload.length, 68);
  block.set(header.ownerPayload, HEADER_PAYLOAD_OFFSET);
  block.writeUInt32LE(headerCrc(block, crc32c), 12);
  return block;
}

/** Reads a header block; magic, version and CRC stay where they are in every later format. */
export function decodeFileHeader(block: Buffer, crc32c: Crc32c): HeaderBlock {
  if (block.length < BLOCK_BYTES) return { kind: 'unreadable' };
  if (!block.subarray(0, MAGIC.length).equals(MAGIC)) return isZero(block) ? { kind: 'blank' } : { kind: 'unreadable' };
  if (block.readUInt32LE(12) !== headerCrc(block, crc32c)) return { kind: 'unreadable' };
  const formatVersion = block.readUInt32LE(8);
  if (formatVersion !== FORMAT_VERSION) return { kind: 'foreign', formatVersion };
  const payloadBytes = block.readUInt32LE(68);
  return {
    kind: 'used',
    header: {
      formatVersion,
      sequence: readUInt53(block, 16),
      fileBytes: readUInt53(block, 24),
      startPosition: readUInt53(block, 32),
      redo: readUInt53(block, 40),
      salt: Buffer.from(block.subarray(48, 48 + SALT_BYTES)),
      groupBytesMax: block.readUInt32LE(64),
      ownerPayload: Buffer.from(block.subarray(HEADER_PAYLOAD_OFFSET, HEADER_PAYLOAD_OFFSET + payloadBytes)),
    },
  };
}

/**
 * Writes a group's header into `into`. The CRC goes over the header after it and the payload, from the salt's seed; the
 * padding is not covered.
 * @param known the CRC-32C (from 0) of parts of the payload by their number, where somebody went over those bytes already
 */
export function encodeGroupHeader(
  into: Buffer,
  header: GroupHeader,
  payload: readonly Uint8Array[],
  salt: Uint8Array,
  seed: number,
  crc32c: Crc32c,
  known: readonly (number | undefined)[] = [],
): void {
  into.fill(0, 0, GROUP_HEADER_BYTES);
  into.set(salt.subarray(0, TAG_BYTES), 0);
  into.writeUInt8(header.kind, 12);
  into.writeUInt32LE(header.payloadBytes, 16);
  into.writeUInt32LE(header.recordCount, 20);
  writeUInt53(into, header.startPosition, 24);
  writeUInt53(into, header.redo, 32);
  into.writeUInt32LE(header.blockIndex, 40);
  let crc = crc32c(into.subarray(12, GROUP_HEADER_BYTES), seed);
  for (const [at, chunk] of payload.entries()) {
    const chunkCrc = known[at];
    crc = chunkCrc === undefined ? crc32c(chunk, crc) : combineCrc32c(crc, chunkCrc, chunk.length);
  }
  into.writeUInt32LE(crc, 8);
}

/**
 * Reads the header of the group that may be in `block`, at `offset` of its file: undefined unless it carries this use's
 * tag, belongs at this place and is within the bounds. Only `isGroupIntact` says that the group is valid.
 */
export function decodeGroupHeader(block: Buffer, offset: number, file: FileHeader): GroupHeader | undefined {
  for (let i = 0; i < TAG_BYTES; i++) if (block[i] !== file.salt[i]) return undefined;
  const header: GroupHeader = {
    kind: block.readUInt8(12),
    payloadBytes: block.readUInt32LE(16),
    recordCount: block.readUInt32LE(20),
    startPosition: readUInt53(block, 24),
    redo: readUInt53(block, 32),
    blockIndex: block.readUInt32LE(40),
  };
  const bytes = paddedGroupBytes(header.payloadBytes);
  const inBounds = bytes <= file.groupBytesMax && offset + bytes <= file.fileBytes;
  return inBounds && header.blockIndex === offset / BLOCK_BYTES ? header : undefined;
}

/** Whether the CRC of a whole group (padding may be left out) is right. */
export function isGroupIntact(group: Buffer, header: GroupHeader, seed: number, crc32c: Crc32c): boolean {
  return crc32c(group.subarray(12, GROUP_HEADER_BYTES + header.payloadBytes), seed) === group.readUInt32LE(8);
}

export function encodeRecordHeader(into: Buffer, offset: number, type: number, payloadBytes: number): void {
  into.writeUInt32LE(payloadBytes, offset);
  into.writeUInt32LE(type, offset + 4);
}

/** Walks the records in the payload of an intact group; `from` and `to` bound each one's own bytes. */
export function* recordsOf(payload: Buffer): Generator<{ readonly type: number; readonly from: number; readonly to: number }> {
  let at = 0;
  while (at + RECORD_HEADER_BYTES <= payload.length) {
    const from = at + RECORD_HEADER_BYTES;
    const to = from + payload.readUInt32LE(at);
    if (to > payload.length) return;
    yield { type: payload.readUInt8(at + 4), from, to };
    at = to;
  }
}

/** The payload of a `Continued` group. */
export function encodeContinuation(nextSequence: number): Buffer {
  const payload = Buffer.alloc(8);
  writeUInt53(payload, nextSequence, 0);
  return payload;
}

export function decodeContinuation(payload: Buffer): number {
  return readUInt53(payload, 0);
}

function headerCrc(block: Buffer, crc32c: Crc32c): number {
  return crc32c(block.subarray(16, BLOCK_BYTES), crc32c(block.subarray(0, 12), 0));
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function writeUInt53(into: Buffer, value: number, offset: number): void {
  into.writeUInt32LE(value % TWO_TO_32, offset);
  into.writeUInt32LE(Math.floor(value / TWO_TO_32), offset + 4);
}

function readUInt53(from: Buffer, offset: number): number {
  return from.readUInt32LE(offset) + from.readUInt32LE(offset + 4) * TWO_TO_32;
}
