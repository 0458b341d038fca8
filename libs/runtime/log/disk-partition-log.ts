import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, Offset, ProducerId, TimestampMs } from '@streamline/core/types/ids';
import type { EpochEntry } from '@streamline/core/log/epoch-history';
import type { LogConfig } from '@streamline/core/log/log-config';
import { LogState } from '@streamline/core/log/log-state';
import type { LoggedBatch } from '@streamline/core/log/log-state';
import type { Durability, PartitionRecord } from '@streamline/core/log/partition-record';
import { lastSequenceOf, lastTimestampOf } from '@streamline/core/log/producer-table';
import type { ControlRecord } from '@streamline/core/log/replay-plan';
import type { Segment } from '@streamline/core/log/segment';
import { patchBaseOffset, patchMaxTimestamp, patchPartitionLeaderEpoch } from '@streamline/wire/records/batch-patch';
import type { JournalPosition } from '../ports/journal';
import type { EngineContext } from './engine-context';
import { BATCH_PREFIX_BYTES, batchPrefix } from './journal-records';
import { LogError } from './log-error';
import { LogFiles } from './log-files';
import type {
  AppendOutcome,
  CheckedBatch,
  PartitionKey,
  PartitionLog,
  ProducerSnapshot,
  ReadLimits,
  ReadResult,
  TimestampOffset,
} from './log-engine';
import { LogMaintenance } from './log-maintenance';
import { LogReader } from './log-reader';
import { LogWriter } from './log-writer';
import { findMaxTimestamp, findTimestamp } from './timestamp-search';
import { TailQueue } from './tail-queue';
import type { PlacedBatch } from './tail-memory';
import type { TailEntry, TailOwner } from './tail-queue';

/** One partition's log on this node, over journal, tail and segments; see `PartitionLog` for what callers may rely on. */
export class DiskPartitionLog implements PartitionLog, TailOwner {
  readonly key: PartitionKey;
  readonly state: LogState;
  readonly files: LogFiles;
  readonly tail = new TailQueue();
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly maintenance: LogMaintenance;
  stableEndOffset: Offset;
  leaderEpoch: LeaderEpoch;
  /** Everything before it is synced; batches after it stay in memory where they are journaled (S-9). */
  syncedEnd: number;
  /** Appends wait in memory for a change of durability (P-3). */
  holding = false;
  /** Why nothing may be appended at the moment. */
  blocked: string | undefined;
  /** Truncations that were asked for and have not ended: nothing is appended meanwhile. */
  truncations = 0;
  /** Position of the truncation that is under way; the catalogue keeps the state from before it (LOG-12). */
  cutting: JournalPosition | undefined;
  /** DELETE is in the journal. */
  gone = false;
  /** Nothing of the partition is left. */
  vanished = false;
  /** Records appended and not yet synced, for `flush.messages`. */
  unsyncedRecords = 0;
  /** The host opened it; otherwise it was only found on the disk. */
  opened = false;
  private opening: boolean;
  private epochJournaled: boolean;
  private readonly prefix: Buffer;
  private highWatermark: Offset | undefined;
  private jitterMs = 0;
  /** Bytes that became durable since the last background write began. */
  private durableUnwrittenBytes = 0;

  constructor(
    readonly context: EngineContext,
    record: PartitionRecord,
    public config: LogConfig,
    /** True where OPEN is in the journal or the partition in the catalogue. */
    known: boolean,
  ) {
    this.key = { topicId: record.topicId, partition: record.partition };
    this.state = new LogState({ slot: record.slot, topicId: record.topicId, partition: record.partition }, record);
    this.files = new LogFiles(context, this.state.identity);
    for (const segment of this.state.segments) this.files.adopt(segment);
    this.prefix = batchPrefix(record.slot);
    this.opening = !known;
    this.stableEndOffset = this.state.endOffset as Offset;
    this.syncedEnd = this.state.endOffset;
    this.leaderEpoch = this.state.epochs.latestEpoch as LeaderEpoch;
    this.epochJournaled = true;
    this.writer = new LogWriter(context, this);
    this.reader = new LogReader(context, this);
    this.maintenance = new LogMaintenance(context, this);
  }

  get logStartOffset(): Offset {
    return this.state.logStartOffset as Offset;
  }

  get logEndOffset(): Offset {
    return this.state.endOffset as Offset;
  }

  get writtenEndOffset(): Offset {
    return this.stableEndOffset;
  }

  get durableEndOffset(): Offset {
    if (this.state.durability === 'fsync' || this.syncedEnd >= this.stableEndOffset) return this.stableEndOffset;
    return this.syncedEnd as Offset;
  }

  get tailStartOffset(): Offset {
    return (this.tail.at(0)?.baseOffset ?? this.state.endOffset) as Offset;
  }

  get epochs(): readonly EpochEntry[] {
    return this.state.epochs.all();
  }

  get sizeBytes(): number {
    return this.state.sizeBytes;
  }

  get offlineReason(): string | undefined {
    return this.state.offlineReason;
  }

  get retentionBound(): Offset {
    const bound = this.highWatermark ?? this.stableEndOffset;
    return bound < this.stableEndOffset ? bound : this.stableEndOffset;
  }

  /** Journaled batches stay until they are synced, so that a failed sync can be repaired from memory (S-9); others until written. */
  get evictableEnd(): number {
    return this.state.durability === 'fsync' ? Math.min(this.syncedEnd, this.writer.writtenEnd) : this.writer.writtenEnd;
  }

  evict(): void {
    this.tail.shift();
  }

  startEpoch(epoch: LeaderEpoch): void {
    if (epoch <= this.leaderEpoch) return;
    this.leaderEpoch = epoch;
    this.beginEpoch();
  }

  /** The epoch stands in the history with where it begins; after a truncation, anew. */
  private beginEpoch(): void {
    if (this.state.epochs.begin(this.leaderEpoch, this.state.endOffset)) this.epochJournaled = false;
  }

  append(batch: CheckedBatch): AppendOutcome {
    const { header } = batch;
    const refusal = this.refusal(header.sizeBytes);
    if (refusal !== undefined) return refusal;
    if (header.producerId >= 0) {
      const verdict = this.state.producers.check(header);
      if (verdict.kind === 'duplicate') {
        return { kind: 'duplicate', baseOffset: verdict.baseOffset as Offset, lastOffset: verdict.lastOffset as Offset };
      }
      if (verdict.kind === 'refuse') return { kind: 'refused', errorCode: verdict.errorCode, message: verdict.message };
    }
    const nowMs = this.context.clock.wallMs();
    const place = this.context.memory.place(batch.bytes);
    const { bytes } = place;
    if (this.config.logAppendTime) patchMaxTimestamp(bytes, nowMs, true);
    const baseOffset = this.state.endOffset;
    const logged: LoggedBatch = {
      baseOffset,
      lastOffset: baseOffset + header.lastOffsetDelta,
      lastOffsetDelta: header.lastOffsetDelta,
      sizeBytes: bytes.length,
      maxTimestamp: this.config.logAppendTime ? nowMs : header.maxTimestamp,
      producerId: header.producerId,
      producerEpoch: header.producerEpoch,
      baseSequence: header.baseSequence,
    };
    if (this.leaderEpoch > this.state.epochs.latestEpoch) this.beginEpoch();
    patchBaseOffset(bytes, baseOffset);
    patchPartitionLeaderEpoch(bytes, this.leaderEpoch);
    this.putNew(logged, place, nowMs, header.recordCount);
    return {
      kind: 'appended',
      baseOffset: baseOffset as Offset,
      lastOffset: logged.lastOffset as Offset,
      logAppendTimeMs: this.config.logAppendTime ? nowMs : -1,
    };
  }

  appendReplicated({ bytes, header }: CheckedBatch): AppendOutcome {
    const { baseOffset, lastOffsetDelta, partitionLeaderEpoch } = header;
    const lastOffset = baseOffset + lastOffsetDelta;
    const refusal =
      this.refusal(header.sizeBytes) ?? this.misplaced(baseOffset, lastOffset) ?? this.outdated(partitionLeaderEpoch);
    if (refusal !== undefined) return refusal;
    const place = this.context.memory.place(bytes);
    if (partitionLeaderEpoch > this.leaderEpoch) this.leaderEpoch = partitionLeaderEpoch as LeaderEpoch;
    if (this.state.epochs.begin(partitionLeaderEpoch, baseOffset)) this.epochJournaled = false;
    this.putNew({ ...header, lastOffset }, place, this.context.clock.wallMs(), header.recordCount);
    return { kind: 'appended', baseOffset: baseOffset as Offset, lastOffset: lastOffset as Offset, logAppendTimeMs: -1 };
  }

  private misplaced(baseOffset: number, lastOffset: number): AppendOutcome | undefined {
    const { endOffset, logStartOffset } = this.state;
    if (baseOffset >= endOffset || (endOffset === logStartOffset && lastOffset >= endOffset)) return undefined;
    const message = `a batch of offsets ${baseOffset} to ${lastOffset} does not continue ${this.files.directory}, which ends at ${endOffset}`;
    return { kind: 'refused', errorCode: ErrorCode.KAFKA_STORAGE_ERROR, message };
  }

  /** It would be taken for one of the newest epoch. */
  private outdated(epoch: number): AppendOutcome | undefined {
    const { latest } = this.state.epochs;
    if (latest === undefined || epoch >= latest.epoch) return undefined;
    const message = `a batch of epoch ${epoch} cannot follow epoch ${latest.epoch}, which ${this.files.directory} has from offset ${latest.startOffset} on`;
    return { kind: 'refused', errorCode: ErrorCode.KAFKA_STORAGE_ERROR, message };
  }

  /** Puts a batch at the end that has its offsets. */
  private putNew(logged: LoggedBatch, place: PlacedBatch, nowMs: number, recordCount: number): void {
    this.journalPreamble();
    this.put(logged, place, nowMs);
    this.unsyncedRecords += recordCount;
    if (this.state.durability === 'page-cache') this.maintenance.pageCacheAppended();
  }

  /** Puts a batch that replay found at the end of the log; `bytes` is copied. */
  replay(logged: LoggedBatch, bytes: Buffer, nowMs: number, journalPosition: JournalPosition): void {
    this.put(logged, this.context.memory.place(bytes), nowMs, journalPosition);
  }

  /** Puts a batch at the end of the log; with `journalPosition` where it is in the journal already, else there too where that is asked for. */
  private put(logged: LoggedBatch, place: PlacedBatch, nowMs: number, journalPosition?: JournalPosition): void {
    const segment = this.segmentFor(logged, nowMs);
    const entry: TailEntry = {
      owner: this,
      baseOffset: logged.baseOffset,
      endOffset: logged.lastOffset + 1,
      ...place,
      maxTimestamp: logged.maxTimestamp,
      segment,
      positionBytes: segment.sizeBytes,
      journalPosition: journalPosition ?? this.state.controlPosition,
      dropped: false,
    };
    if (this.holding) entry.journalPosition = Number.POSITIVE_INFINITY;
    else if (journalPosition === undefined && this.state.durability === 'fsync') this.context.journalBatch(entry, this.prefix);
    this.state.append(segment, logged, this.config.indexIntervalBytes);
    this.tail.push(entry);
    this.context.cache.add(entry);
    this.context.addUnwritten(place.bytes.length);
    this.context.dirty(this);
  }

  private segmentFor(logged: LoggedBatch, nowMs: number): Segment {
    const before = this.state.active;
    const segment = this.state.segmentFor(logged, this.config, nowMs, this.jitterMs);
    if (segment !== before) {
      this.jitterMs = this.config.segmentJitterMs > 0 ? this.context.random.next() * this.config.segmentJitterMs : 0;
      if (before !== undefined) this.maintenance.rolled();
    }
    return segment;
  }

  /** Releases what was held for a change of durability: from here on the new one counts (P-3). */
  releaseHeld(): void {
    this.holding = false;
    for (let at = this.tail.indexOf(this.writer.writtenEnd); at < this.tail.length; at += 1) {
      const entry = this.tail.at(at);
      if (entry === undefined || entry.journalPosition !== Number.POSITIVE_INFINITY) continue;
      entry.journalPosition = this.state.controlPosition;
      if (this.state.durability === 'fsync') this.context.journalBatch(entry, this.prefix);
    }
    if (this.state.durability === 'page-cache') this.writePageCache();
  }

  /** Writes at once, or as soon as the control record that stands before the batches is durable (S-3). */
  writePageCache(): void {
    if (this.state.controlPosition > this.context.durablePosition) this.context.writeWhenDurable(this);
    else this.writer.start();
  }

  /** The journal made this entry durable. Returns whether the stable end moved. */
  durable(entry: TailEntry): boolean {
    if (entry.dropped || entry.endOffset <= this.stableEndOffset) return false;
    this.stableEndOffset = entry.endOffset as Offset;
    this.durableUnwrittenBytes += entry.bytes.length;
    return true;
  }

  written(): void {
    if (this.state.durability !== 'page-cache') return;
    this.makeRoom();
    const end = this.writer.writtenEnd as Offset;
    if (end <= this.stableEndOffset) return;
    this.stableEndOffset = end;
    this.context.stable(this);
  }

  synced(): void {
    this.syncedEnd = this.state.syncedEndOffset;
    this.makeRoom();
  }

  /** Batches may leave memory, or have left it: who waits for room hears of it. */
  private makeRoom(): void {
    this.context.cache.evict();
    this.context.tellHeadroom();
  }

  get hasUnwritten(): boolean {
    return this.writer.writtenEnd < this.state.endOffset;
  }

  /** Writes in the background once enough is durable and unwritten. */
  writeWhereWorthwhile(): void {
    if (this.durableUnwrittenBytes < this.context.limits.writeRunBytes) return;
    this.durableUnwrittenBytes = 0;
    this.writer.start();
  }

  goOffline(reason: string): void {
    if (this.state.offlineReason !== undefined) return;
    this.state.offlineReason = reason;
    this.context.dirty(this);
    this.dropTail(0);
    this.context.stable(this);
  }

  /** Takes batches from `index` on out of memory. */
  dropTail(index: number): void {
    let unwritten = 0;
    for (const entry of this.tail.cutFrom(index)) {
      if (entry.baseOffset >= this.writer.writtenEnd) unwritten += entry.bytes.length;
      this.context.cache.drop(entry);
    }
    this.context.addUnwritten(-unwritten);
    this.makeRoom();
  }

  read(from: Offset, limits: ReadLimits): ReadResult | Promise<ReadResult> {
    return this.reader.read(from, limits);
  }

  offsetForTimestamp(timestamp: TimestampMs, upTo: Offset): Promise<TimestampOffset | undefined> {
    return findTimestamp(this, timestamp, upTo);
  }

  offsetOfMaxTimestamp(upTo: Offset): Promise<TimestampOffset | undefined> {
    return findMaxTimestamp(this, upTo);
  }

  epochEndOffset(epoch: LeaderEpoch): { readonly leaderEpoch: LeaderEpoch; readonly endOffset: Offset } | undefined {
    const end = this.state.epochs.endOffsetFor(epoch, this.state.endOffset);
    return end === undefined ? undefined : { leaderEpoch: end.epoch as LeaderEpoch, endOffset: end.endOffset as Offset };
  }

  epochOf(offset: Offset): LeaderEpoch | undefined {
    return this.state.epochs.epochOf(offset) as LeaderEpoch | undefined;
  }

  raiseHighWatermark(offset: Offset): void {
    this.highWatermark = offset;
  }

  advanceLogStart(offset: Offset): Promise<void> {
    return this.maintenance.advanceLogStart(offset);
  }

  truncateTo(offset: Offset): Promise<void> {
    return this.maintenance.truncateTo(offset);
  }

  startAt(offset: Offset): Promise<void> {
    return this.maintenance.startAt(offset);
  }

  configure(config: LogConfig): void {
    this.config = config;
    this.maintenance.configured(durabilityFor(config));
  }

  producers(): readonly ProducerSnapshot[] {
    return [...this.state.producers.all()].map((entry) => ({
      producerId: entry.producerId as ProducerId,
      producerEpoch: entry.epoch,
      lastSequence: lastSequenceOf(entry),
      lastTimestamp: lastTimestampOf(entry) as TimestampMs,
    }));
  }

  /** What the catalogue may keep of the partition now. */
  capture(): PartitionRecord {
    const record = this.state.capture(this.config.segmentBytes);
    return this.gone ? { ...record, deleted: true, segments: [], producers: [], epochs: [] } : record;
  }

  /** OPEN and the epoch stand in the journal before the batch that follows (S-2, S-3). */
  journalPreamble(): void {
    if (this.opening) {
      this.opening = false;
      const { slot, topicId, partition } = this.state.identity;
      const { durability } = this.state;
      this.control({ kind: 'open', slot, topicId, partition, durability, segmentBytes: this.config.segmentBytes });
    }
    if (this.epochJournaled) return;
    this.epochJournaled = true;
    const latest = this.state.epochs.all().at(-1);
    if (latest === undefined) return;
    this.control({ kind: 'epoch', slot: this.state.identity.slot, epoch: latest.epoch, startOffset: latest.startOffset });
  }

  /** Journals a record other than a batch; what follows it in this partition is written only once it is durable (S-3). */
  control(control: ControlRecord): JournalPosition {
    const position = this.context.journalControl(control);
    this.state.controlPosition = position;
    this.context.dirty(this);
    return position;
  }

  /** True where nothing of the partition is in the journal or the catalogue. */
  get unknownToDisk(): boolean {
    return this.opening;
  }

  /** @throws LogError where the log cannot be used */
  assertUsable(): void {
    if (this.state.offlineReason !== undefined) throw new LogError('offline', this.state.offlineReason);
    if (this.gone) throw new LogError('gone', `${this.key.topicId}-${this.key.partition} was deleted`);
  }

  private refusal(sizeBytes: number): AppendOutcome | undefined {
    const reason = this.state.offlineReason ?? this.context.stopped ?? this.blocked ?? this.passingReason();
    if (reason !== undefined) return { kind: 'refused', errorCode: ErrorCode.KAFKA_STORAGE_ERROR, message: reason };
    if (sizeBytes + BATCH_PREFIX_BYTES > this.context.journal.recordBytesMax) {
      const most = this.context.journal.recordBytesMax - BATCH_PREFIX_BYTES;
      return {
        kind: 'refused',
        errorCode: ErrorCode.MESSAGE_TOO_LARGE,
        message: `the batch has ${sizeBytes} bytes, the journal takes ${most}`,
      };
    }
    if (this.context.space.allows(this.config.internal)) return undefined;
    return { kind: 'refused', errorCode: ErrorCode.KAFKA_STORAGE_ERROR, message: `no space left for ${this.files.directory}` };
  }

  private passingReason(): string | undefined {
    if (this.gone) return `${this.files.directory} was deleted`;
    return this.truncations > 0 ? `${this.files.directory} is being truncated` : undefined;
  }
}

/** flush.messages 1 is fsync, anything larger page-cache. */
export function durabilityFor(config: LogConfig): Durability {
  return config.flushMessages <= 1 ? 'fsync' : 'page-cache';
}
