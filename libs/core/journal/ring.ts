/** A file that holds, or held, a part of the journal. */
export interface UsedFile {
  readonly slot: number;
  readonly sequence: number;
  readonly startPosition: number;
  /** The position of its last record, known once another file is begun. */
  endPosition: number;
  readonly bytes: number;
}

export interface RingLimits {
  readonly fileBytes: number;
  readonly fileCount: number;
}

/**
 * Which file of the ring is written, which may be used again and which may be made (J-2, J-7). Slots are numbers of
 * files; a slot is blank (ready, unused), or used. A used one may be begun anew once a release beyond its last record is
 * itself durable: after a crash replay must know that it does not need what was overwritten.
 */
export class Ring {
  private readonly blank: number[] = [];
  /** By sequence; the last one is the file that is written. */
  private used: UsedFile[] = [];

  constructor(private readonly limits: RingLimits) {}

  get capacityBytes(): number {
    return this.limits.fileBytes * this.limits.fileCount;
  }

  get lastSequence(): number {
    return this.used.at(-1)?.sequence ?? 0;
  }

  get currentSlot(): number | undefined {
    return this.used.at(-1)?.slot;
  }

  addBlank(slot: number): void {
    this.blank.push(slot);
  }

  /** The slot is written from now on; `previousEnd` is the position at which the file before it ended. */
  begin(slot: number, sequence: number, startPosition: number, previousEnd: number, bytes: number): void {
    const previous = this.used.at(-1);
    if (previous !== undefined) previous.endPosition = previousEnd;
    const blankAt = this.blank.indexOf(slot);
    if (blankAt >= 0) this.blank.splice(blankAt, 1);
    this.used = this.used.filter((file) => file.slot !== slot);
    this.used.push({ slot, sequence, startPosition, endPosition: Infinity, bytes });
  }

  /** What the file before the current one holds after `endPosition` is now in the current one, too. */
  shortenPrevious(endPosition: number): void {
    const previous = this.used.at(-2);
    if (previous !== undefined) previous.endPosition = Math.min(previous.endPosition, endPosition);
  }

  /** The slot to begin next, given the last release that is known to be durable; undefined where none is free. */
  nextSlot(durableRedo: number): number | undefined {
    return this.blank[0] ?? this.used.find((file) => this.isFree(file, durableRedo) && this.fits(file))?.slot;
  }

  /** Whether a release up to `redo` frees any file, fitting or not. */
  hasReleased(redo: number): boolean {
    return this.used.slice(0, -1).some((file) => this.isFree(file, redo));
  }

  /** Files that may be begun once `redo` is durable; with those that are not made yet where `canGrow`. */
  freeFiles(redo: number, canGrow: boolean): number {
    const released = this.used.slice(0, -1).filter((file) => this.isFree(file, redo));
    const missing = canGrow ? this.limits.fileCount - this.blank.length - this.used.length : 0;
    return this.blank.length + released.filter((file) => this.fits(file)).length + Math.max(missing, 0);
  }

  /** The number of a file that may be made: the ring has not its full size yet. */
  slotToMake(): number | undefined {
    const taken = new Set([...this.blank, ...this.used.map((file) => file.slot)]);
    for (let slot = 0; slot < this.limits.fileCount; slot += 1) if (!taken.has(slot)) return slot;
    return undefined;
  }

  /** Takes out the files that are not needed any more and are of another size or beyond the count that is set now. */
  takeMisfits(durableRedo: number): number[] {
    const misfits = this.used.filter((file) => this.isFree(file, durableRedo) && !this.fits(file));
    this.used = this.used.filter((file) => !misfits.includes(file));
    return misfits.map((file) => file.slot);
  }

  /** Bytes from the oldest file that replay would read to `offset` in the current one. */
  usedBytes(redo: number, offset: number): number {
    let bytes = offset;
    for (const file of this.used.slice(0, -1)) if (!this.isFree(file, redo)) bytes += file.bytes;
    return bytes;
  }

  /** True when more than half of the ring is taken, the current file counted as full. */
  isUnderPressure(redo: number): boolean {
    return this.usedBytes(redo, this.limits.fileBytes) * 2 > this.capacityBytes;
  }

  /** What has to be released so that at most half of the ring is taken; at least the oldest file. */
  releaseTarget(redo: number): number {
    let bytes = this.usedBytes(redo, this.limits.fileBytes);
    let target = redo;
    for (const file of this.used.slice(0, -1)) {
      if (this.isFree(file, redo)) continue;
      target = file.endPosition + 1;
      bytes -= file.bytes;
      if (bytes * 2 <= this.capacityBytes) break;
    }
    return target;
  }

  private fits(file: UsedFile): boolean {
    return file.bytes === this.limits.fileBytes && file.slot < this.limits.fileCount;
  }

  private isFree(file: UsedFile, redo: number): boolean {
    return file.endPosition < redo;
  }
}
