import { copyIntoShared } from '../disk/shared-copy';
import type { Clock } from '../ports/clock';
import type { RecordMemory, SlabLease } from './record-memory';

/** Free slabs that were not needed for so long go back to the platform. */
const IDLE_MS = 10_000;
/** What is free beyond it goes back at once: slabs of one size do not serve batches of another. */
const FREE_BYTES_MAX = 96 << 20;
/** Slabs that readers may have together; beyond them batches are copied as they are appended. */
const LEASES_MAX = 32;
/** From here on slabs go round among readers. */
const LEASES_SCARCE = 16;

/** A piece of memory that batches of all partitions are copied into, one after the other; shared, so that writing threads see it. */
export class Slab {
  readonly memory: Buffer;
  /** Bytes at the front that hold batches. */
  usedBytes = 0;
  /** What still needs its bytes: batches in tails, writes to segments under way, the reader that fills it, or being the one that is filled. */
  holds = 0;
  /** The journal's last record that is of these bytes. */
  journaledTo = -1;

  constructor(readonly capacityBytes: number) {
    this.memory = Buffer.from(new SharedArrayBuffer(capacityBytes));
  }

  get roomBytes(): number {
    return this.capacityBytes - this.usedBytes;
  }
}

/** A batch's place in a slab. */
export interface PlacedBatch {
  readonly slab: Slab;
  /** A view of the slab, good as long as somebody holds it. */
  readonly bytes: Buffer;
}

/** The bytes of a slab that appends may leave where they are. */
interface Offer {
  readonly slab: Slab;
  from: number;
  readonly to: number;
}

/**
 * The memory of all partitions' tails: slabs that are taken when they are needed and used again and again, since allocating for every batch
 * keeps the garbage collector busy. LOG-17: a slab is used again only when no batch in a tail lies in it, no write to a segment is under way
 * from it, no reader fills it, and the journal has everything of it that it was given; else bytes of other batches would be read, written or
 * journaled in the place of these. It is bounded by who appends (`LogEngine.headroomBytes`) and by the number of slabs that readers may have.
 */
export class TailMemory implements RecordMemory {
  private filled: Slab;
  private free: Slab[] = [];
  /** Nobody holds them, but the journal is not done with them. */
  private journaling: Slab[] = [];
  private durableTo = -1;
  private freeCapacityBytes = 0;
  private takenCapacityBytes = 0;
  /** The least that was free since the last look: nobody needed it. */
  private spareBytes = 0;
  private isLooking = false;
  private leases = 0;
  /** Bytes of lent slabs that were not read to. */
  private lentRoomBytes = 0;
  private offered: Offer | undefined;

  constructor(
    readonly slabBytes: number,
    private readonly clock: Clock,
  ) {
    this.filled = new Slab(0);
    this.hold(this.filled);
  }

  /** Memory that batches take: all of a slab until none of them needs it any more, however little that one is. */
  get heldBytes(): number {
    return this.takenCapacityBytes - this.filled.roomBytes - this.lentRoomBytes;
  }

  /** Memory that waits to be used again. */
  get freeBytes(): number {
    return this.freeCapacityBytes;
  }

  /** Copies a batch, unless it was read to where it may stay; its place is held until `release`. */
  place(batch: Uint8Array): PlacedBatch {
    return this.adopt(batch) ?? this.copy(batch);
  }

  private copy(batch: Uint8Array): PlacedBatch {
    const slab = this.slabFor(batch.length);
    const from = slab.usedBytes;
    copyIntoShared(slab.memory, from, batch);
    slab.usedBytes += batch.length;
    this.hold(slab);
    return { slab, bytes: slab.memory.subarray(from, slab.usedBytes) };
  }

  /** What lies within the bytes that are offered stays there. Those before it are not offered any more. */
  private adopt(batch: Uint8Array): PlacedBatch | undefined {
    const { offered } = this;
    if (offered === undefined || batch.buffer !== offered.slab.memory.buffer) return undefined;
    const from = batch.byteOffset - offered.slab.memory.byteOffset;
    const to = from + batch.length;
    if (from < offered.from || to > offered.to) return undefined;
    offered.from = to;
    this.hold(offered.slab);
    return { slab: offered.slab, bytes: offered.slab.memory.subarray(from, to) };
  }

  get isScarce(): boolean {
    return this.leases >= LEASES_SCARCE;
  }

  lend(): SlabLease | undefined {
    if (this.leases >= LEASES_MAX) return undefined;
    const slab = this.take(this.slabBytes);
    this.hold(slab);
    this.leases += 1;
    this.lentRoomBytes += slab.roomBytes;
    let isOver = false;
    return {
      memory: slab.memory,
      readTo: (endBytes) => {
        this.lentRoomBytes -= endBytes - slab.usedBytes;
        slab.usedBytes = endBytes;
      },
      offer: (frame) => {
        const from = frame.byteOffset - slab.memory.byteOffset;
        this.offered = { slab, from, to: from + frame.length };
      },
      withdraw: () => (this.offered = undefined),
      end: () => {
        if (isOver) throw new Error('a slab of tail memory is given back twice');
        isOver = true;
        this.leases -= 1;
        this.lentRoomBytes -= slab.roomBytes;
        this.release(slab);
      },
    };
  }

  hold(slab: Slab): void {
    slab.holds += 1;
  }

  release(slab: Slab): void {
    if (slab.holds <= 0) throw new Error('a slab of tail memory is released more often than it was held');
    slab.holds -= 1;
    if (slab.holds > 0) return;
    if (slab.journaledTo > this.durableTo) this.journaling.push(slab);
    else this.recycle(slab);
  }

  /** The journal was given bytes of the slab, in a record at this position. */
  journaled(slab: Slab, position: number): void {
    slab.journaledTo = position;
  }

  /** Everything that the journal was given up to here is written. */
  durable(position: number): void {
    this.durableTo = position;
    if (this.journaling.length === 0) return;
    const done = this.journaling.filter((slab) => slab.journaledTo <= position);
    this.journaling = this.journaling.filter((slab) => slab.journaledTo > position);
    for (const slab of done) this.recycle(slab);
  }

  /** The slab that is filled; where it has no room, another one takes its place, or a large batch gets one of its own. */
  private slabFor(bytes: number): Slab {
    const before = this.filled;
    if (bytes <= before.roomBytes) return before;
    const slab = this.take(Math.ceil(bytes / this.slabBytes) * this.slabBytes);
    if (slab.capacityBytes - bytes <= before.roomBytes) return slab;
    this.filled = slab;
    this.hold(slab);
    this.release(before);
    return slab;
  }

  private take(capacityBytes: number): Slab {
    this.takenCapacityBytes += capacityBytes;
    const at = this.free.findLastIndex((slab) => slab.capacityBytes === capacityBytes);
    const [slab] = at < 0 ? [] : this.free.splice(at, 1);
    if (slab === undefined) return new Slab(capacityBytes);
    this.freeCapacityBytes -= capacityBytes;
    this.spareBytes = Math.min(this.spareBytes, this.freeCapacityBytes);
    return slab;
  }

  /** From here on the slab's bytes are nobody's. */
  private recycle(slab: Slab): void {
    if (slab.capacityBytes === 0) return;
    slab.usedBytes = 0;
    slab.journaledTo = -1;
    this.takenCapacityBytes -= slab.capacityBytes;
    if (this.freeCapacityBytes + slab.capacityBytes > FREE_BYTES_MAX) return;
    this.free.push(slab);
    this.freeCapacityBytes += slab.capacityBytes;
    if (!this.isLooking) this.lookLater();
  }

  private lookLater(): void {
    this.isLooking = true;
    this.spareBytes = this.freeCapacityBytes;
    this.clock.schedule(IDLE_MS, () => this.giveBack());
  }

  /** Lets go of what nobody needed since the last look; the platform has it back when the threads have let go of it, too. */
  private giveBack(): void {
    let spareBytes = this.spareBytes;
    this.free = this.free.filter((slab) => {
      if (spareBytes < slab.capacityBytes) return true;
      spareBytes -= slab.capacityBytes;
      this.freeCapacityBytes -= slab.capacityBytes;
      return false;
    });
    this.isLooking = false;
    if (this.free.length > 0) this.lookLater();
  }
}
