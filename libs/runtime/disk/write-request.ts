import { copyIntoShared } from './shared-copy';

/** Pieces of memory that one request may name; what needs more goes in several. */
const PIECES_MAX = 8192;
/**
 * Bytes of the staging area: what lies in memory that the thread does not share is copied into it, a piece at a time. Memory is only taken
 * for what was ever used of it.
 */
const STAGING_BYTES = 4 * 1024 * 1024;

/** Numbers before the first write: how many writes there are. */
export const REQUEST_WORDS = 1;
/** Numbers of a write, before those of its pieces: descriptor, position, whether to sync, number of pieces. */
export const WRITE_WORDS = 4;
/** Numbers of a piece: its memory, where in it the piece begins, its length. */
export const PIECE_WORDS = 3;
/** The number of the staging area among the memories. */
export const STAGING_MEMORY = 0;

/**
 * What a writing thread is to do next, in memory that both share: for each write the file, the position, and the pieces of memory that are
 * written there one after the other. Chunks in shared memory are named, others copied.
 */
export class WriteRequest {
  readonly words = new Float64Array(new SharedArrayBuffer((REQUEST_WORDS + PIECES_MAX * (WRITE_WORDS + PIECE_WORDS)) * 8));
  readonly staging = Buffer.from(new SharedArrayBuffer(STAGING_BYTES));
  private end = REQUEST_WORDS;
  private pieces = 0;
  private staged = 0;
  /** Where the write that pieces are added to begins. */
  private writeAt = 0;

  /** @param memoryNumber the number by which the thread knows a memory */
  constructor(private readonly memoryNumber: (memory: SharedArrayBuffer) => number) {}

  clear(): void {
    this.words[0] = 0;
    this.end = REQUEST_WORDS;
    this.pieces = 0;
    this.staged = 0;
  }

  get isFull(): boolean {
    return this.pieces === PIECES_MAX || this.staged === STAGING_BYTES;
  }

  /** Begins a write; the chunks that are added from now on belong to it. */
  begin(descriptor: number, position: number, needsSync: boolean): void {
    const { words } = this;
    words[0] = (words[0] ?? 0) + 1;
    this.writeAt = this.end;
    words[this.end] = descriptor;
    words[this.end + 1] = position;
    words[this.end + 2] = needsSync ? 1 : 0;
    words[this.end + 3] = 0;
    this.end += WRITE_WORDS;
  }

  /** Adds a chunk from one of its bytes on; returns how many bytes there was room for. */
  add(chunk: Uint8Array, from: number): number {
    if (this.isFull) return 0;
    const { buffer } = chunk;
    if (buffer instanceof SharedArrayBuffer) {
      this.addPiece(this.memoryNumber(buffer), chunk.byteOffset + from, chunk.length - from);
      return chunk.length - from;
    }
    const bytes = Math.min(chunk.length - from, STAGING_BYTES - this.staged);
    copyIntoShared(this.staging, this.staged, bytes === chunk.length ? chunk : chunk.subarray(from, from + bytes));
    this.addPiece(STAGING_MEMORY, this.staged, bytes);
    this.staged += bytes;
    return bytes;
  }

  /** Adds a piece, or lengthens the last one where they lie next to each other. */
  private addPiece(memory: number, offset: number, bytes: number): void {
    const { words, end } = this;
    const count = words[this.writeAt + 3] ?? 0;
    const last = end - PIECE_WORDS;
    const lastBytes = words[last + 2] ?? 0;
    if (count > 0 && words[last] === memory && (words[last + 1] ?? 0) + lastBytes === offset) {
      words[last + 2] = lastBytes + bytes;
      return;
    }
    words[end] = memory;
    words[end + 1] = offset;
    words[end + 2] = bytes;
    words[this.writeAt + 3] = count + 1;
    this.end = end + PIECE_WORDS;
    this.pieces += 1;
  }
}
