import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { DiskCounters } from './disk-counters';

/** What decides how a machine's end leaves its files. */
export interface PowerLoss {
  readonly random: SeededRandom;
  readonly counters: DiskCounters;
  readonly sectorsAreAtomic: boolean;
}

/** A change to a file's bytes; `truncate` sets the length. */
export type FileChange =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

interface PendingChange {
  readonly change: FileChange;
  /** By which a sync knows it; shared by the pieces of a change of which a part is durable. */
  readonly token: object;
  /** A sync failed while it was dirty: it is readable, but no later sync writes it (as Linux does; S-9). */
  isAbandoned: boolean;
}

/** A file's bytes: what is read (the page cache), what is on the disk, and the changes that lie between. */
export class MemoryFile {
  private cached: Image;
  private durable: Image;
  private pending: PendingChange[] = [];

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.cached = new Image(Buffer.from(content));
    this.durable = new Image(Buffer.from(content));
  }

  get size(): number {
    return this.cached.size;
  }

  get hasUnsynced(): boolean {
    return this.pending.length > 0;
  }

  content(): Buffer {
    return Buffer.from(this.cached.bytes());
  }

  durableContent(): Buffer {
    return Buffer.from(this.durable.bytes());
  }

  read(position: number, into: Uint8Array): number {
    const bytes = this.cached.bytes().subarray(position, position + into.length);
    into.set(bytes);
    return bytes.length;
  }

  /** Visible at once, durable after a `sync` that began later. */
  change(change: FileChange): void {
    this.cached.apply(change);
    this.pending.push({ change, token: {}, isAbandoned: false });
  }

  /** What a sync that is submitted now will cover. */
  mark(): readonly object[] {
    return this.pending.map((entry) => entry.token);
  }

  /** What is older and written over is gone with it: it could only reappear out of order. */
  sync(mark: readonly object[]): void {
    const covered = new Set(mark);
    let left: PendingChange[] = [];
    for (const entry of this.pending) {
      if (covered.has(entry.token) && !entry.isAbandoned) {
        this.durable.apply(entry.change);
        left = left.flatMap((older) => without(older, entry.change));
      } else {
        left.push(entry);
      }
    }
    this.pending = left;
  }

  failSync(mark: readonly object[]): void {
    const covered = new Set(mark);
    for (const entry of this.pending) if (covered.has(entry.token)) entry.isAbandoned = true;
  }

  flipBit(offset: number, bit: number): void {
    this.cached.flip(offset, bit);
    this.durable.flip(offset, bit);
  }

  /** The process died, the machine did not: everything is readable, nothing more is durable. */
  afterKill(): MemoryFile {
    const copy = new MemoryFile();
    copy.cached = this.cached.copy();
    copy.durable = this.durable.copy();
    copy.pending = this.pending.map((entry) => ({ ...entry }));
    return copy;
  }

  /** The machine died: each change since the last sync is there, or not, or in part; later ones may be there without earlier ones. */
  afterPowerLoss({ random, counters, sectorsAreAtomic }: PowerLoss): MemoryFile {
    if (this.pending.length === 0) return new MemoryFile(this.durable.bytes());
    const fate = sectorsAreAtomic ? random.pick(['lost', 'kept', 'prefix', 'torn', 'torn', 'torn'] as const) : 'torn';
    const sectorBytes = random.pick([512, 4096]);
    const keptFirst = random.integer(0, this.pending.length);
    const sequence = this.durable.copy();
    const result = this.durable.copy();
    for (const [index, { change }] of this.pending.entries()) {
      sequence.apply(change);
      if (fate === 'kept' || (fate === 'prefix' && index < keptFirst)) {
        result.takeFrom(sequence, change, sectorBytes, () => true);
        counters.keptWrites += 1;
      } else if (fate === 'torn') {
        const keptShare = random.pick([0.1, 0.5, 0.9]);
        let kept = 0;
        let sectors = 0;
        result.takeFrom(sequence, change, sectorBytes, () => {
          const isKept = random.chance(keptShare);
          sectors += 1;
          kept += isKept ? 1 : 0;
          if (!isKept && !sectorsAreAtomic && random.chance(0.5)) return 'garbage';
          return isKept;
        });
        if (kept === 0) counters.lostWrites += 1;
        else if (kept === sectors) counters.keptWrites += 1;
        else counters.tornWrites += 1;
      } else {
        counters.lostWrites += 1;
      }
    }
    return new MemoryFile(result.bytes());
  }
}

/** What is left of an older change when a newer one is durable. */
function without(older: PendingChange, newer: FileChange): PendingChange[] {
  const { change } = older;
  if (change.kind === 'truncate' || newer.kind === 'truncate') return newer.kind === 'truncate' ? [] : [older];
  const end = change.position + change.bytes.length;
  const newerEnd = newer.position + newer.bytes.length;
  if (newer.position >= end || newerEnd <= change.position) return [older];
  const pieces: PendingChange[] = [];
  if (change.position < newer.position) {
    pieces.push({ ...older, change: { ...change, bytes: change.bytes.subarray(0, newer.position - change.position) } });
  }
  if (newerEnd < end) {
    pieces.push({
      ...older,
      change: { kind: 'write', position: newerEnd, bytes: change.bytes.subarray(newerEnd - change.position) },
    });
  }
  return pieces;
}

/** Bytes that grow as they are written to. */
class Image {
  private length: number;

  constructor(private buffer: Buffer) {
    this.length = buffer.length;
  }

  get size(): number {
    return this.length;
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  copy(): Image {
    return new Image(Buffer.from(this.bytes()));
  }

  apply(change: FileChange): void {
    if (change.kind === 'truncate') {
      this.resize(change.size);
      return;
    }
    this.resize(Math.max(this.length, change.position + change.bytes.length));
    this.buffer.set(change.bytes, change.position);
  }

  flip(offset: number, bit: number): void {
    const byte = this.buffer[offset];
    if (byte === undefined || offset >= this.length)
      throw new RangeError(`there is no byte ${offset} in a file of ${this.length}`);
    this.buffer[offset] = byte ^ (1 << bit);
  }

  /** Takes those sectors of `change`, as they are in `source` after it, that `keep` wants; a length counts as one sector. */
  takeFrom(source: Image, change: FileChange, sectorBytes: number, keep: () => boolean | 'garbage'): void {
    if (change.kind === 'truncate') {
      if (keep() === true) this.resize(change.size);
      return;
    }
    const end = change.position + change.bytes.length;
    for (let from = change.position - (change.position % sectorBytes); from < end; from += sectorBytes) {
      const fate = keep();
      if (fate === false) continue;
      const to = Math.min(from + sectorBytes, source.length);
      this.resize(Math.max(this.length, to));
      if (fate === 'garbage') this.buffer.fill(0xdb, from, to);
      else this.buffer.set(source.buffer.subarray(from, to), from);
    }
  }

  private resize(size: number): void {
    if (size > this.buffer.length) {
      const grown = Buffer.alloc(Math.max(size, this.buffer.length * 2));
      grown.set(this.bytes());
      this.buffer = grown;
    } else if (size < this.length) {
      this.buffer.fill(0, size, this.length);
    }
    this.length = size;
  }
}
