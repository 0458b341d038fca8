import type { LeaderEpoch, Offset, PartitionIndex, ProducerId, TimestampMs, TopicId } from '@streamline/core/types/ids';
import type { EpochEntry } from '@streamline/core/log/epoch-history';
import type { LogConfig } from '@streamline/core/log/log-config';
import type { BatchHeader } from '@streamline/wire/records/batch-header';
import type { RecordMemory } from './record-memory';

/** Partitions are known by topic id, never by name (S-2). */
export interface PartitionKey {
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
}

/**
 * A batch that was checked (magic, CRC, counts) by the caller; the journal relies on the CRC (J-4). `bytes` is lent for the duration of `append`, which copies it and patches
 * base offset, leader epoch and log append time in its own copy only; but for bytes that were offered to stay (`SlabLease.offer`), which are the log's from then on.
 */
export interface CheckedBatch {
  readonly bytes: Buffer;
  readonly header: BatchHeader;
}

export type AppendOutcome =
  | {
      readonly kind: 'appended';
      readonly baseOffset: Offset;
      readonly lastOffset: Offset;
      readonly logAppendTimeMs: TimestampMs | -1;
    }
  /** The producer sent this batch before, among its last five: acknowledge with the old offset once that is durable. */
  | { readonly kind: 'duplicate'; readonly baseOffset: Offset; readonly lastOffset: Offset }
  /** A Kafka error code: 45, 47, 56 (KAFKA_STORAGE_ERROR) ... Nothing was appended. */
  | { readonly kind: 'refused'; readonly errorCode: number; readonly message: string };

export interface ReadLimits {
  /** Whole batches up to about this size; the last one is left out rather than cut. */
  readonly maxBytes: number;
  /** Return the first batch even where it is larger than `maxBytes`. */
  readonly minOneBatch: boolean;
  /** Only batches that end before this offset: high watermark, last stable offset or log end. */
  readonly upTo: Offset;
  /** For callers that copy the bytes before this turn of the event loop ends: what is in memory need not be the caller's own then. */
  readonly borrowed?: true;
  /** Memory of so many bytes for what is read from files, by default new: `chunks` are views of it, and it is not written to once the read has ended. */
  readonly memory?: (bytes: number) => Buffer;
}

export interface ReadResult {
  /** In memory that is the caller's, unless it was `borrowed`. Whole batches, the first of which holds the offset asked for (or is the next one after a gap). */
  readonly chunks: readonly Buffer[];
  readonly bytes: number;
}

export interface TimestampOffset {
  readonly offset: Offset;
  readonly timestamp: TimestampMs;
  readonly leaderEpoch: LeaderEpoch;
}

export interface ProducerSnapshot {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: TimestampMs;
}

/** One partition's log on this node. Methods that change something take effect before they return; promises tell durability. */
export interface PartitionLog {
  readonly key: PartitionKey;
  readonly config: LogConfig;
  readonly logStartOffset: Offset;
  /** The offset that the next record gets. */
  readonly logEndOffset: Offset;
  /** Everything before it is as durable as this partition's durability asks: in the journal, or written (page-cache). */
  readonly stableEndOffset: Offset;
  /** Everything before it survives the end of the process. */
  readonly writtenEndOffset: Offset;
  /** Everything before it survives a power loss. */
  readonly durableEndOffset: Offset;
  /** Batches from here on are read from memory, at once. */
  readonly tailStartOffset: Offset;
  /** The leader epochs of the log, oldest first, and where they begin; replaced when it changes. */
  readonly epochs: readonly EpochEntry[];
  /** The epoch of the last `startEpoch`. */
  readonly leaderEpoch: LeaderEpoch;
  /** Bytes of batches between log start and log end, wherever they lie at the moment. */
  readonly sizeBytes: number;
  /** Set when this replica cannot be served any more (S-9, S-11): file, offset, reason. */
  readonly offlineReason: string | undefined;

  /** Begins a leader epoch (S-3: durable before the first append of that epoch is). */
  startEpoch(epoch: LeaderEpoch): void;
  /**
   * Puts a batch at the end of the log. The batch is copied before the call returns, whatever the outcome: the caller may use its memory
   * for something else at once, and finds it unchanged. Nothing of the engine refers to it any more.
   */
  append(batch: CheckedBatch): AppendOutcome;
  /**
   * The same for a batch that the leader has given its offsets and epoch: it is taken as it is, whatever its producer wrote before. It
   * has to begin at the log's end or later; on an empty log the log's start may lie within it. Never a duplicate.
   */
  appendReplicated(batch: CheckedBatch): AppendOutcome;
  /** Synchronous where the tail cache holds the bytes, else from segments. Fails with a LogError when offline. */
  read(from: Offset, limits: ReadLimits): ReadResult | Promise<ReadResult>;
  /** The first record at or after a time, below `upTo`; for ListOffsets. */
  offsetForTimestamp(timestamp: TimestampMs, upTo: Offset): Promise<TimestampOffset | undefined>;
  /** The record with the highest timestamp, below `upTo`. */
  offsetOfMaxTimestamp(upTo: Offset): Promise<TimestampOffset | undefined>;
  /** The largest epoch at or below `epoch` and where it ends (KIP-101, KIP-279); undefined where none is known. */
  epochEndOffset(epoch: LeaderEpoch): { readonly leaderEpoch: LeaderEpoch; readonly endOffset: Offset } | undefined;
  /** The epoch that wrote `offset`. */
  epochOf(offset: Offset): LeaderEpoch | undefined;
  /** Moves the log start forward (DeleteRecords, retention); resolves when durable (S-3). */
  advanceLogStart(offset: Offset): Promise<void>;
  /**
   * Cuts the log to `offset` (followers), or to the start of the batch that holds it, and forgets epochs that begin there; resolves when
   * durable (S-3). Until then appends are refused.
   */
  truncateTo(offset: Offset): Promise<void>;
  /** Drops everything, epochs and producers too, and begins anew at `offset`; resolves when durable. Until then appends are refused. */
  startAt(offset: Offset): Promise<void>;
  /** New settings, from now on; a change of durability takes effect as P-3 says. */
  configure(config: LogConfig): void;
  /** Hosts that replicate tell how far the log is committed, so that retention goes no further (S-7); until then it is the stable end. */
  raiseHighWatermark(offset: Offset): void;
  producers(): readonly ProducerSnapshot[];
}

/** All partition logs of one storage role: one journal, one directory, one writer. */
export interface LogEngine {
  /** Opens a partition, creating it where it is new (OPEN is journaled before its first append, S-2). */
  open(key: PartitionKey, config: LogConfig): PartitionLog;
  get(key: PartitionKey): PartitionLog | undefined;
  all(): Iterable<PartitionLog>;
  /** Deletes for ever: DELETE is durable before anything is unlinked (S-2). Space is back when the promise resolves. */
  delete(key: PartitionKey): Promise<void>;
  /** Called with the partitions whose `stableEndOffset` moved, once a group; also where one went offline (`offlineReason`). */
  onStable(listener: (logs: readonly PartitionLog[]) => void): void;
  /** Called once when durability is lost for good (J-9): acknowledge nothing more, exit. */
  onFatal(listener: (error: Error) => void): void;
  /** Bytes that may be appended now; at 0 or less producers wait (J-7), since nothing but memory bounds what `append` takes. */
  readonly headroomBytes: number;
  /** Memory that sockets of this process may be read to; without it `append` copies. */
  readonly recordMemory?: RecordMemory;
  /** Calls back once, when there is headroom again (at once where there is). */
  onHeadroom(callback: () => void): void;
  /** False: appends are refused for lack of space (S-10). As of about a second ago; to ask keeps it so. */
  readonly hasSpace: boolean;
  /** The epoch of this broker's registration, for the marker of a clean stop (P-2). */
  setBrokerEpoch(brokerEpoch: number): void;
  /** Writes and syncs what changed, and moves the redo position; the engine does so by itself all the time (S-6). */
  checkpoint(): Promise<void>;
  /** Applies retention and rolling by time now; hosts call it every `log.retention.check.interval`. */
  runRetention(): Promise<void>;
  /**
   * A clean stop: everything durable as its partition asks, end marker written. Partitions are synced for at most `syncWithinMs`, and
   * journaled ones for a moment only: what is left of them is in the journal, and replayed by the next start. Where page-cache
   * partitions are left the next start checks them as after a kill (P-1, P-2).
   */
  close(syncWithinMs?: number): Promise<void>;
}
