import { EpochHistory } from './epoch-history';
import type { Durability, PartitionIdentity, PartitionRecord } from './partition-record';
import { ProducerTable } from './producer-table';
import type { ProducerEntry, ProducerFacts } from './producer-table';
import { removableSegments } from './retention';
import { shouldRoll } from './roll';
import type { RollSettings } from './roll';
import { Segment } from './segment';
import type { BatchExtent } from './segment';

/** A batch as the log records it. */
export interface LoggedBatch extends BatchExtent, ProducerFacts {}

/** Where a truncation cuts: a batch begins there, in this segment (undefined: before the first one, nothing is left). */
export interface CutPoint {
  readonly offset: number;
  readonly segment: Segment | undefined;
  readonly positionBytes: number;
}

interface UnsyncedProducerBatch {
  readonly facts: ProducerFacts;
  readonly baseOffset: number;
  readonly timestamp: number;
}

/**
 * What one partition's log consists of, without its bytes: segments, epochs, producers, start and end. Its driver tells it what was
 * appended, written and synced; it decides where a batch goes and what a checkpoint may say.
 */
export class LogState {
  durability: Durability;
  segments: Segment[] = [];
  epochs: EpochHistory;
  producers: ProducerTable;
  logStartOffset: number;
  endOffset: number;
  /** The journal position of the last record other than a batch. */
  controlPosition: number;
  offlineReason: string | undefined;
  sizeBytes = 0;
  /** Truncations so far. */
  cuts = 0;
  /** Segments below the log's start of which the files are still there. */
  doomed: Segment[] = [];
  /** The producers at `syncedEndOffset`: a checkpoint never says more than the disk holds. */
  private syncedProducers: ProducerTable;
  private syncedProducersEnd: number;
  /** The part of the log start's way that is durable in the journal: only what lies below it may be unlinked (S-3). */
  durableStartOffset: number;
  /** Segments that end at or before it are closed in the catalogue. */
  private cataloguedClosedEnd = -1;
  private unsyncedProducerBatches: UnsyncedProducerBatch[] = [];

  constructor(
    readonly identity: PartitionIdentity,
    record: PartitionRecord,
  ) {
    this.durability = record.durability;
    this.segments = record.segments.map((segment) => Segment.fromRecord(segment));
    this.epochs = new EpochHistory(record.epochs);
    this.producers = new ProducerTable(record.producers);
    this.syncedProducers = new ProducerTable(record.producers);
    this.syncedProducersEnd = record.syncedEndOffset;
    this.logStartOffset = record.logStartOffset;
    this.durableStartOffset = record.logStartOffset;
    this.endOffset = Math.max(record.syncedEndOffset, record.logStartOffset);
    this.controlPosition = record.controlPosition;
    this.offlineReason = record.offlineReason;
    for (const segment of this.segments) this.sizeBytes += segment.sizeBytes;
    this.noteCatalogued(record, this.cuts);
  }

  get active(): Segment | undefined {
    return this.segments[this.segments.length - 1];
  }

  /** The segment that takes this batch: the active one, or a new one where that is full. */
  segmentFor(batch: BatchExtent, settings: RollSettings, nowMs: number, jitterMs: number): Segment {
    const active = this.active;
    if (active !== undefined && !active.closed && !shouldRoll(active, batch, settings, nowMs, jitterMs)) return active;
    if (active !== undefined && active.sizeBytes === 0 && active.baseOffset === batch.baseOffset) return active;
    return this.startSegment(batch.baseOffset, 0, nowMs);
  }

  /** Closes the active segment and begins another. */
  startSegment(baseOffset: number, revision: number, nowMs: number): Segment {
    const segment = new Segment(baseOffset, revision, nowMs);
    this.adoptSegment(segment);
    return segment;
  }

  /** Takes over a segment that was found after the last one. */
  adoptSegment(segment: Segment): void {
    if (this.active !== undefined) this.active.closed = true;
    this.segments.push(segment);
  }

  /** Records a batch at the end of the log; returns its position in the segment. */
  append(segment: Segment, batch: LoggedBatch, indexIntervalBytes: number): number {
    const positionBytes = segment.append(batch, indexIntervalBytes);
    this.endOffset = batch.lastOffset + 1;
    this.sizeBytes += batch.sizeBytes;
    if (batch.producerId >= 0) {
      this.producers.apply(batch, batch.baseOffset, batch.maxTimestamp);
      this.unsyncedProducerBatches.push({ facts: batch, baseOffset: batch.baseOffset, timestamp: batch.maxTimestamp });
    }
    return positionBytes;
  }

  /** The end of what is synced without a hole from the first segment on. */
  get syncedEndOffset(): number {
    for (const segment of this.segments) {
      if (!segment.fullySynced) return segment.synced.endOffset;
    }
    return this.endOffset;
  }

  /** Bytes of batches that are not synced in their segments. */
  get unsyncedBytes(): number {
    let bytes = 0;
    for (const { appended, synced } of this.segments) bytes += appended.bytes - synced.bytes;
    return bytes;
  }

  /** How far the bytes of the log are written without a hole. */
  get writtenEndOffset(): number {
    for (let at = this.segments.length - 1; at >= 0; at -= 1) {
      const segment = this.segments[at];
      if (segment !== undefined && segment.written.bytes > 0) return segment.written.endOffset;
    }
    return this.segments[0]?.baseOffset ?? this.endOffset;
  }

  /** Whether a cut goes below what is remembered of the producers, so that they have to be found anew from the batches that stay. */
  losesProducers(cutOffset: number): boolean {
    return cutOffset < this.syncedProducersEnd;
  }

  /**
   * Cuts the log. Returns the segments that are gone as a whole.
   * @param found the producers of the batches that stay, where `losesProducers`
   */
  truncateTo(cut: CutPoint, found?: Iterable<ProducerEntry>): readonly Segment[] {
    const kept = cut.segment === undefined ? 0 : this.segments.indexOf(cut.segment) + 1;
    const removed = this.segments.splice(kept);
    for (const segment of removed) segment.generation += 1;
    this.cuts += 1;
    cut.segment?.truncateTo({ bytes: cut.positionBytes, endOffset: cut.offset });
    this.endOffset = cut.offset;
    this.logStartOffset = Math.min(this.logStartOffset, cut.offset);
    this.durableStartOffset = Math.min(this.durableStartOffset, cut.offset);
    // Until the catalogue knows of the cut, recovery may have to find the producers in segments below the log's start.
    this.cataloguedClosedEnd = -1;
    this.epochs.truncateTo(cut.offset);
    this.sizeBytes = 0;
    for (const segment of this.segments) this.sizeBytes += segment.sizeBytes;
    this.cutProducers(cut.offset, found);
    return removed;
  }

  /** An empty log begins anew at `offset`, and remembers nothing of what was before. */
  startAt(offset: number): void {
    this.endOffset = offset;
    this.logStartOffset = offset;
    this.durableStartOffset = offset;
    this.epochs = new EpochHistory();
    this.producers = new ProducerTable();
    this.syncedProducers = new ProducerTable();
    this.syncedProducersEnd = offset;
    this.unsyncedProducerBatches = [];
  }

  private cutProducers(endOffset: number, found: Iterable<ProducerEntry> | undefined): void {
    if (found !== undefined) {
      this.syncedProducers = new ProducerTable(found);
      this.syncedProducersEnd = endOffset;
      this.unsyncedProducerBatches = [];
    }
    this.unsyncedProducerBatches = this.unsyncedProducerBatches.filter((batch) => batch.baseOffset < endOffset);
    this.producers = this.syncedProducers.clone();
    for (const batch of this.unsyncedProducerBatches) this.producers.apply(batch.facts, batch.baseOffset, batch.timestamp);
  }

  /**
   * Takes the segments out whose files may go: below the log's start, closed and synced, and the catalogue says so, so that no record
   * above the redo position would write to them again (S-7). The catalogue names them until `forgetDoomed`.
   */
  doomBelowStart(): readonly Segment[] {
    const doomed = removableSegments(
      this.segments,
      Math.min(this.logStartOffset, this.durableStartOffset, this.cataloguedClosedEnd),
    );
    this.segments = this.segments.slice(doomed.length);
    for (const segment of doomed) this.sizeBytes -= segment.sizeBytes;
    this.doomed.push(...doomed);
    return doomed;
  }

  /**
   * Recovery: takes out what an earlier process was about to remove, as far as its files are gone.
   * @param cutOffset segments from it on are no concern: a truncation removed them
   */
  dropRemoved(isThere: (segment: Segment) => boolean, cutOffset: number): void {
    const removable = removableSegments(this.segments, Math.min(this.logStartOffset, cutOffset));
    const gone = removable.slice(0, removable.findLastIndex((segment) => !isThere(segment)) + 1);
    this.segments = this.segments.slice(gone.length);
    for (const segment of gone) this.sizeBytes -= segment.sizeBytes;
  }

  /** The file of a doomed segment is gone. */
  forgetDoomed(segment: Segment): void {
    this.doomed = this.doomed.filter((doomed) => doomed !== segment);
  }

  /**
   * The catalogue holds this record now.
   * @param cuts the truncations that the log had seen when the record was captured; a later one makes it say nothing of what may go
   */
  noteCatalogued(record: PartitionRecord, cuts: number): void {
    if (cuts !== this.cuts) return;
    for (const segment of record.segments) if (segment.closed) this.cataloguedClosedEnd = segment.syncedEndOffset;
  }

  expireProducers(nowMs: number, expirationMs: number): number {
    const expired = this.producers.expire(nowMs, expirationMs);
    for (const producerId of expired) this.syncedProducers.remove(producerId);
    return expired.length;
  }

  /**
   * A failed sync leaves unknown what the file holds after its synced part (S-9): the segment ends there, and a new one takes over.
   * The caller puts the batches into it again. Returns the new segment, and the old one where nothing of it is left.
   */
  replaceUnsynced(
    segment: Segment,
    nextBaseOffset: number,
    nowMs: number,
  ): { readonly fresh: Segment; readonly given: Segment | undefined } {
    const at = this.segments.indexOf(segment);
    const nothingLeft = segment.synced.bytes === 0;
    const fresh = new Segment(nextBaseOffset, nothingLeft ? segment.revision + 1 : 0, nowMs);
    const wasClosed = segment.closed;
    segment.truncateTo(segment.synced);
    segment.closed = true;
    fresh.closed = wasClosed;
    this.segments.splice(nothingLeft ? at : at + 1, nothingLeft ? 1 : 0, fresh);
    for (const later of this.segments.slice(this.segments.indexOf(fresh) + 1)) later.written = later.synced;
    return { fresh, given: nothingLeft ? segment : undefined };
  }

  /** What the catalogue may keep now (S-5, S-6). */
  capture(segmentBytes: number): PartitionRecord {
    const segments = this.doomed.map((segment) => segment.toRecord()).filter((record) => record !== undefined);
    let syncedEndOffset = this.segments[0]?.baseOffset ?? this.endOffset;
    for (const segment of this.segments) {
      const record = segment.toRecord();
      if (record === undefined) break;
      segments.push(record);
      syncedEndOffset = record.syncedEndOffset;
      if (!segment.fullySynced) break;
    }
    this.advanceSyncedProducers(syncedEndOffset);
    return {
      ...this.identity,
      durability: this.durability,
      segmentBytes,
      controlPosition: this.controlPosition,
      logStartOffset: this.logStartOffset,
      syncedEndOffset,
      epochs: this.epochs.all(),
      segments,
      producers: [...this.syncedProducers.all()],
      deleted: false,
      offlineReason: this.offlineReason,
    };
  }

  private advanceSyncedProducers(endOffset: number): void {
    let done = 0;
    for (const batch of this.unsyncedProducerBatches) {
      if (batch.baseOffset >= endOffset) break;
      this.syncedProducers.apply(batch.facts, batch.baseOffset, batch.timestamp);
      done += 1;
    }
    this.unsyncedProducerBatches.splice(0, done);
    this.syncedProducersEnd = Math.max(this.syncedProducersEnd, endOffset);
  }
}
