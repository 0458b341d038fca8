/** Why a byte stream is no sequence of Kafka frames. The connection is closed: there is no way back into step. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** A frame up to this size gets its whole buffer at once; a larger one must have sent its bytes before memory is taken for it. */
export const TRUSTED_FRAME_BYTES = 64 * 1024;

const LENGTH_BYTES = 4;

/** Pieces of a large frame below this size are copied into blocks: objects of single bytes would take hundreds of times as much. */
const SMALL_PIECE_BYTES = 4 * 1024;
const BLOCK_BYTES_MAX = 64 * 1024;

/**
 * Cuts a connection's bytes into frames (`int32 length | body`, big endian; the body is handed out without the length).
 * A frame that lies within one chunk is a view of it; any other is copied once, what came in tiny chunks twice. Memory follows the bytes that
 * have arrived, never the length that a peer claims beyond {@link TRUSTED_FRAME_BYTES}.
 */
export class FrameAssembler {
  private chunk: Buffer | undefined;
  private chunkPosition = 0;
  /** The length prefix as far as it has arrived, where chunks split it. */
  private prefix = 0;
  private prefixBytes = 0;
  /** Length of the frame under way; -1 between frames. */
  private frameBytes = -1;
  /** Bytes of the frame under way that were taken from earlier chunks. */
  private gatheredBytes = 0;
  /** The frame under way, where it is small enough to be trusted. */
  private target: Buffer | undefined;
  /** Pieces of the frame under way, where it is not. */
  private pieces: Buffer[] = [];
  /** Small pieces that came one after the other, and how much of the block they fill. */
  private block: Buffer | undefined;
  private blockBytes = 0;

  constructor(private readonly maxFrameBytes: number) {}

  /** True while a frame (or its length) has begun and is not complete. */
  get partial(): boolean {
    return this.frameBytes >= 0 || this.prefixBytes > 0;
  }

  /** Bytes of the unfinished frame that have arrived, its length prefix included; 0 between frames. */
  get partialBytes(): number {
    return this.frameBytes >= 0 ? LENGTH_BYTES + this.gatheredBytes : this.prefixBytes;
  }

  /** Takes the next bytes. Call {@link next} until it has no more frames before the next chunk. */
  push(chunk: Buffer): void {
    if (this.chunk !== undefined) throw new Error('the chunk before has frames left');
    this.chunk = chunk;
    this.chunkPosition = 0;
  }

  /**
   * The next complete frame, or undefined until more bytes arrive.
   * @throws FrameError when a length is negative, too short for a request header, or above the limit.
   */
  next(): Buffer | undefined {
    const chunk = this.chunk;
    if (chunk === undefined) return undefined;
    if (this.frameBytes < 0 && !this.readLength(chunk)) return this.exhausted();
    const missing = this.frameBytes - this.gatheredBytes;
    const available = chunk.length - this.chunkPosition;
    if (available >= missing) return this.complete(chunk, missing);
    if (available > 0) this.gather(chunk.subarray(this.chunkPosition));
    return this.exhausted();
  }

  private exhausted(): undefined {
    this.chunk = undefined;
    return undefined;
  }

  private readLength(chunk: Buffer): boolean {
    if (this.prefixBytes === 0 && chunk.length - this.chunkPosition >= LENGTH_BYTES) {
      this.begin(chunk.readInt32BE(this.chunkPosition));
      this.chunkPosition += LENGTH_BYTES;
      return true;
    }
    while (this.prefixBytes < LENGTH_BYTES && this.chunkPosition < chunk.length) {
      this.prefix = (this.prefix << 8) | (chunk[this.chunkPosition++] ?? 0);
      this.prefixBytes++;
    }
    if (this.prefixBytes < LENGTH_BYTES) return false;
    this.begin(this.prefix | 0);
    return true;
  }

  private begin(length: number): void {
    if (length < 0) throw new FrameError(`a frame with the negative length ${length}`);
    if (length > this.maxFrameBytes) {
      const hint = otherProtocol(length);
      throw new FrameError(
        `a frame of ${length} bytes, at most ${this.maxFrameBytes} are allowed (socket.request.max.bytes)${hint}`,
      );
    }
    this.prefix = 0;
    this.prefixBytes = 0;
    this.frameBytes = length;
    this.gatheredBytes = 0;
  }

  private gather(piece: Buffer): void {
    if (this.frameBytes <= TRUSTED_FRAME_BYTES) {
      this.target ??= Buffer.allocUnsafeSlow(this.frameBytes);
      piece.copy(this.target, this.gatheredBytes);
    } else if (piece.length < SMALL_PIECE_BYTES) {
      this.gatherSmall(piece);
    } else {
      this.sealBlock();
      this.pieces.push(piece);
    }
    this.gatheredBytes += piece.length;
  }

  private gatherSmall(piece: Buffer): void {
    if (this.block !== undefined && this.blockBytes + piece.length > this.block.length) this.sealBlock();
    // As large as what has come so far: memory follows the bytes.
    this.block ??= Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES_MAX, Math.max(SMALL_PIECE_BYTES, this.gatheredBytes)));
    piece.copy(this.block, this.blockBytes);
    this.blockBytes += piece.length;
  }

  /** A block that is hardly filled is copied and used again, so that little memory is held for few bytes. */
  private sealBlock(): void {
    if (this.block === undefined || this.blockBytes === 0) return;
    const filled = this.block.subarray(0, this.blockBytes);
    this.blockBytes = 0;
    if (filled.length * 2 < this.block.length) {
      this.pieces.push(Buffer.from(filled));
    } else {
      this.pieces.push(filled);
      this.block = undefined;
    }
  }

  private complete(chunk: Buffer, missing: number): Buffer {
    const last = chunk.subarray(this.chunkPosition, this.chunkPosition + missing);
    this.chunkPosition += missing;
    let frame = last;
    if (this.gatheredBytes > 0) {
      this.gather(last);
      this.sealBlock();
      this.block = undefined;
      frame = this.target ?? concatOwned(this.pieces, this.frameBytes);
    }
    this.target = undefined;
    this.pieces = [];
    this.frameBytes = -1;
    this.gatheredBytes = 0;
    return frame;
  }
}

const HTTP_BEGINNINGS: ReadonlySet<string> = new Set(['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'OPTI', 'PATC', 'PRI ']);

/** What a peer probably speaks whose first bytes make no sense as a length: the usual mistakes of operators. */
function otherProtocol(length: number): string {
  const bytes = Buffer.alloc(LENGTH_BYTES);
  bytes.writeInt32BE(length);
  if (HTTP_BEGINNINGS.has(bytes.toString('latin1'))) return '; it looks like HTTP on the Kafka port';
  if (bytes[0] === 0x16 && bytes[1] === 0x03) return '; it looks like TLS on a listener without TLS';
  return '';
}

/** Like Buffer.concat, but never from the shared pool: the frame's memory lives and dies with the frame. */
function concatOwned(pieces: readonly Buffer[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(bytes);
  let position = 0;
  for (const piece of pieces) position += piece.copy(whole, position);
  return whole;
}
