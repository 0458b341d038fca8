import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import type { AppendedPartition, AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { BulkAppend } from '@streamline/wire/contracts/ports';
import { needsCodec, validateProduce } from '@streamline/wire/records/validate-produce';
import type { AppendOutcome, CheckedBatch, LogEngine, PartitionKey } from '../log/log-engine';
import type { Clock } from '../ports/clock';
import { AppendBacklog, type PutAside } from './append-backlog';
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

/** What codecs may do in one turn of the event loop before the rest is put aside, and again for what was: some 30 ms each. */
export const CODEC_BYTES_PER_TURN = 8 << 20;

const NO_BYTES = Buffer.alloc(0);

/** Counted since the start. */
export interface AppendCounts {
  requests: number;
  batches: number;
  bytes: number;
  refused: number;
  /** Requests that took codecs more than a turn of the event loop may last, or were behind such a one. */
  putAside: number;
}

/** Appends of producers and of local coordinators to the partitions that this node leads. */
export class AppendPath {
  readonly counts: AppendCounts = { requests: 0, batches: 0, bytes: 0, refused: 0, putAside: 0 };
  private readonly deadlines: DeadlineWheel;
  /** Of the present turn of the event loop. */
  private readonly work = { bytes: 0 };
  private readonly backlog = new AppendBacklog(this.work);
  /** The end of the turn is waited for, or room in the journal. */
  private isTurnDue = false;

  constructor(
    private readonly table: PartitionTable,
    private readonly clock: Clock,
    private readonly engine: Pick<LogEngine, 'headroomBytes' | 'onHeadroom'>,
  ) {
    this.deadlines = new DeadlineWheel(clock, TICK_MS);
  }

  /** Requests that are not acknowledged yet. */
  get waitingRequests(): number {
    return this.deadlines.size;
  }

  /**
   * Appends to all partitions before it returns; resolves when each may be acknowledged as `requiredAcks` asks. Where that
   * takes codecs too long, the rest follows in later turns of the event loop, and what the same connection sends behind it.
   */
  append(append: BulkAppend): Promise<AppendResponse> {
    const { request } = append;
    const pending = new PendingAppend(request.correlationId, request.partitions.length);
    this.counts.requests += 1;
    const mustQueue = !this.backlog.isEmpty && this.backlog.holds(request.connectionId);
    const begun = mustQueue ? 0 : this.appendFrom(0, append, pending);
    if (begun < request.partitions.length) this.putAside(begun, append, pending);
    if (this.work.bytes > 0) this.awaitTurn();
    if (!pending.isDone) {
      const { requiredAcks, timeoutMs } = request;
      pending.expireIn(this.deadlines, requiredAcks === -1 ? timeoutMs : Math.max(timeoutMs, LEADER_ACK_TIMEOUT_MS_MIN));
    }
    return pending.whenDone();
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
    partition.appended();
    return { ok: true, baseOffset: outcome.baseOffset, lastOffset: outcome.lastOffset };
  }

  /** Answers all that still wait with `errorCode`: their partitions are going away. */
  expireAll(): void {
    this.deadlines.expireAll();
  }

  /** Appends from partition `from` of the request on, until codecs have done enough; tells how far it came. */
  private appendFrom(from: number, { request, records }: BulkAppend, pending: PendingAppend): number {
    const { requiredAcks, partitions } = request;
    for (let index = from; index < partitions.length; index += 1) {
      const target = partitions[index];
      if (target === undefined) break;
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
        if (this.work.bytes >= CODEC_BYTES_PER_TURN && needsCodec(bytes, located.partition.settings.produce)) return index;
        this.appendTo(located.partition, bytes, requiredAcks, index, pending);
      }
    }
    return partitions.length;
  }

  /** The caller's memory is only lent until `append` returns. */
  private putAside(from: number, { request, records }: BulkAppend, pending: PendingAppend): void {
    const own = records.map((bytes, index) => (index < from ? NO_BYTES : Buffer.from(bytes)));
    const rest = new RestOfAppend({ request, records: own }, from, pending, (begun, append) =>
      this.appendFrom(begun, append, pending),
    );
    pending.putAside(rest);
    this.backlog.add(request.connectionId, rest, from === 0 ? 0 : this.work.bytes);
    this.counts.putAside += 1;
    this.awaitTurn();
  }

  private awaitTurn(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.clock.nextTurn(() => this.turn());
  }

  /** What was put aside has a share of the turn for itself: what arrives goes on as if there were none. */
  private turn(): void {
    this.work.bytes = 0;
    if (!this.backlog.isEmpty && this.engine.headroomBytes <= 0) {
      this.engine.onHeadroom(() => this.clock.nextTurn(() => this.turn()));
      return;
    }
    this.isTurnDue = false;
    this.backlog.proceed(CODEC_BYTES_PER_TURN);
    this.work.bytes = 0;
    if (!this.backlog.isEmpty) this.awaitTurn();
  }

  private appendTo(partition: HostedPartition, bytes: Buffer, requiredAcks: number, index: number, pending: PendingAppend): void {
    const checked = validateProduce(bytes, partition.settings.produce, this.clock.wallMs(), this.work);
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
    const ack = pending.appended(index, answer(outcome.baseOffset, logAppendTimeMs, partition.log.logStartOffset));
    if (requiredAcks === 0) ack.settle(ErrorCode.NONE);
    else if (requiredAcks === 1) partition.whenDurable(outcome.lastOffset, ack);
    else partition.whenCommitted(outcome.lastOffset, ack);
    partition.appended();
  }
}

/** The partitions of one append that have not been begun. */
class RestOfAppend implements PutAside {
  constructor(
    /** Let go of when it is over: once it is answered, nobody counts its memory. */
    private append: BulkAppend | undefined,
    private begun: number,
    private readonly pending: PendingAppend,
    /** Goes on from a partition, and tells how far it came. */
    private readonly appendFrom: (index: number, append: BulkAppend) => number,
  ) {}

  get isOver(): boolean {
    return this.append === undefined;
  }

  proceed(): void {
    if (this.append === undefined) return;
    this.begun = this.appendFrom(this.begun, this.append);
    if (this.begun >= this.append.request.partitions.length) this.append = undefined;
  }

  /** Its time is over: what was not begun is refused. */
  abandon(): void {
    const count = this.append?.request.partitions.length ?? 0;
    this.append = undefined;
    for (let index = this.begun; index < count; index += 1) {
      this.pending.refuse(index, refusal(ErrorCode.REQUEST_TIMED_OUT, NOT_IN_TIME));
    }
  }
}

const NOT_IN_TIME = 'nothing was appended: it had to wait for batches that take long to decompress';

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
