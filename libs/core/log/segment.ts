import { SparseIndex } from './sparse-index';

/** A batch as the log sees it: where it is to stand, how large it is, when its records were made. */
export interface BatchExtent {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly sizeBytes: number;
  readonly maxTimestamp: number;
}

/** The part of a segment that a catalogue keeps: all of it is on the disk (LOG-3). */
export interface SegmentRecord {
  readonly baseOffset: number;
  /** Distinguishes files with one base offset: 0, or larger where a file was given up (S-9). */
  readonly revision: number;
  readonly syncedBytes: number;
  readonly syncedEndOffset: number;
  readonly maxTimestamp: number;
  /** Base offset of the batch that first reached `maxTimestamp`. */
  readonly maxTimestampOffset: number;
  /** Max timestamp of the segment's first batch: rolling by time counts from it. */
  readonly firstTimestamp: number;
  readonly createdMs: number;
  readonly closed: boolean;
}

/** How far something reached into a segment: bytes of batches, and the offset after the last of them. */
export interface Reach {
  readonly bytes: number;
  readonly endOffset: number;
}

/** One segment of a partition's log. Bytes count batches only, not the file's header. */
export class Segment {
  /** Appended: `appended >= written >= synced`. */
  appended: Reach;
  written: Reach;
  synced: Reach;
  maxTimestamp = -1;
  maxTimestampOffset = -1;
  firstTimestamp = -1;
  closed = false;
  /** Changes whenever bytes below `written` may have changed (truncate, delete, rebuild): S-5. */
  generation = 0;
  /** Index over everything from `indexedFrom` on; what lies before is in the index files, or has to be scanned. */
  index: SparseIndex;
  indexedFrom: Reach;
  private bytesSinceIndexEntry = 0;

  constructor(
    readonly baseOffset: number,
    readonly revision: number,
    readonly createdMs: number,
  ) {
    this.appended = this.written = this.synced = this.indexedFrom = { bytes: 0, endOffset: baseOffset };
    this.index = new SparseIndex(baseOffset);
  }

  static fromRecord(record: SegmentRecord): Segment {
    const segment = new Segment(record.baseOffset, record.revision, record.createdMs);
    const reach = { bytes: record.syncedBytes, endOffset: record.syncedEndOffset };
    segment.appended = segment.written = segment.synced = segment.indexedFrom = reach;
    segment.maxTimestamp = record.maxTimestamp;
    segment.maxTimestampOffset = record.maxTimestampOffset;
    segment.firstTimestamp = record.firstTimestamp;
    segment.closed = record.closed;
    return segment;
  }

  get sizeBytes(): number {
    return this.appended.bytes;
  }

  get endOffset(): number {
    return this.appended.endOffset;
  }

  get fullySynced(): boolean {
    return this.synced.bytes === this.appended.bytes;
  }

  /** Takes a batch at the end; returns its position in bytes from the first batch. */
  append(batch: BatchExtent, indexIntervalBytes: number): number {
    const position = this.appended.bytes;
    if (this.bytesSinceIndexEntry > indexIntervalBytes || (position === this.indexedFrom.bytes && this.index.length === 0)) {
      this.index.add(batch.baseOffset, position, this.maxTimestamp);
      this.bytesSinceIndexEntry = 0;
    }
    this.bytesSinceIndexEntry += batch.sizeBytes;
    if (position === 0) this.firstTimestamp = batch.maxTimestamp;
    if (batch.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = batch.maxTimestamp;
      this.maxTimestampOffset = batch.baseOffset;
    }
    this.appended = { bytes: position + batch.sizeBytes, endOffset: batch.lastOffset + 1 };
    return position;
  }

  /** Cuts everything from `end` on. The largest timestamps stay: too large is harmless there, too small would hide records. */
  truncateTo(end: Reach): void {
    this.generation += 1;
    this.appended = lower(this.appended, end);
    this.written = lower(this.written, end);
    this.synced = lower(this.synced, end);
    this.closed = false;
    if (end.bytes < this.indexedFrom.bytes) {
      this.indexedFrom = end;
      this.index = new SparseIndex(this.baseOffset);
    }
    this.index.truncateTo(end.bytes);
    this.bytesSinceIndexEntry = 0;
  }

  /** What a catalogue may say of the segment now; `undefined` where nothing of it is synced. */
  toRecord(): SegmentRecord | undefined {
    if (this.synced.bytes === 0) return undefined;
    return {
      baseOffset: this.baseOffset,
      revision: this.revision,
      syncedBytes: this.synced.bytes,
      syncedEndOffset: this.synced.endOffset,
      maxTimestamp: this.maxTimestamp,
      maxTimestampOffset: this.maxTimestampOffset,
      firstTimestamp: this.firstTimestamp,
      createdMs: this.createdMs,
      closed: this.closed && this.fullySynced,
    };
  }
}

function lower(reach: Reach, bound: Reach): Reach {
  return reach.bytes > bound.bytes ? bound : reach;
}

/** The segment that holds `offset`, or the first one after it where it falls into a gap or before the first. */
export function findSegment(segments: readonly Segment[], offset: number): Segment | undefined {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const segment = segments[middle];
    if (segment !== undefined && segment.endOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return segments[low];
}
