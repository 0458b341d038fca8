import { copyIntoShared } from '../disk/shared-copy';
import type { SlabLease } from '../log/record-memory';
import { READ_BYTES, SLAB_READ_BYTES, type FrameMemory } from './frame-memory';

/** Why a byte stream is no sequence of Kafka frames. The connection is closed: there is no way back into step. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

const LENGTH_BYTES = 4;

/** Where a frame still misses so much, it is read straight to its place; less is read with what follows, and copied. */
const STRAIGHT_BYTES_MIN = READ_BYTES / 2;

/** A connection of whose unfinished frame so much has come sends large frames: it may have a slab. */
const SLAB_FRAME_BYTES_MIN = 8 * 1024;

const NOTHING = Buffer.alloc(0);

/**
 * Cuts a connection's bytes into frames (`int32 length | body`, big endian; the body is handed out without the length)
 * without allocating for each:
 *
 *     read into space() -> received(buffer, bytes) -> next() ... done(), next() ... done(), next() = undefined -> keep()
 *
 * A frame that lies within what was read is a view of it. One that spans reads is gathered in memory that is lent for it
 * and given back by `done`. That memory follows the bytes that have arrived, twice as much at most, never the length that
 * a peer claims.
 *
 * Where there is record memory, a connection that sends large frames reads them one behind the other into a slab of it: all
 * frames are views of the slab then, and the batches in them may stay there (`offer`). What was read is never read over; the
 * rest of a frame that has no room any more goes on in another slab.
 */
export class FrameAssembler {
  /** What has arrived and was not handed out: `source[at, end)`. */
  private source: Buffer = NOTHING;
  private at = 0;
  private end = 0;
  /** The source is memory that others read into again; see {@link keep}. */
  private sourceIsLent = false;
  /** The length prefix as far as it has arrived, where reads split it. */
  private prefix = 0;
  private prefixBytes = 0;
  /** Length of the frame under way; -1 between frames. */
  private frameBytes = -1;
  /** Bytes of the frame under way that stand in `target`. */
  private gatheredBytes = 0;
  private target: Buffer | undefined;
  /** The part of `target` that {@link space} offered last. */
  private window: Buffer | undefined;
  /** The complete frame, until `done`. */
  private frame: Buffer | undefined;
  /** The source is its memory while there is one; it ends only in `space`, or when the socket reads no more. */
  private slab: SlabLease | undefined;
  private lastFrameBytes = 0;
  private isClosed = false;

  constructor(
    private readonly maxFrameBytes: number,
    private readonly memory: FrameMemory,
    /** What the limit is called. */
    private readonly limitName = 'socket.request.max.bytes',
  ) {}

  /** True while a frame (or its length) has begun and is not complete. */
  get partial(): boolean {
    return this.frame === undefined && (this.frameBytes >= 0 || this.prefixBytes > 0);
  }

  /** Bytes of the unfinished frame that have arrived, its length prefix included; 0 between frames. */
  get partialBytes(): number {
    if (!this.partial) return 0;
    if (this.frameBytes < 0) return this.prefixBytes;
    return LENGTH_BYTES + this.gatheredBytes + (this.slab === undefined ? 0 : this.end - this.at);
  }

  /**
   * Where the next bytes are to be read to, at most {@link READ_BYTES}, or {@link SLAB_READ_BYTES} of a slab. Holds until the
   * next `received`.
   */
  space(): Buffer {
    this.window = undefined;
    if (this.isClosed) return this.memory.portion;
    if (this.slab === undefined) this.enterSlab();
    else if (this.target !== undefined || (this.heldBytes === 0 && !this.partial && this.isSlabScarce)) this.leaveSlab();
    this.window = this.slabSpace() ?? this.targetSpace();
    return this.window ?? this.memory.portion;
  }

  /** The next part of the frame that is gathered, where it is worth a read of its own. */
  private targetSpace(): Buffer | undefined {
    if (this.target === undefined || this.frame !== undefined) return undefined;
    const room = Math.min(this.target.length, this.frameBytes) - this.gatheredBytes;
    if (room < STRAIGHT_BYTES_MIN) return undefined;
    return this.target.subarray(this.gatheredBytes, this.gatheredBytes + Math.min(room, READ_BYTES));
  }

  /** `bytes` have arrived at the start of `buffer`: what `space` gave, or any other memory. */
  received(buffer: Buffer, bytes: number): void {
    if (this.slab !== undefined && buffer === this.window) {
      this.end += bytes;
      this.slab.readTo(this.end);
    } else if (this.heldBytes > 0) {
      this.append(buffer, bytes);
    } else if (buffer === this.window) {
      this.gatheredBytes += bytes;
    } else {
      this.source = buffer;
      this.at = 0;
      this.end = bytes;
      this.sourceIsLent = true;
    }
  }

  /**
   * The next complete frame, the same one until `done`; undefined until more bytes arrive. It may be read and written
   * until `done`, not after it.
   * @throws FrameError when a length is negative or above the limit.
   */
  next(): Buffer | undefined {
    if (this.frame !== undefined) return this.frame;
    if (this.frameBytes < 0 && !this.readLength()) return undefined;
    const missing = this.frameBytes - this.gatheredBytes;
    const available = this.end - this.at;
    if (this.gatheredBytes === 0 && available >= missing) {
      this.frame = this.source.subarray(this.at, this.at + missing);
      this.at += missing;
    } else if (this.slab !== undefined && this.frameBytes <= this.slab.memory.length) {
      return undefined;
    } else {
      if (available > 0 && missing > 0) this.gather(Math.min(available, missing));
      if (this.target === undefined || this.gatheredBytes < this.frameBytes) return undefined;
      this.frame = this.target.subarray(0, this.frameBytes);
    }
    this.lastFrameBytes = this.frameBytes;
    this.frameBytes = -1;
    this.gatheredBytes = 0;
    return this.frame;
  }

  /** Until `withdraw`, batches of the frame that `next` gave may stay where they are, if it lies in record memory. */
  offer(): void {
    if (this.slab !== undefined && this.target === undefined && this.frame !== undefined) this.slab.offer(this.frame);
  }

  withdraw(): void {
    this.slab?.withdraw();
  }

  /** The frame that `next` gave is not needed any more: its memory serves the next one. */
  done(): void {
    this.frame = undefined;
    if (this.target === undefined) return;
    this.memory.give(this.target);
    this.target = undefined;
  }

  /** Bytes received that wait behind `next`, and the frame that it gave where it has no memory of its own. */
  get heldBytes(): number {
    return this.end - this.start;
  }

  /** What was received and not handed out is taken out of the memory that it arrived in: others may read to it now. */
  keep(): void {
    if (this.slab !== undefined) return;
    if (this.heldBytes === 0) this.dropSource();
    else if (this.sourceIsLent) this.move(Buffer.allocUnsafe(this.heldBytes));
  }

  /** Nothing more will be asked for. The reader may still write to the space that it has, until `readerClosed`. */
  close(): void {
    this.isClosed = true;
    if (this.target !== undefined) this.memory.forget(this.target);
    this.target = undefined;
    this.frame = undefined;
    this.frameBytes = -1;
    this.prefixBytes = 0;
    this.dropSource();
  }

  /** Nothing is written to the space any more. */
  readerClosed(): void {
    this.slab?.end();
    this.slab = undefined;
  }

  private get isSlabScarce(): boolean {
    return this.memory.records()?.isScarce === true;
  }

  /** From here on frames are read into a slab, where one of some size is under way that has room there. */
  private enterSlab(): void {
    const { target, gatheredBytes } = this;
    if (target === undefined || this.frame !== undefined || this.heldBytes > 0 || gatheredBytes < SLAB_FRAME_BYTES_MIN) return;
    const records = this.memory.records();
    const slab = records !== undefined && this.frameBytes <= records.slabBytes ? records.lend() : undefined;
    if (slab === undefined) return;
    this.slab = slab;
    this.source = slab.memory;
    this.sourceIsLent = false;
    copyIntoShared(slab.memory, 0, target.subarray(0, gatheredBytes));
    this.memory.give(target);
    this.target = undefined;
    this.gatheredBytes = 0;
    this.at = 0;
    this.end = gatheredBytes;
    slab.readTo(gatheredBytes);
  }

  /** What waits goes to memory of our own, and frames are read as those of any connection again. */
  private leaveSlab(): void {
    if (this.heldBytes > 0) this.move(Buffer.allocUnsafe(this.heldBytes));
    else this.dropSource();
    this.slab?.end();
    this.slab = undefined;
  }

  /**
   * The next part of the slab. It ends with a frame where frames are as long as the last one: what is read of the next one has
   * to be copied when it comes to the end of the slab.
   */
  private slabSpace(): Buffer | undefined {
    if (this.slab === undefined) return undefined;
    const strideBytes = LENGTH_BYTES + this.lastFrameBytes;
    const missing = this.frameBytes < 0 ? strideBytes : this.frameBytes - (this.end - this.at);
    if (this.slab.memory.length - this.end < missing) this.nextSlab(missing);
    if (this.slab === undefined) return undefined;
    const room = Math.min(this.slab.memory.length - this.end, SLAB_READ_BYTES);
    const bytes = missing >= room ? room : room - ((room - missing) % strideBytes);
    return this.slab.memory.subarray(this.end, this.end + bytes);
  }

  /** Goes on in another slab, with what waits. */
  private nextSlab(missing: number): void {
    const { slab, start, heldBytes } = this;
    const next = this.memory.records()?.lend();
    if (slab === undefined || next === undefined || heldBytes + missing > next.memory.length) {
      next?.end();
      this.leaveSlab();
      return;
    }
    copyIntoShared(next.memory, 0, this.source.subarray(start, this.end));
    next.readTo(heldBytes);
    if (this.frame !== undefined) this.frame = next.memory.subarray(0, this.frame.length);
    this.source = next.memory;
    this.at -= start;
    this.end = heldBytes;
    this.slab = next;
    slab.end();
  }

  private dropSource(): void {
    this.source = NOTHING;
    this.at = 0;
    this.end = 0;
    this.sourceIsLent = false;
  }

  /** Where that begins in the source which is still needed. */
  private get start(): number {
    return this.target === undefined && this.frame !== undefined ? this.at - this.frame.length : this.at;
  }

  /** Adds bytes behind those that wait. */
  private append(buffer: Buffer, bytes: number): void {
    if (this.end + bytes > this.source.length) this.move(Buffer.allocUnsafe(2 * (this.heldBytes + bytes)));
    buffer.copy(this.source, this.end, 0, bytes);
    this.end += bytes;
  }

  /** What waits goes to memory of our own. */
  private move(to: Buffer): void {
    const { start } = this;
    this.source.copy(to, 0, start, this.end);
    if (this.target === undefined && this.frame !== undefined) this.frame = to.subarray(0, this.frame.length);
    this.source = to;
    this.sourceIsLent = false;
    this.at -= start;
    this.end -= start;
  }

  private readLength(): boolean {
    if (this.prefixBytes === 0 && this.end - this.at >= LENGTH_BYTES) {
      this.begin(this.source.readInt32BE(this.at));
      this.at += LENGTH_BYTES;
      return true;
    }
    while (this.prefixBytes < LENGTH_BYTES && this.at < this.end) {
      this.prefix = (this.prefix << 8) | (this.source[this.at++] ?? 0);
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
      throw new FrameError(`a frame of ${length} bytes, at most ${this.maxFrameBytes} are allowed (${this.limitName})${hint}`);
    }
    this.prefix = 0;
    this.prefixBytes = 0;
    this.frameBytes = length;
    this.gatheredBytes = 0;
  }

  private gather(bytes: number): void {
    const target = this.targetFor(this.gatheredBytes + bytes);
    this.source.copy(target, this.gatheredBytes, this.at, this.at + bytes);
    this.gatheredBytes += bytes;
    this.at += bytes;
  }

  /** The memory of the frame under way, with room for its first `bytes`. */
  private targetFor(bytes: number): Buffer {
    const { target } = this;
    if (target !== undefined && target.length >= bytes) return target;
    const larger = this.memory.takeFree(this.frameBytes) ?? this.memory.take(Math.min(this.frameBytes, 2 * bytes));
    if (target !== undefined) {
      target.copy(larger, 0, 0, this.gatheredBytes);
      this.memory.give(target);
    }
    this.target = larger;
    return larger;
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
