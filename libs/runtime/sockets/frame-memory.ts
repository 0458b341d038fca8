import type { RecordMemory } from '../log/record-memory';

/** A socket is read in portions of this size at most: what a connection may hold beyond its bounds. */
export const READ_BYTES = 64 * 1024;

/** The same where it reads to a slab of record memory, of which there are few. */
export const SLAB_READ_BYTES = 256 * 1024;

const SMALLEST_BYTES = 4 * 1024;

/** Larger memory is not kept: few frames need it, and the next one may be long in coming. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/** Free memory that is kept altogether. */
const FREE_BYTES_MAX = 32 * 1024 * 1024;

/** Memory that may be lent before the bytes have come that it is for; beyond it frames have to grow into theirs. */
const LENT_AHEAD_BYTES_MAX = 64 * 1024 * 1024;

interface FreeList {
  readonly buffers: Buffer[];
  /** The fewest that lay here since the last `trim`: nobody needed those. */
  idle: number;
}

/**
 * The memory that all connections of a listener read into: one portion at a time, and, for the frames that span portions,
 * buffers that go from frame to frame. Whatever is lent has arbitrary content.
 */
export class FrameMemory {
  /** Where sockets are read to. Whoever reads has to be done with it when it returns to the event loop. */
  readonly portion = Buffer.allocUnsafeSlow(READ_BYTES);
  private readonly free = new Map<number, FreeList>();
  private kept = 0;
  private lent = 0;

  /** @param records the record memory of this process, once there is one; without it batches are copied as they are appended */
  constructor(readonly records: () => RecordMemory | undefined = () => undefined) {}

  /** Bytes that are kept for the frames to come. */
  get freeBytes(): number {
    return this.kept;
  }

  /** Bytes that frames hold now. */
  get lentBytes(): number {
    return this.lent;
  }

  /** A buffer of `bytes` or a little more. */
  take(bytes: number): Buffer {
    const size = sizeClass(bytes);
    const buffer = this.pop(size) ?? Buffer.allocUnsafeSlow(size);
    this.lent += size;
    return buffer;
  }

  /** The same, but only where it costs no memory that is not there already. */
  takeFree(bytes: number): Buffer | undefined {
    const size = sizeClass(bytes);
    if (this.lent + size > LENT_AHEAD_BYTES_MAX) return undefined;
    const buffer = this.pop(size);
    if (buffer !== undefined) this.lent += size;
    return buffer;
  }

  /** Takes a buffer back for the next frame: nobody may read or write it any more. */
  give(buffer: Buffer): void {
    this.lent -= buffer.length;
    if (buffer.length > KEPT_BYTES_MAX || this.kept + buffer.length > FREE_BYTES_MAX) return;
    let list = this.free.get(buffer.length);
    if (list === undefined) this.free.set(buffer.length, (list = { buffers: [], idle: 0 }));
    list.buffers.push(buffer);
    this.kept += buffer.length;
  }

  /** A buffer will not come back, since something may still write to it. */
  forget(buffer: Buffer): void {
    this.lent -= buffer.length;
  }

  /** Lets go of what was not needed since the last call. */
  trim(): void {
    for (const [size, list] of this.free) {
      list.buffers.length -= list.idle;
      this.kept -= list.idle * size;
      list.idle = list.buffers.length;
      if (list.idle === 0) this.free.delete(size);
    }
  }

  private pop(size: number): Buffer | undefined {
    const list = this.free.get(size);
    const buffer = list?.buffers.pop();
    if (list === undefined || buffer === undefined) return undefined;
    this.kept -= size;
    list.idle = Math.min(list.idle, list.buffers.length);
    return buffer;
  }
}

/** Sizes are so far apart that a buffer serves frames of about one size, and so near that a quarter is wasted at most. */
function sizeClass(bytes: number): number {
  if (bytes <= SMALLEST_BYTES) return SMALLEST_BYTES;
  const step = 2 ** (29 - Math.clz32(bytes - 1));
  return Math.ceil(bytes / step) * step;
}
