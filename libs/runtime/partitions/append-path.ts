import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import type { AppendedPartition, AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { BulkAppend } from '@streamline/wire/contracts/ports';
import { validateProduce } from '@streamline/wire/records/validate-produce';
import type { AppendOutcome, CheckedBatch, PartitionKey } from '../log/log-engine';
import type { Clock } from '../ports/clock';
import { DeadlineWheel } from './deadline-wheel';
import type { HostedPartition } from './hosted-partition';
import type { LocalAppendOutcome } from './local-partitions';
import type { PartitionTable } from './partition-table';
import { PendingAppend } from './pending-append';

const TICK_MS = 50;
/**
 * acks=1 waits for this node's own disk only, which Kafka does not: a client's short timeout must not turn that into an
 * error. The journal either finishes or ends the process (J-9).
 */
const LEADER_ACK_TIMEOUT_MS_MIN = 30_000;

/** Counted since the start. */
export interface AppendCounts {
  requests: number;
  batches: number;
  bytes: number;
  refused: number;
}

/** Appends of producers and of local coordinators to the partitions that this node leads. */
export class AppendPath {
  readonly counts: AppendCounts = { requests: 0, batches: 0, bytes: 0, refused: 0 };
  private readonly deadlines: DeadlineWheel;
  private readonly waiting = new Set<PendingAppend>();

  constructor(
    private readonly table: PartitionTable,
    private readonly clock: Clock,
  ) {
    this.deadlines = new DeadlineWheel(clock, TICK_MS);
  }

  /** Requests that are not acknowledged yet. */
  get waitingRequests(): number {
    return this.waiting.size;
  }

  /** Appends to all partitions before it returns; resolves when each may be acknowledged as `requiredAcks` asks. */
  append({ request, records }: BulkAppend): Promise<AppendResponse> {
    const { requiredAcks } = request;
    const pending = new PendingAppend(request.correlationId, request.partitions.length, (done) => this.waiting.delete(done));
    this.counts.requests += 1;
    for (const [index, target] of request.partitions.entries()) {
      const bytes = records[index];
      const located = this.table.locate(target.topicId, target.partition);
      if (bytes === undefined) {
        pending.refuse(index, refusal(ErrorCode.INVALID_RECORD, 'the request holds no record bytes for this partition'));
      } else if (!located.ok) {
        const hint = located.errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER;
        const currentLeader = hint ? this.table.leaderHint(target.topicId, target.partition) : undefined;
        pending.refuse(index, { ...refusal(located.errorCode, located.message), currentLeader });
      } else if (requiredAcks < -1 || requiredAcks > 1) {
        pending.refuse(index, refusal(ErrorCode.INVALID_REQUIRED_ACKS, `required acks are 0, 1 or -1, not ${requiredAcks}`));
      } else if (requiredAcks === -1 && !located.partition.hasEnoughReplicas) {
        pending.refuse(index, refusal(ErrorCode.NOT_ENOUGH_REPLICAS, notEnoughReplicas(located.partition)));
      } else {
        this.appendTo(located.partition, bytes, requiredAcks, index, pending);
      }
    }
    if (!pending.isDone) {
      this.waiting.add(pending);
      const timeoutMs = requiredAcks === 1 ? Math.max(request.timeoutMs, LEADER_ACK_TIMEOUT_MS_MIN) : request.timeoutMs;
      pending.expireIn(this.deadlines, timeoutMs);
    }
    return pending.response;
  }

  /** Appends nothing, and says why. */
  refuseAll({ request }: BulkAppend, errorCode: ErrorCode, message: string): Promise<AppendResponse> {
    const partitions = request.partitions.map(() => refusal(errorCode, message));
    return Promise.resolve({ correlationId: request.correlationId, partitions, creditBytes: 0 });
  }

  /** Appends a coordinator's batch, which is trusted to be well formed; see `LocalPartitions.append`. */
  appendLocal(key: PartitionKey, leaderEpoch: LeaderEpoch, batch: Buffer, done: (errorCode: number) => void): LocalAppendOutcome {
    const located = this.table.locate(key.topicId, key.partition, leaderEpoch);
    if (!located.ok) return { ok: false, errorCode: located.errorCode, message: located.message };
    const { partition } = located;
    if (!partition.hasEnoughReplicas) {
      return { ok: false, errorCode: ErrorCode.NOT_ENOUGH_REPLICAS, message: notEnoughReplicas(partition) };
    }
    const checked = validateProduce(batch, partition.settings.produce, this.clock.wallMs());
    if (!checked.ok) return { ok: false, errorCode: checked.errorCode, message: checked.message };
    const outcome = appendToLog(partition, { bytes: checked.batch, header: checked.header });
    if (outcome.kind === 'refused') return { ok: false, errorCode: outcome.errorCode, message: outcome.message };
    this.counts.batches += 1;
    this.counts.bytes += batch.length;
    partition.whenCommitted(outcome.lastOffset, { settle: done });
    return { ok: true, baseOffset: outcome.baseOffset, lastOffset: outcome.lastOffset };
  }

  /** Answers all that still wait with `errorCode`: their partitions are going away. */
  expireAll(): void {
    for (const pending of [...this.waiting]) pending.expire();
  }

  private appendTo(partition: HostedPartition, bytes: Buffer, requiredAcks: number, index: number, pending: PendingAppend): void {
    const checked = validateProduce(bytes, partition.settings.produce, this.clock.wallMs());
    if (!checked.ok) {
      this.counts.refused += 1;
      pending.refuse(index, { ...refusal(checked.errorCode, checked.message), recordErrors: [...checked.recordErrors] });
      return;
    }
    const outcome = appendToLog(partition, { bytes: checked.batch, header: checked.header });
    if (outcome.kind === 'refused') {
      this.counts.refused += 1;
      pending.refuse(index, refusal(outcome.errorCode, outcome.message));
      return;
    }
    this.counts.batches += 1;
    this.counts.bytes += checked.batch.length;
    const logAppendTimeMs = outcome.kind === 'appended' ? outcome.logAppendTimeMs : -1;
    pending.appended(index, answer(outcome.baseOffset, logAppendTimeMs, partition.log.logStartOffset));
    if (requiredAcks === 0) pending.settle(index, ErrorCode.NONE);
    else if (requiredAcks === 1) partition.whenDurable(outcome.lastOffset, pending.ackOf(index));
    else partition.whenCommitted(outcome.lastOffset, pending.ackOf(index));
  }
}

/** A log that throws has failed or is closed: nobody may take that for an acknowledgement, and no later append suffers. */
function appendToLog(partition: HostedPartition, batch: CheckedBatch): AppendOutcome {
  try {
    return partition.log.append(batch);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'refused', errorCode: ErrorCode.KAFKA_STORAGE_ERROR, message };
  }
}

function answer(baseOffset: Offset, logAppendTimeMs: number, logStartOffset: Offset): AppendedPartition {
  return {
    errorCode: 0,
    errorMessage: '',
    baseOffset,
    logAppendTimeMs,
    logStartOffset,
    recordErrors: [],
    currentLeader: undefined,
  };
}

function refusal(errorCode: number, errorMessage: string): AppendedPartition {
  return {
    errorCode,
    errorMessage,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    currentLeader: undefined,
  };
}

function notEnoughReplicas(partition: HostedPartition): string {
  const { isr, replicas } = partition.image;
  const needed = Math.min(partition.settings.minInsyncReplicas, replicas.length);
  return `${partition.topicName}-${partition.key.partition} has ${isr.length} in-sync replicas, acks=all needs ${needed}`;
}
