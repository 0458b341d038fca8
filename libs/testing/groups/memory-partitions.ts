import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, Offset, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { patchBaseOffset } from '@streamline/wire/records/batch-patch';
import type { PartitionKey, ReadResult } from '@streamline/runtime/log/log-engine';
import type {
  LeadershipChange,
  LocalAppendOutcome,
  LocalBounds,
  LocalPartitions,
} from '@streamline/runtime/partitions/local-partitions';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';

interface StoredBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

interface Partition {
  batches: StoredBatch[];
  logStart: number;
  end: number;
  committedEnd: number;
  leaderEpoch: LeaderEpoch | undefined;
  waiting: { readonly lastOffset: number; readonly done: (errorCode: number) => void }[];
}

/**
 * Partitions in memory, for specs: appends are committed when `commit` is called (or at once while `autoCommit`), can be
 * refused, and are lost by `crash` as far as they were not committed.
 */
export class MemoryPartitions implements LocalPartitions {
  readonly partitions = new Map<PartitionIndex, Partition>();
  autoCommit = true;
  /** The error code of appends; 0 takes them. */
  refuseWith = 0;
  /** As many appends are still taken, then `refuseWith` counts. */
  takeBeforeRefusing = 0;
  readFailures = 0;
  appends = 0;
  holdDeletes = false;
  readonly #listeners = new Set<(change: LeadershipChange) => void>();
  #epoch = 0;

  constructor(
    readonly topicId: TopicId,
    partitionCount: number,
  ) {
    for (let index = 0; index < partitionCount; index += 1) {
      const empty = { batches: [], logStart: 0, end: 0, committedEnd: 0, leaderEpoch: undefined, waiting: [] };
      this.partitions.set(index as PartitionIndex, empty);
    }
  }

  get(index: PartitionIndex): Partition {
    const partition = this.partitions.get(index);
    if (partition === undefined) throw new Error(`no partition ${index}`);
    return partition;
  }

  /** Begins to lead a partition in a new epoch. */
  lead(index: PartitionIndex): void {
    this.#epoch += 1;
    this.leadOn(index);
  }

  /** Leads on in the epoch that began last. */
  leadOn(index: PartitionIndex): void {
    this.get(index).leaderEpoch = this.#epoch as LeaderEpoch;
    this.#tell(index);
  }

  resign(index: PartitionIndex): void {
    const partition = this.get(index);
    partition.leaderEpoch = undefined;
    for (const { done } of partition.waiting.splice(0)) done(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    this.#tell(index);
  }

  commit(): void {
    for (const partition of this.partitions.values()) {
      partition.committedEnd = partition.end;
      for (const { done } of partition.waiting.splice(0)) done(ErrorCode.NONE);
    }
  }

  /** What was not committed has an unknown fate from now on, though the node goes on leading: a log that failed. */
  loseSight(errorCode: number): void {
    for (const partition of this.partitions.values()) for (const { done } of partition.waiting.splice(0)) done(errorCode);
  }

  /** What was not committed is lost, and nobody leads or listens any more. */
  crash(): void {
    this.#listeners.clear();
    for (const partition of this.partitions.values()) {
      partition.batches = partition.batches.filter(({ lastOffset }) => lastOffset < partition.committedEnd);
      partition.end = partition.committedEnd;
      partition.waiting = [];
      partition.leaderEpoch = undefined;
    }
  }

  bounds(key: PartitionKey): LocalBounds | undefined {
    const partition = this.get(key.partition);
    if (partition.leaderEpoch === undefined) return undefined;
    return {
      leaderEpoch: partition.leaderEpoch,
      logStartOffset: partition.logStart as Offset,
      highWatermark: partition.committedEnd as Offset,
      logEndOffset: partition.end as Offset,
    };
  }

  appendLocal(key: PartitionKey, leaderEpoch: LeaderEpoch, batch: Buffer, done: (errorCode: number) => void): LocalAppendOutcome {
    const partition = this.get(key.partition);
    if (partition.leaderEpoch !== leaderEpoch) {
      return { ok: false, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, message: 'leads no longer' };
    }
    if (this.refuseWith !== 0 && this.takeBeforeRefusing <= 0)
      return { ok: false, errorCode: this.refuseWith, message: 'refused' };
    this.takeBeforeRefusing -= 1;
    this.appends += 1;
    const baseOffset = partition.end;
    const lastOffset = baseOffset + readBatchHeader(batch).lastOffsetDelta;
    patchBaseOffset(batch, baseOffset);
    partition.batches.push({ bytes: batch, baseOffset, lastOffset });
    partition.end = lastOffset + 1;
    partition.waiting.push({ lastOffset, done });
    if (this.autoCommit) {
      queueMicrotask(() => {
        if (this.autoCommit) this.commit();
      });
    }
    return { ok: true, baseOffset: baseOffset as Offset, lastOffset: lastOffset as Offset };
  }

  whenCommitted(key: PartitionKey, leaderEpoch: LeaderEpoch, end: Offset, done: (errorCode: number) => void): void {
    const partition = this.get(key.partition);
    if (partition.leaderEpoch !== leaderEpoch) done(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    else if (end <= partition.committedEnd) done(ErrorCode.NONE);
    else partition.waiting.push({ lastOffset: end - 1, done });
  }

  readLocal(key: PartitionKey, from: Offset, maxBytes: number): Promise<ReadResult> {
    if (this.readFailures > 0) {
      this.readFailures -= 1;
      return Promise.reject(new Error('EIO'));
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.get(key.partition).batches) {
      if (batch.lastOffset < from) continue;
      if (chunks.length > 0 && bytes + batch.bytes.length > maxBytes) break;
      chunks.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return Promise.resolve({ chunks, bytes });
  }

  deleteBefore(key: PartitionKey, offset: Offset): Promise<void> {
    const partition = this.get(key.partition);
    if (this.holdDeletes) return new Promise(() => undefined);
    if (offset > partition.committedEnd) return Promise.reject(new Error('beyond the high watermark'));
    partition.logStart = Math.max(partition.logStart, offset);
    partition.batches = partition.batches.filter(({ lastOffset }) => lastOffset >= partition.logStart);
    return Promise.resolve();
  }

  onLeadership(listener: (change: LeadershipChange) => void): () => void {
    this.#listeners.add(listener);
    for (const [index, { leaderEpoch }] of this.partitions) if (leaderEpoch !== undefined) listener(this.#change(index));
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #tell(index: PartitionIndex): void {
    for (const listener of this.#listeners) listener(this.#change(index));
  }

  #change(partition: PartitionIndex): LeadershipChange {
    const { leaderEpoch } = this.get(partition);
    return { topicId: this.topicId, topicName: OFFSETS_TOPIC, partition, leaderEpoch, deleted: false };
  }
}
