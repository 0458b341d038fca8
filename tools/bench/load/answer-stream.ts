/** How much of an answer a taker sees at least, where the answer is that long: enough for every error code. */
const HEAD_BYTES = 512;

/**
 * Takes the head of an answer: `buffer[start]` is the first byte of its size field, `frameBytes` its whole length with the
 * size field. At least the first 512 bytes (or all, where it is shorter) are there; the buffer is used again afterwards.
 */
export type AnswerTaker = (buffer: Buffer, start: number, frameBytes: number) => void;

/** Cuts what a socket delivers into answers and looks at their heads only: the rest is counted, not touched. */
export class AnswerStream {
  /** Collects a head that came in pieces. */
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headBytes = 0;
  /** Bytes of the current answer that are still to be skipped. */
  private toSkip = 0;

  constructor(private readonly take: AnswerTaker) {}

  push(chunk: Buffer, chunkBytes: number): void {
    let at = 0;
    while (at < chunkBytes) {
      if (this.toSkip > 0) {
        const skipped = Math.min(this.toSkip, chunkBytes - at);
        this.toSkip -= skipped;
        at += skipped;
      } else if (this.headBytes > 0) {
        at = this.completeHead(chunk, at, chunkBytes);
      } else {
        at = this.takeWhole(chunk, at, chunkBytes);
      }
    }
  }

  /** The common case: a head lies within the chunk. Otherwise it starts to be collected. */
  private takeWhole(chunk: Buffer, at: number, chunkBytes: number): number {
    const available = chunkBytes - at;
    if (available >= 4) {
      const frameBytes = chunk.readInt32BE(at) + 4;
      if (available >= Math.min(frameBytes, HEAD_BYTES)) {
        this.take(chunk, at, frameBytes);
        const taken = Math.min(frameBytes, available);
        this.toSkip = frameBytes - taken;
        return at + taken;
      }
    }
    chunk.copy(this.head, 0, at, chunkBytes);
    this.headBytes = available;
    return chunkBytes;
  }

  private completeHead(chunk: Buffer, start: number, chunkBytes: number): number {
    let at = start;
    if (this.headBytes < 4) at = this.fillHead(chunk, at, chunkBytes, 4);
    if (this.headBytes < 4) return at;
    const frameBytes = this.head.readInt32BE(0) + 4;
    const wanted = Math.min(frameBytes, HEAD_BYTES);
    at = this.fillHead(chunk, at, chunkBytes, wanted);
    if (this.headBytes < wanted) return at;
    this.headBytes = 0;
    this.toSkip = frameBytes - wanted;
    this.take(this.head, 0, frameBytes);
    return at;
  }

  private fillHead(chunk: Buffer, at: number, chunkBytes: number, upTo: number): number {
    const end = Math.min(chunkBytes, at + upTo - this.headBytes);
    chunk.copy(this.head, this.headBytes, at, end);
    this.headBytes += end - at;
    return end;
  }
}
