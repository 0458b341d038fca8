import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import type {
  EpochEndOffset,
  FetchedPartition,
  FetchPartition,
  FetchRequest,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { AnswerRoom, BulkFetched, FetchContext } from '@streamline/wire/contracts/ports';
import type { Clock } from '../ports/clock';
import { FetchWaiter } from './fetch-waiter';
import type { HostedPartition } from './hosted-partition';
import type { PartitionTable } from './partition-table';
import { isUnknownPartition } from './partition-table';
import { locateReader, preferredReaderOf } from './reader-choice';

/** Bounds on what one fetch takes and on how many may wait. */
export interface FetchLimits {
  /** fetch.max.bytes of the broker: no answer is larger, but for a first batch that is larger by itself. */
  readonly maxBytes: number;
  /** Fetches beyond this many are not kept waiting, but answered with what there is. */
  readonly maxWaiting: number;
}

/** Counted since the start. */
export interface FetchCounts {
  requests: number;
  bytes: number;
  /** Partitions answered with an error. */
  errors: number;
}

const NO_CHUNKS: readonly Buffer[] = [];

/** A partition that can be served, how far it was committed when it was looked at, and in which epoch it led, if it did. */
interface Served {
  readonly partition: HostedPartition;
  readonly highWatermark: Offset;
  readonly leading: LeaderEpoch | undefined;
}

/** One pass over a request's partitions. */
interface Pass {
  readonly answers: FetchedPartition[];
  readonly records: (readonly Buffer[])[];
  readonly served: Served[];
  bytes: number;
  /** What it may find. */
  readonly maxBytes: number;
  /** What is worth an answer. */
  readonly enoughBytes: number;
  /** An error, a divergence or another replica to read from: the client hears of it at once. */
  urgent: boolean;
}

/**
 * Long-polling fetches from the replicas on this node (KIP-74, KIP-227 without its sessions, KIP-320, KIP-595). Followers serve what
 * they know to be committed, and leaders send consumers to a follower in their rack (KIP-392).
 */
export class FetchPath {
  readonly counts: FetchCounts = { requests: 0, bytes: 0, errors: 0 };
  private readonly waiters = new Set<FetchWaiter>();
  private isClosing = false;

  constructor(
    private readonly table: PartitionTable,
    private readonly clock: Clock,
    private readonly limits: FetchLimits,
  ) {}

  /** Fetches that wait for more. */
  get waitingRequests(): number {
    return this.waiters.size;
  }

  /** Answers when there are `minBytes`, an error, or nothing to wait for any longer; `signal` ends the wait. */
  async fetch(request: FetchRequest, { signal, room }: FetchContext = {}): Promise<BulkFetched> {
    this.counts.requests += 1;
    const deadlineMs = this.clock.monotonicMs() + request.maxWaitMs;
    let pass = await this.pass(request, room);
    while (this.shouldWait(pass, deadlineMs, signal)) {
      drop(pass);
      room?.leave();
      if (!hasChanged(pass)) await this.wait(pass, deadlineMs, signal);
      pass = await this.pass(request, room);
    }
    return this.finish(request, pass);
  }

  private async wait(pass: Pass, deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    const partitions = pass.served.map(({ partition }) => partition);
    const waiter = new FetchWaiter(this.clock, partitions, pass.enoughBytes - pass.bytes);
    this.waiters.add(waiter);
    await waiter.wait(deadlineMs - this.clock.monotonicMs(), signal);
    this.waiters.delete(waiter);
  }

  /** From now on nothing waits: all fetches answer with what there is. */
  close(): void {
    this.isClosing = true;
    for (const waiter of [...this.waiters]) waiter.end();
  }

  private shouldWait(pass: Pass, deadlineMs: number, signal: AbortSignal | undefined): boolean {
    if (pass.urgent || pass.served.length === 0 || pass.bytes >= pass.enoughBytes) return false;
    if (this.isClosing || signal?.aborted === true || this.waiters.size >= this.limits.maxWaiting) return false;
    return this.clock.monotonicMs() < deadlineMs;
  }

  private finish(request: FetchRequest, pass: Pass): BulkFetched {
    this.counts.bytes += pass.bytes;
    const response = { correlationId: request.correlationId, partitions: pass.answers, creditBytes: 0 };
    return { response, records: pass.records };
  }

  private async pass(request: FetchRequest, room: AnswerRoom | undefined): Promise<Pass> {
    const maxBytes = Math.min(request.maxBytes, this.limits.maxBytes, room?.enter() ?? Infinity);
    const enoughBytes = Math.min(request.minBytes, maxBytes);
    const pass: Pass = { answers: [], records: [], served: [], bytes: 0, maxBytes, enoughBytes, urgent: false };
    for (const wanted of request.partitions) {
      const located = locateReader(this.table, wanted, request.leaderOnly === true);
      if (!located.ok) {
        this.fail(pass, wanted, located.errorCode);
        continue;
      }
      const { partition } = located;
      pass.served.push({ partition, highWatermark: partition.highWatermark, leading: partition.leading });
      const preferredReadReplica = this.readElsewhere(partition, request, wanted);
      const bounds = boundsError(partition, wanted.fetchOffset);
      const diverging = bounds === undefined ? divergence(partition, wanted) : undefined;
      if (preferredReadReplica !== undefined) {
        pass.urgent = true;
        add(pass, { ...answerOf(partition, 0), preferredReadReplica }, NO_CHUNKS, 0);
      } else if (bounds !== undefined || diverging === 'unknown') {
        this.fail(pass, wanted, bounds ?? ErrorCode.OFFSET_OUT_OF_RANGE);
      } else if (diverging !== undefined) {
        pass.urgent = true;
        add(pass, { ...answerOf(partition, 0), divergingEpoch: diverging }, NO_CHUNKS, 0);
      } else {
        const reading = this.readInto(pass, request, partition, wanted);
        if (reading !== undefined) await reading;
      }
    }
    return pass;
  }

  private readElsewhere(partition: HostedPartition, { clientRack }: FetchRequest, wanted: FetchPartition): NodeId | undefined {
    if (clientRack === undefined) return undefined;
    return preferredReaderOf(partition, this.table.image.brokers, clientRack, wanted.fetchOffset);
  }

  /** Returns a promise only where the bytes are not in memory. */
  private readInto(
    pass: Pass,
    request: FetchRequest,
    partition: HostedPartition,
    wanted: FetchPartition,
  ): Promise<void> | undefined {
    const upTo = partition.highWatermark;
    const roomBytes = Math.min(wanted.maxBytes, Math.max(0, pass.maxBytes - pass.bytes));
    const isFirst = pass.bytes === 0;
    if (wanted.fetchOffset >= upTo || (roomBytes <= 0 && !isFirst)) {
      add(pass, answerOf(partition, 0), NO_CHUNKS, 0);
      return undefined;
    }
    try {
      const limits = { maxBytes: roomBytes, minOneBatch: isFirst, upTo };
      const reading = partition.log.read(wanted.fetchOffset as Offset, limits);
      if (reading instanceof Promise) {
        return reading.then(
          (result) => add(pass, answerOf(partition, result.bytes), result.chunks, result.bytes),
          () => this.readFailed(pass, request, wanted),
        );
      }
      add(pass, answerOf(partition, reading.bytes), reading.chunks, reading.bytes);
    } catch {
      this.readFailed(pass, request, wanted);
    }
    return undefined;
  }

  /** The log start may have passed the offset, or the partition be gone, while it was read; else the log has failed. */
  private readFailed(pass: Pass, request: FetchRequest, wanted: FetchPartition): void {
    const now = locateReader(this.table, wanted, request.leaderOnly === true);
    const reason = now.ok ? boundsError(now.partition, wanted.fetchOffset) : now.errorCode;
    this.fail(pass, wanted, reason ?? ErrorCode.KAFKA_STORAGE_ERROR);
  }

  private fail(pass: Pass, wanted: FetchPartition, errorCode: number): void {
    this.counts.errors += 1;
    if (!isUnknownPartition(errorCode)) pass.urgent = true;
    const hint = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH;
    const currentLeader = hint ? this.table.leaderHint(wanted.topicId, wanted.partition) : undefined;
    add(pass, { ...NOTHING, errorCode, currentLeader }, NO_CHUNKS, 0);
  }
}

const NOTHING: FetchedPartition = {
  errorCode: ErrorCode.NONE,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  divergingEpoch: undefined,
  currentLeader: undefined,
  recordBytes: 0,
};

/** Something happened to a partition after it was looked at, while another one was read: nobody would tell of it again. */
function hasChanged(pass: Pass): boolean {
  return pass.served.some(
    ({ partition, highWatermark, leading }) =>
      partition.highWatermark !== highWatermark || partition.leading !== leading || partition.log.offlineReason !== undefined,
  );
}

/** A wait is to hold nothing: what was found is read again with what comes. */
function drop(pass: Pass): void {
  pass.answers.length = 0;
  pass.records.length = 0;
}

function add(pass: Pass, answer: FetchedPartition, chunks: readonly Buffer[], bytes: number): void {
  pass.answers.push(answer);
  pass.records.push(chunks);
  pass.bytes += bytes;
}

/** Without transactions the last stable offset is the high watermark, so read_committed and read_uncommitted are one. */
function answerOf(partition: HostedPartition, recordBytes: number): FetchedPartition {
  return {
    errorCode: ErrorCode.NONE,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.highWatermark,
    logStartOffset: partition.log.logStartOffset,
    divergingEpoch: undefined,
    currentLeader: undefined,
    recordBytes,
  };
}

/** An offset within the log is fine, also between high watermark and log end: it waits. */
function boundsError(partition: HostedPartition, fetchOffset: number): ErrorCode | undefined {
  const { logStartOffset, logEndOffset } = partition.log;
  return fetchOffset < logStartOffset || fetchOffset > logEndOffset ? ErrorCode.OFFSET_OUT_OF_RANGE : undefined;
}

/** Where the client's last epoch ended here, if that is before what it has (KIP-595); `unknown` where it cannot be told. */
function divergence(partition: HostedPartition, wanted: FetchPartition): EpochEndOffset | 'unknown' | undefined {
  if (wanted.lastFetchedEpoch < 0) return undefined;
  const end = partition.log.epochEndOffset(wanted.lastFetchedEpoch as LeaderEpoch);
  if (end === undefined) return 'unknown';
  if (end.leaderEpoch >= wanted.lastFetchedEpoch && end.endOffset >= wanted.fetchOffset) return undefined;
  return { leaderEpoch: end.leaderEpoch, endOffset: end.endOffset };
}
