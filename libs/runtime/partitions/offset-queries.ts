import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, Offset, TimestampMs } from '@streamline/core/types/ids';
import type {
  DeletedRecords,
  DeleteRecordsPartition,
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DescribeProducersRequest,
  DescribeProducersResponse,
  EpochAnswer,
  EpochQuery,
  GetEpochEndOffsetsRequest,
  GetEpochEndOffsetsResponse,
  ListedOffset,
  ListOffsetsPartition,
  ListOffsetsRequest,
  ListOffsetsResponse,
  PartitionProducers,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { TimestampOffset } from '../log/log-engine';
import type { Clock } from '../ports/clock';
import type { HostedPartition } from './hosted-partition';
import type { PartitionTable } from './partition-table';
import { locateReader } from './reader-choice';
import { TurnGate } from './turn-gate';

/** Kafka's timestamps that are none. */
export const SpecialTimestamp = {
  latest: -1,
  earliest: -2,
  maxTimestamp: -3,
  earliestLocal: -4,
  latestTiered: -5,
  earliestPendingUpload: -6,
} as const;

const UNKNOWN = -1;
const HIGH_WATERMARK = -1;
/** The wait is for this node's own disk only: a client's short timeout must not turn that into an error. */
const LOCAL_DISK_TIMEOUT_MS_MIN = 5_000;
/** How often a deletion looks whether all followers begin where they should. */
const FOLLOWERS_STEP_MS = 10;
const NOT_FOUND: ListedOffset = { errorCode: ErrorCode.NONE, timestamp: UNKNOWN, offset: UNKNOWN, leaderEpoch: UNKNOWN };

/** What is asked about offsets, epochs and producers of the partitions that this node leads. */
export class OffsetQueries {
  /** To look a time up decompresses a batch, and one request may ask for many partitions. */
  private readonly lookUps: TurnGate;

  constructor(
    private readonly table: PartitionTable,
    private readonly clock: Clock,
  ) {
    this.lookUps = new TurnGate(clock);
  }

  /** A partition that is named twice is answered with 42 each time, as Kafka does. */
  async listOffsets(request: ListOffsetsRequest): Promise<ListOffsetsResponse> {
    const counts = new Map<string, number>();
    for (const { topicId, partition } of request.partitions) {
      const key = `${topicId}-${partition}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const listed = request.partitions.map(async (query) => {
      const isDuplicate = (counts.get(`${query.topicId}-${query.partition}`) ?? 0) > 1;
      return isDuplicate ? { ...NOT_FOUND, errorCode: ErrorCode.INVALID_REQUEST } : this.listOffset(query);
    });
    return { partitions: await Promise.all(listed) };
  }

  async getEpochEndOffsets(request: GetEpochEndOffsetsRequest): Promise<GetEpochEndOffsetsResponse> {
    return { partitions: request.partitions.map((query) => this.epochEnd(query)) };
  }

  async deleteRecords(request: DeleteRecordsRequest): Promise<DeleteRecordsResponse> {
    return { partitions: await Promise.all(request.partitions.map((target) => this.deleteBefore(target, request.timeoutMs))) };
  }

  async describeProducers(request: DescribeProducersRequest): Promise<DescribeProducersResponse> {
    return { partitions: request.partitions.map(({ topicId, partition }) => this.producersOf(topicId, partition)) };
  }

  private async listOffset(query: ListOffsetsPartition): Promise<ListedOffset> {
    const located = this.table.locate(query.topicId, query.partition, query.currentLeaderEpoch);
    if (!located.ok) return { ...NOT_FOUND, errorCode: located.errorCode };
    const { partition } = located;
    const { log, highWatermark } = partition;
    switch (query.timestamp) {
      case SpecialTimestamp.latest:
        if (!isHighWatermarkCertain(partition)) return { ...NOT_FOUND, errorCode: ErrorCode.OFFSET_NOT_AVAILABLE };
        return { ...NOT_FOUND, offset: highWatermark, leaderEpoch: partition.image.leaderEpoch };
      case SpecialTimestamp.earliest:
      case SpecialTimestamp.earliestLocal:
        return { ...NOT_FOUND, offset: log.logStartOffset, leaderEpoch: log.epochOf(log.logStartOffset) ?? UNKNOWN };
      case SpecialTimestamp.latestTiered:
      case SpecialTimestamp.earliestPendingUpload:
        return NOT_FOUND;
      default:
        await this.lookUps.enter();
        return lookUp(partition, query.timestamp);
    }
  }

  private epochEnd(query: EpochQuery): EpochAnswer {
    const located = this.table.locate(query.topicId, query.partition, query.currentLeaderEpoch);
    if (!located.ok) return { errorCode: located.errorCode, leaderEpoch: UNKNOWN, endOffset: UNKNOWN };
    const end = located.partition.log.epochEndOffset(query.leaderEpoch as LeaderEpoch);
    return { errorCode: ErrorCode.NONE, leaderEpoch: end?.leaderEpoch ?? UNKNOWN, endOffset: end?.endOffset ?? UNKNOWN };
  }

  private async deleteBefore(target: DeleteRecordsPartition, timeoutMs: number): Promise<DeletedRecords> {
    const located = this.table.locate(target.topicId, target.partition);
    if (!located.ok) return { errorCode: located.errorCode, lowWatermark: UNKNOWN };
    const { partition } = located;
    const offset = target.offset === HIGH_WATERMARK ? partition.highWatermark : target.offset;
    const refused = whyNotDeletable(partition, offset);
    if (refused !== undefined) return { errorCode: refused, lowWatermark: UNKNOWN };
    const deadlineMs = this.clock.monotonicMs() + timeoutMs;
    const { log, leading } = partition;
    const isNew = offset > log.logStartOffset;
    const own = isNew ? await this.withTimeout(log.advanceLogStart(offset as Offset), timeoutMs) : ErrorCode.NONE;
    const errorCode = own === ErrorCode.NONE ? await this.followersBeginAt(partition, offset, leading, deadlineMs) : own;
    return { errorCode, lowWatermark: errorCode === ErrorCode.NONE ? log.logStartOffset : UNKNOWN };
  }

  /** What was deleted would be back with another leader: it is gone once every live replica begins there (DelayedDeleteRecords). */
  private async followersBeginAt(
    partition: HostedPartition,
    offset: number,
    leading: LeaderEpoch | undefined,
    deadlineMs: number,
  ): Promise<ErrorCode> {
    partition.replica?.logChanged();
    for (;;) {
      if (partition.leading !== leading) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
      if (this.allBeginAt(partition, offset)) return ErrorCode.NONE;
      if (this.clock.monotonicMs() >= deadlineMs) return ErrorCode.REQUEST_TIMED_OUT;
      await new Promise<void>((resolve) => this.clock.schedule(FOLLOWERS_STEP_MS, resolve));
    }
  }

  private allBeginAt({ replica, image }: HostedPartition, offset: number): boolean {
    const { brokers } = this.table.image;
    const followers = replica?.followers ?? [];
    return followers.every(({ id, startOffset }) => {
      const broker = brokers.get(id);
      const isAlive = broker !== undefined && !broker.fenced && !image.failedReplicas.includes(id);
      return !isAlive || startOffset >= offset;
    });
  }

  /** Followers know them as well. */
  private producersOf(topicId: string, index: number): PartitionProducers {
    const located = locateReader(this.table, { topicId, partition: index, currentLeaderEpoch: -1 }, false);
    if (!located.ok) return { errorCode: located.errorCode, errorMessage: located.message, producers: [] };
    const producers = located.partition.log.producers().map(({ producerId, producerEpoch, lastSequence, lastTimestamp }) => ({
      producerId,
      producerEpoch,
      lastSequence,
      lastTimestamp,
      coordinatorEpoch: UNKNOWN,
      currentTxnStartOffset: UNKNOWN,
    }));
    return { errorCode: ErrorCode.NONE, errorMessage: '', producers };
  }

  /** The work goes on after its time is over; only nobody waits for it. */
  private withTimeout(work: Promise<void>, timeoutMs: number): Promise<ErrorCode> {
    return new Promise((resolve) => {
      const cancel = this.clock.schedule(Math.max(timeoutMs, LOCAL_DISK_TIMEOUT_MS_MIN), () =>
        resolve(ErrorCode.REQUEST_TIMED_OUT),
      );
      work.then(
        () => resolve(ErrorCode.NONE),
        () => resolve(ErrorCode.KAFKA_STORAGE_ERROR),
      );
      void work.then(cancel, cancel);
    });
  }
}

/** A new leader does not know the true high watermark until its own epoch's start is committed (KIP-207). */
function isHighWatermarkCertain(partition: HostedPartition): boolean {
  return partition.highWatermark >= partition.epochStartOffset;
}

async function lookUp(partition: HostedPartition, timestamp: number): Promise<ListedOffset> {
  const { log, highWatermark } = partition;
  let found: TimestampOffset | undefined;
  try {
    found =
      timestamp === SpecialTimestamp.maxTimestamp
        ? await log.offsetOfMaxTimestamp(highWatermark)
        : await log.offsetForTimestamp(timestamp as TimestampMs, highWatermark);
  } catch {
    return { ...NOT_FOUND, errorCode: ErrorCode.KAFKA_STORAGE_ERROR };
  }
  if (found !== undefined && found.offset < highWatermark) return { errorCode: ErrorCode.NONE, ...found };
  return isHighWatermarkCertain(partition) ? NOT_FOUND : { ...NOT_FOUND, errorCode: ErrorCode.OFFSET_NOT_AVAILABLE };
}

function whyNotDeletable(partition: HostedPartition, offset: number): ErrorCode | undefined {
  if (partition.settings.internal) return ErrorCode.INVALID_TOPIC_EXCEPTION;
  if (!partition.settings.deletable) return ErrorCode.POLICY_VIOLATION;
  return offset < 0 || offset > partition.highWatermark ? ErrorCode.OFFSET_OUT_OF_RANGE : undefined;
}
