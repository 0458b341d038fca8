const FIRST_CAPACITY = 16;

/** Where a batch stands in its segment file. */
export interface IndexPlace {
  readonly offset: number;
  /** Bytes from the segment's first batch. */
  readonly positionBytes: number;
}

/**
 * A sparse index over a stretch of one segment: offset and position of a batch, and the largest timestamp before it, every
 * `index.interval.bytes` or so. It can always be rebuilt from the batches (LOG-7). Offsets are kept relative to the segment's base.
 */
export class SparseIndex {
  private relativeOffsets = new Uint32Array(0);
  private positions = new Uint32Array(0);
  private timestamps = new Float64Array(0);
  private count = 0;

  constructor(readonly baseOffset: number) {}

  get length(): number {
    return this.count;
  }

  /** Memory that the index takes. */
  get sizeBytes(): number {
    return this.positions.length * 16;
  }

  /**
   * Adds a batch; entries come in rising order.
   * @param maxTimestampBefore the largest timestamp of all batches of the segment before this one, -1 where there is none
   */
  add(offset: number, positionBytes: number, maxTimestampBefore: number): void {
    if (this.count === this.positions.length) this.grow(Math.max(FIRST_CAPACITY, this.count * 2));
    this.relativeOffsets[this.count] = offset - this.baseOffset;
    this.positions[this.count] = positionBytes;
    this.timestamps[this.count] = maxTimestampBefore;
    this.count += 1;
  }

  /** The last entry at or before `offset`. */
  floor(offset: number): IndexPlace | undefined {
    return this.placeAt(this.search((at) => (this.relativeOffsets[at] ?? 0) <= offset - this.baseOffset));
  }

  /** The last entry before which every record is older than `timestamp`. */
  floorByTime(timestamp: number): IndexPlace | undefined {
    return this.placeAt(this.search((at) => (this.timestamps[at] ?? 0) < timestamp));
  }

  /** Forgets entries at or after a position: the segment was cut there. */
  truncateTo(positionBytes: number): void {
    this.count = this.search((at) => (this.positions[at] ?? 0) < positionBytes) + 1;
  }

  /** All entries of `this` and then those of `later`. */
  concat(later: SparseIndex): SparseIndex {
    const joined = new SparseIndex(this.baseOffset);
    joined.grow(this.count + later.count);
    for (const part of [this, later]) {
      joined.relativeOffsets.set(part.relativeOffsets.subarray(0, part.count), joined.count);
      joined.positions.set(part.positions.subarray(0, part.count), joined.count);
      joined.timestamps.set(part.timestamps.subarray(0, part.count), joined.count);
      joined.count += part.count;
    }
    return joined;
  }

  /** Calls `visit` with each entry, in order. */
  forEach(visit: (relativeOffset: number, positionBytes: number, maxTimestampBefore: number) => void): void {
    for (let at = 0; at < this.count; at += 1) {
      visit(this.relativeOffsets[at] ?? 0, this.positions[at] ?? 0, this.timestamps[at] ?? 0);
    }
  }

  private placeAt(at: number): IndexPlace | undefined {
    if (at < 0) return undefined;
    return { offset: this.baseOffset + (this.relativeOffsets[at] ?? 0), positionBytes: this.positions[at] ?? 0 };
  }

  /** The last entry for which `holds`, which is true for a first stretch only; -1 where it is true for none. */
  private search(holds: (at: number) => boolean): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  private grow(capacity: number): void {
    const relativeOffsets = new Uint32Array(capacity);
    const positions = new Uint32Array(capacity);
    const timestamps = new Float64Array(capacity);
    relativeOffsets.set(this.relativeOffsets.subarray(0, this.count));
    positions.set(this.positions.subarray(0, this.count));
    timestamps.set(this.timestamps.subarray(0, this.count));
    this.relativeOffsets = relativeOffsets;
    this.positions = positions;
    this.timestamps = timestamps;
  }
}
