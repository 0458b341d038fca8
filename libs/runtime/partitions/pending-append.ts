import { ErrorCode } from '@streamline/core/types/error-code';
import type { AppendedPartition, AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { Ack } from './ack-queue';
import { Expiring, type DeadlineWheel } from './deadline-wheel';

/** One append request on its way to its answer: one promise, however many partitions and records. */
export class PendingAppend extends Expiring {
  /** In the order of the request's partitions. */
  private readonly answers: AppendedPartition[];
  /** Partitions without a final answer. */
  private open: number;
  /** The partitions that were appended, as a list through them. */
  private lastAck: PartitionAck | undefined;
  private wheel: DeadlineWheel | undefined;
  private rest: { abandon(): void } | undefined;
  private resolve: ((response: AppendResponse) => void) | undefined;

  constructor(
    private readonly correlationId: number,
    partitionCount: number,
  ) {
    super();
    this.open = partitionCount;
    this.answers = new Array<AppendedPartition>(partitionCount);
  }

  get isDone(): boolean {
    return this.open === 0;
  }

  /** Nothing was appended to this partition. */
  refuse(index: number, answer: AppendedPartition): void {
    this.answers[index] = answer;
    this.settled();
  }

  /** Appended; the ack tells when that may be said. */
  appended(index: number, answer: AppendedPartition): Ack {
    this.answers[index] = answer;
    this.lastAck = new PartitionAck(this, answer, this.lastAck);
    return this.lastAck;
  }

  /** The final word on one partition has been said. */
  settled(): void {
    this.open -= 1;
    if (this.open > 0) return;
    this.wheel?.delete(this);
    this.resolve?.(this.response());
  }

  /** Some of its partitions are put aside: `rest` refuses them when the time is over. */
  putAside(rest: { abandon(): void }): void {
    this.rest = rest;
  }

  /** The answer, as soon as there is one for every partition. To be called once. */
  whenDone(): Promise<AppendResponse> {
    if (this.isDone) return Promise.resolve(this.response());
    return new Promise((resolve) => (this.resolve = resolve));
  }

  expireIn(wheel: DeadlineWheel, timeoutMs: number): void {
    this.wheel = wheel;
    wheel.add(timeoutMs, this);
  }

  /** Whatever is not acknowledged by now is answered with REQUEST_TIMED_OUT (7): appended, but not known to be safe. */
  expire(): void {
    for (let ack = this.lastAck; ack !== undefined; ack = ack.before) ack.settle(ErrorCode.REQUEST_TIMED_OUT);
    this.rest?.abandon();
  }

  private response(): AppendResponse {
    return { correlationId: this.correlationId, partitions: this.answers, creditBytes: 0 };
  }
}

class PartitionAck implements Ack {
  private isSettled = false;

  constructor(
    private readonly pending: PendingAppend,
    private readonly answer: AppendedPartition,
    /** The one that was made before it for the same request. */
    readonly before: PartitionAck | undefined,
  ) {}

  settle(errorCode: number): void {
    if (this.isSettled) return;
    this.isSettled = true;
    if (errorCode !== ErrorCode.NONE) {
      this.answer.errorCode = errorCode;
      this.answer.errorMessage = WHY_NOT_ACKNOWLEDGED.get(errorCode) ?? '';
    }
    this.pending.settled();
  }
}

const WHY_NOT_ACKNOWLEDGED: ReadonlyMap<number, string> = new Map<number, string>([
  [ErrorCode.REQUEST_TIMED_OUT, 'appended, but not acknowledged by enough replicas in time'],
  [ErrorCode.NOT_LEADER_OR_FOLLOWER, 'appended, but the leadership ended before it was acknowledged'],
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'the topic was deleted'],
  [ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, 'appended, but too few replicas are in sync now'],
  [ErrorCode.KAFKA_STORAGE_ERROR, 'the log failed before the append was durable'],
]);
