/** Shorter frames cost no more than any small buffer. */
const KEPT_BYTES_MIN = 16 * 1024;
/** Of one piece of memory: a full frame and its header. Longer frames, of a single large batch, get memory of their own. */
const PIECE_BYTES = 512 * 1024 + 64 * 1024;
const FREE_PIECES_MAX = 8;

/**
 * Memory of frames, used again once the stream has no more use for what is in it: fresh memory for each of them has the garbage collector
 * run after every few megabytes that are sent.
 */
export class FrameBuffers {
  private readonly free: ArrayBuffer[] = [];

  /** Memory of exactly this length, with anything in it. */
  take(bytes: number): Buffer {
    if (bytes < KEPT_BYTES_MIN || bytes > PIECE_BYTES) return Buffer.allocUnsafe(bytes);
    return Buffer.from(this.free.pop() ?? new ArrayBuffer(PIECE_BYTES), 0, bytes);
  }

  /** Nobody looks at it any more. */
  release({ buffer }: Buffer): void {
    const isPiece = buffer instanceof ArrayBuffer && buffer.byteLength === PIECE_BYTES;
    if (isPiece && this.free.length < FREE_PIECES_MAX) this.free.push(buffer);
  }
}
