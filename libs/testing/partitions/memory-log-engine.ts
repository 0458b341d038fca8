import type { EpochEntry } from '@streamline/core/log/epoch-history';
import type { LogConfig } from '@streamline/core/log/log-config';
import type { LeaderEpoch, Offset, TimestampMs } from '@streamline/core/types/ids';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { patchBaseOffset, patchMaxTimestamp, patchPartitionLeaderEpoch } from '@streamline/wire/records/batch-patch';
import { recordsOf } from '@streamline/wire/records/record-view';
import type {
  AppendOutcome,
  CheckedBatch,
  LogEngine,
  PartitionKey,
  PartitionLog,
  ProducerSnapshot,
  ReadLimits,
  ReadResult,
  TimestampOffset,
} from '@streamline/runtime/log/log-engine';

interface StoredBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
}

/** When everything is appended, where the topic wants to know. */
export const APPEND_TIME_MS = 1_600_000_000_000 as TimestampMs;
const MAX_DECOMPRESSED_BYTES = 1 << 24;

/** A log in memory whose durability a test decides: `sync` on its engine. */
export class MemoryLog implements PartitionLog {
  logStartOffset = 0 as Offset;
  logEndOffset = 0 as Offset;
  stableEndOffset = 0 as Offset;
  leaderEpoch = -1 as LeaderEpoch;
  offlineReason: string | undefined;
  /** Set: the next append gives this. */
  nextOutcome: AppendOutcome | undefined;
  /** Set: reads fail with it. */
  readError: Error | undefined;
  /** True: reads resolve in a later turn. */
  readsFromDisk = false;
  reads = 0;
  /** The last high watermark that the host told. */
  raisedTo = 0 as Offset;
  producerSnapshots: ProducerSnapshot[] = [];
  epochs: EpochEntry[] = [];
  private batches: StoredBatch[] = [];

  constructor(
    readonly key: PartitionKey,
    public config: LogConfig,
  ) {}

  get writtenEndOffset(): Offset {
    return this.stableEndOffset;
  }

  get durableEndOffset(): Offset {
    return this.stableEndOffset;
  }

  get tailStartOffset(): Offset {
    return this.readsFromDisk ? this.logEndOffset : this.logStartOffset;
  }

  get sizeBytes(): number {
    return this.batches.reduce((sum, batch) => sum + batch.bytes.length, 0);
  }

  startEpoch(epoch: LeaderEpoch): void {
    if (epoch < this.leaderEpoch) throw new Error(`epoch ${epoch} after ${this.leaderEpoch}`);
    this.leaderEpoch = epoch;
    this.epochs.push({ epoch, startOffset: this.logEndOffset });
  }

  append({ bytes: lent, header }: CheckedBatch): AppendOutcome {
    const outcome = this.nextOutcome;
    this.nextOutcome = undefined;
    if (outcome !== undefined) return outcome;
    const baseOffset = this.logEndOffset;
    const lastOffset = (baseOffset + header.lastOffsetDelta) as Offset;
    const bytes = Buffer.from(lent);
    if (this.config.logAppendTime) patchMaxTimestamp(bytes, APPEND_TIME_MS, true);
    patchBaseOffset(bytes, baseOffset);
    patchPartitionLeaderEpoch(bytes, this.leaderEpoch);
    this.batches.push({ bytes, baseOffset, lastOffset, epoch: this.leaderEpoch });
    this.logEndOffset = (lastOffset + 1) as Offset;
    const logAppendTimeMs = this.config.logAppendTime ? APPEND_TIME_MS : -1;
    return { kind: 'appended', baseOffset, lastOffset, logAppendTimeMs };
  }

  appendReplicated({ bytes: lent, header }: CheckedBatch): AppendOutcome {
    const outcome = this.nextOutcome;
    this.nextOutcome = undefined;
    if (outcome !== undefined) return outcome;
    const { baseOffset, partitionLeaderEpoch: epoch } = header;
    const lastOffset = (baseOffset + header.lastOffsetDelta) as Offset;
    if (epoch > (this.epochs.at(-1)?.epoch ?? -1)) this.epochs.push({ epoch, startOffset: baseOffset });
    this.batches.push({ bytes: Buffer.from(lent), baseOffset, lastOffset, epoch });
    this.logEndOffset = (lastOffset + 1) as Offset;
    return { kind: 'appended', baseOffset: baseOffset as Offset, lastOffset, logAppendTimeMs: -1 };
  }

  read(from: Offset, limits: ReadLimits): ReadResult | Promise<ReadResult> {
    this.reads += 1;
    if (this.readError !== undefined) return Promise.reject(this.readError);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.batches) {
      if (batch.lastOffset < from) continue;
      if (batch.lastOffset >= limits.upTo) break;
      const fits = bytes + batch.bytes.length <= limits.maxBytes || (limits.minOneBatch && chunks.length === 0);
      if (!fits) break;
      chunks.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    const result = { chunks, bytes };
    return this.readsFromDisk ? new Promise((resolve) => setImmediate(() => resolve(result))) : result;
  }

  offsetForTimestamp(timestamp: TimestampMs, upTo: Offset): Promise<TimestampOffset | undefined> {
    return Promise.resolve(this.records(upTo).find((record) => record.timestamp >= timestamp));
  }

  offsetOfMaxTimestamp(upTo: Offset): Promise<TimestampOffset | undefined> {
    const records = this.records(upTo);
    const max = Math.max(...records.map((record) => record.timestamp));
    return Promise.resolve(records.find((record) => record.timestamp === max));
  }

  epochEndOffset(epoch: LeaderEpoch): { readonly leaderEpoch: LeaderEpoch; readonly endOffset: Offset } | undefined {
    const at = this.epochs.findLastIndex((entry) => entry.epoch <= epoch);
    const entry = this.epochs[at];
    if (entry === undefined || epoch > this.leaderEpoch) return undefined;
    const endOffset = this.epochs[at + 1]?.startOffset ?? this.logEndOffset;
    return { leaderEpoch: entry.epoch as LeaderEpoch, endOffset: endOffset as Offset };
  }

  epochOf(offset: Offset): LeaderEpoch | undefined {
    return this.batches.find((batch) => batch.lastOffset >= offset)?.epoch as LeaderEpoch | undefined;
  }

  advanceLogStart(offset: Offset): Promise<void> {
    this.logStartOffset = offset;
    this.batches = this.batches.filter((batch) => batch.lastOffset >= offset);
    return Promise.resolve();
  }

  truncateTo(offset: Offset): Promise<void> {
    this.batches = this.batches.filter((batch) => batch.lastOffset < offset);
    this.logEndOffset = offset;
    this.epochs = this.epochs.filter((entry) => entry.startOffset < offset);
    return Promise.resolve();
  }

  startAt(offset: Offset): Promise<void> {
    this.batches = [];
    this.epochs = [];
    this.logStartOffset = this.logEndOffset = this.stableEndOffset = offset;
    return Promise.resolve();
  }

  configure(config: LogConfig): void {
    this.config = config;
  }

  raiseHighWatermark(offset: Offset): void {
    this.raisedTo = offset;
  }

  producers(): readonly ProducerSnapshot[] {
    return this.producerSnapshots;
  }

  private records(upTo: Offset): TimestampOffset[] {
    return this.batches
      .flatMap(({ bytes, epoch }) =>
        [...recordsOf(bytes, readBatchHeader(bytes), MAX_DECOMPRESSED_BYTES)].map(({ offset, timestamp }) => ({
          offset: offset as Offset,
          timestamp: timestamp as TimestampMs,
          leaderEpoch: epoch as LeaderEpoch,
        })),
      )
      .filter(({ offset }) => offset < upTo && offset >= this.logStartOffset);
  }
}

/** Logs in memory that become durable when the test says so. */
export class MemoryLogEngine implements LogEngine {
  isClosed = false;
  retentionRuns = 0;
  headroomBytes = 1 << 20;
  hasSpace = true;
  /** As told for the marker of a clean stop. */
  brokerEpoch = -1;
  private headroomCallbacks: (() => void)[] = [];
  readonly deleted: PartitionKey[] = [];
  private readonly logs = new Map<string, MemoryLog>();
  private stableListener: (logs: readonly PartitionLog[]) => void = () => undefined;
  private fatalListener: (error: Error) => void = () => undefined;

  open(key: PartitionKey, config: LogConfig): MemoryLog {
    const known = this.get(key);
    if (known !== undefined) {
      known.configure(config);
      return known;
    }
    const log = new MemoryLog(key, config);
    this.logs.set(textOf(key), log);
    return log;
  }

  get(key: PartitionKey): MemoryLog | undefined {
    return this.logs.get(textOf(key));
  }

  all(): Iterable<MemoryLog> {
    return this.logs.values();
  }

  delete(key: PartitionKey): Promise<void> {
    this.logs.delete(textOf(key));
    this.deleted.push(key);
    return Promise.resolve();
  }

  onStable(listener: (logs: readonly PartitionLog[]) => void): void {
    this.stableListener = listener;
  }

  onFatal(listener: (error: Error) => void): void {
    this.fatalListener = listener;
  }

  onHeadroom(callback: () => void): void {
    if (this.headroomBytes > 0) callback();
    else this.headroomCallbacks.push(callback);
  }

  /** The journal takes appends again, or none any more. */
  setHeadroom(bytes: number): void {
    this.headroomBytes = bytes;
    const callbacks = this.headroomCallbacks;
    this.headroomCallbacks = [];
    for (const callback of callbacks) this.onHeadroom(callback);
  }

  setBrokerEpoch(brokerEpoch: number): void {
    this.brokerEpoch = brokerEpoch;
  }

  checkpoint(): Promise<void> {
    return Promise.resolve();
  }

  /** Tells that a log went offline, as the engine does. */
  takeOffline(log: MemoryLog, reason: string): void {
    log.offlineReason = reason;
    this.stableListener([log]);
  }

  runRetention(): Promise<void> {
    this.retentionRuns += 1;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** A group commit: everything appended so far is durable. */
  sync(): void {
    const moved = [...this.logs.values()].filter((log) => log.stableEndOffset < log.logEndOffset);
    for (const log of moved) log.stableEndOffset = log.logEndOffset;
    if (moved.length > 0) this.stableListener(moved);
  }

  fail(error: Error): void {
    this.fatalListener(error);
  }
}

function textOf(key: PartitionKey): string {
  return `${key.topicId}-${key.partition}`;
}
