/** A leader epoch and the offset of the first record that it may have written. */
export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

/** Where an epoch ends, as far as this log knows. */
export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: number;
}

/** The leader epochs of one partition, oldest first, both fields rising (KIP-101, KIP-279; LOG-6). */
export class EpochHistory {
  private entries: EpochEntry[];

  constructor(entries: Iterable<EpochEntry> = []) {
    this.entries = [...entries];
  }

  all(): readonly EpochEntry[] {
    return this.entries;
  }

  /** The newest entry. */
  get latest(): EpochEntry | undefined {
    return this.entries[this.entries.length - 1];
  }

  /** The newest epoch, -1 where there is none. */
  get latestEpoch(): number {
    return this.latest?.epoch ?? -1;
  }

  /**
   * Begins an epoch at an offset; older epochs that would begin there or later wrote nothing and are forgotten. Returns false
   * where the epoch is not newer than the latest.
   */
  begin(epoch: number, startOffset: number): boolean {
    if (epoch <= this.latestEpoch) return false;
    this.entries = this.entries.filter((entry) => entry.startOffset < startOffset);
    this.entries.push({ epoch, startOffset });
    return true;
  }

  /** The log was cut to `endOffset`: epochs that began there or later are gone. */
  truncateTo(endOffset: number): void {
    this.entries = this.entries.filter((entry) => entry.startOffset < endOffset);
  }

  /**
   * The log ends at `endOffset` after recovery: an epoch that was to begin later begins there, since the batches before it are lost. It
   * is not forgotten, so that no older epoch writes there again.
   */
  endAt(endOffset: number): void {
    const latest = this.entries[this.entries.length - 1];
    if (latest === undefined || latest.startOffset <= endOffset) return;
    this.truncateTo(endOffset);
    this.entries.push({ epoch: latest.epoch, startOffset: endOffset });
  }

  /** The log begins at `startOffset` now: epochs that ended before it are gone, the first one left begins there. */
  advanceStart(startOffset: number): void {
    const first = this.entries.findLastIndex((entry) => entry.startOffset <= startOffset);
    if (first < 0) return;
    const [entry, ...later] = this.entries.slice(first);
    if (entry !== undefined) this.entries = [{ epoch: entry.epoch, startOffset }, ...later];
  }

  /**
   * The largest known epoch at or below `epoch`, and where it ends; the requested epoch itself where all known ones are newer;
   * `undefined` where `epoch` is newer than all known ones (LeaderEpochFileCache.endOffsetFor).
   */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEnd | undefined {
    if (epoch < 0 || this.entries.length === 0) return undefined;
    if (epoch === this.latestEpoch) return { epoch, endOffset: logEndOffset };
    const next = this.entries.find((entry) => entry.epoch > epoch);
    if (next === undefined) return undefined;
    const floor = this.entries.findLast((entry) => entry.epoch <= epoch);
    return { epoch: floor?.epoch ?? epoch, endOffset: next.startOffset };
  }

  /** The epoch that wrote `offset`. */
  epochOf(offset: number): number | undefined {
    return this.entries.findLast((entry) => entry.startOffset <= offset)?.epoch;
  }
}
