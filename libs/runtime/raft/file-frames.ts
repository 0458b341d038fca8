import type { DiskFile } from '@streamline/runtime/ports/disk';
import { crc32c } from '../journal/crc32c';
import { RaftFormatError } from './raft-storage';

/**
 * Segments and snapshots are files of frames, each with a checksum:
 *
 *     magic (4 bytes) | u32 format version | frames: u32 CRC-32C of the rest | u32 head bytes | u32 payload bytes | head | payload
 *
 * Integers are big endian. Files are written once, from front to back, and never recycled.
 */
const PREAMBLE_BYTES = 8;
const FRAME_HEADER_BYTES = 12;
/** A well-meant head or payload is smaller. */
const PART_BYTES_MAX = 64 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

export interface FileKind {
  /** Four characters. */
  readonly magic: string;
  readonly formatVersion: number;
}

export interface Frame {
  readonly head: Buffer;
  readonly payload: Buffer;
  /** Where it begins in the file, and how long it is there. */
  readonly offset: number;
  readonly bytes: number;
}

export function encodePreamble({ magic, formatVersion }: FileKind): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt32BE(formatVersion, 4);
  return bytes;
}

/** The chunks of a frame; `payload` is referenced, not copied. */
export function encodeFrame(head: Uint8Array, payload: readonly Uint8Array[]): readonly Uint8Array[] {
  let payloadBytes = 0;
  for (const chunk of payload) payloadBytes += chunk.length;
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32BE(head.length, 4);
  header.writeUInt32BE(payloadBytes, 8);
  let crc = crc32c(header.subarray(4), 0);
  for (const chunk of [head, ...payload]) crc = crc32c(chunk, crc);
  header.writeUInt32BE(crc, 0);
  return [header, head, ...payload];
}

export function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

/** Reads a file of frames from its front, or single frames at a place. Buffers that it hands out are the caller's. */
export class FrameReader {
  #at = 0;

  constructor(
    private readonly file: DiskFile,
    private readonly sizeBytes: number,
  ) {}

  /** Where the next frame begins: the end of what was valid so far. */
  get offset(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.sizeBytes;
  }

  /** False where the file is of no such kind, or torn. Fails with RaftFormatError for another version of it. */
  async readPreamble({ magic, formatVersion }: FileKind): Promise<boolean> {
    const bytes = Buffer.alloc(PREAMBLE_BYTES);
    if ((await this.file.read(0, bytes)) < PREAMBLE_BYTES || bytes.toString('latin1', 0, 4) !== magic) return false;
    const version = bytes.readUInt32BE(4);
    if (version !== formatVersion) throw new RaftFormatError(this.file.path, `format version ${version}`);
    this.#at = PREAMBLE_BYTES;
    return true;
  }

  /** The next frame; undefined at the end of the file and where there is no valid one. */
  async next(): Promise<Frame | undefined> {
    const frame = await this.readAt(this.#at);
    if (frame !== undefined) this.#at += frame.bytes;
    return frame;
  }

  async readAt(offset: number): Promise<Frame | undefined> {
    const header = await this.#read(offset, FRAME_HEADER_BYTES);
    if (header === undefined) return undefined;
    const headBytes = header.readUInt32BE(4);
    const payloadBytes = header.readUInt32BE(8);
    if (headBytes > PART_BYTES_MAX || payloadBytes > PART_BYTES_MAX) return undefined;
    const rest = await this.#read(offset + FRAME_HEADER_BYTES, headBytes + payloadBytes);
    if (rest === undefined) return undefined;
    if (crc32c(rest, crc32c(header.subarray(4), 0)) !== header.readUInt32BE(0)) return undefined;
    const bytes = FRAME_HEADER_BYTES + rest.length;
    return { head: rest.subarray(0, headBytes), payload: rest.subarray(headBytes), offset, bytes };
  }

  #window = { offset: 0, bytes: Buffer.alloc(0) };

  /** A copy is only made where the window must move; small frames next to each other share one read. */
  async #read(offset: number, length: number): Promise<Buffer | undefined> {
    if (offset + length > this.sizeBytes) return undefined;
    const from = offset - this.#window.offset;
    if (from >= 0 && from + length <= this.#window.bytes.length) return this.#window.bytes.subarray(from, from + length);
    const bytes = Buffer.allocUnsafe(Math.min(Math.max(length, READ_BYTES), this.sizeBytes - offset));
    const read = await this.file.read(offset, bytes);
    this.#window = { offset, bytes: bytes.subarray(0, read) };
    return read < length ? undefined : bytes.subarray(0, length);
  }
}
