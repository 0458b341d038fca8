import type { LeaderEpoch, Offset, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { PartitionKey, ReadResult } from '@streamline/runtime/log/log-engine';

/** A partition's leadership on this node began (with its epoch) or ended (`undefined`). */
export interface LeadershipChange {
  readonly topicId: TopicId;
  readonly topicName: string;
  readonly partition: PartitionIndex;
  readonly leaderEpoch: LeaderEpoch | undefined;
  /** The topic is gone for good. */
  readonly deleted: boolean;
}

export type LocalAppendOutcome =
  | { readonly ok: true; readonly baseOffset: Offset; readonly lastOffset: Offset }
  | { readonly ok: false; readonly errorCode: number; readonly message: string };

/** Bounds of a partition as its leader sees them. */
export interface LocalBounds {
  readonly leaderEpoch: LeaderEpoch;
  readonly logStartOffset: Offset;
  readonly highWatermark: Offset;
  readonly logEndOffset: Offset;
}

/**
 * What coordinators in the same process do with the partitions that hold their state. Only partitions that this node
 * leads can be used; nothing here waits for metadata.
 */
export interface LocalPartitions {
  /** `undefined` where this node does not lead the partition now. */
  bounds(key: PartitionKey): LocalBounds | undefined;
  /**
   * Appends one batch (from `buildBatch`) at once, provided that this node still leads in `leaderEpoch`. `done` is
   * called once, later, in the order of the appends: with 0 when the batch is committed (below the high watermark), with 20
   * when it is and too few replicas are in sync by then, with 6, 56 or 3 when that will not be known here any more. It is
   * not called where the outcome is a refusal.
   */
  appendLocal(key: PartitionKey, leaderEpoch: LeaderEpoch, batch: Buffer, done: (errorCode: number) => void): LocalAppendOutcome;
  /**
   * Calls `done` once: with 0 when everything before `end` is committed (at once where it is), with another code (6, 56, 74)
   * when this node does not lead in `leaderEpoch`, or that will not be known here any more.
   */
  whenCommitted(key: PartitionKey, leaderEpoch: LeaderEpoch, end: Offset, done: (errorCode: number) => void): void;
  /** Whole batches from `from` on, up to the log end; fails with the log's error, or where this node does not lead. */
  readLocal(key: PartitionKey, from: Offset, maxBytes: number): Promise<ReadResult>;
  /** Moves the log start forward, at most to the high watermark; resolves when durable. */
  deleteBefore(key: PartitionKey, offset: Offset): Promise<void>;
  /** Tells of every change from now on, and at once of all partitions that are led now; returns how to stop. */
  onLeadership(listener: (change: LeadershipChange) => void): () => void;
}
