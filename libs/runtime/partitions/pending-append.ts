import { ErrorCode } from '@streamline/core/types/error-code';
import type { AppendedPartition, AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { Ack } from './ack-queue';
import type { Bucket, DeadlineWheel, Expiring } from './deadline-wheel';

/** One append request on its way to its answer: one promise, however many partitions and records. */
export class PendingAppend implements Expiring {
  readonly response: Promise<AppendResponse>;
  /** Filled in the order of the request's partitions. */
  private readonly answers: AppendedPartition[] = [];
  /** Partitions without a final answer. */
  private open: number;
  private readonly settled: boolean[] = [];
  private bucket: Bucket | undefined;
  private resolve: (response: AppendResponse) => void = () => undefined;

  constructor(
    private readonly correlationId: number,
    partitionCount: number,
    private readonly onDone: (pending: PendingAppend) => void,
  ) {
    this.open = partitionCount;
    this.response = new Promise((resolve) => (this.resolve = resolve));
    if (partitionCount === 0) this.finish();
  }

  get isDone(): boolean {
    return this.open === 0;
  }

  /** Nothing was appended to this partition. */
  refuse(index: number, answer: AppendedPartition): void {
    this.answers[index] = answer;
    this.settle(index, answer.errorCode);
  }

  /** Appended; `settle` tells when that may be said. */
  appended(index: number, answer: AppendedPartition): void {
    this.answers[index] = answer;
  }

  ackOf(index: number): Ack {
    return { settle: (errorCode) => this.settle(index, errorCode) };
  }

  /** The final word on one partition. */
  settle(index: number, errorCode: number): void {
    if (this.settled[index] === true || this.isDone) return;
    this.settled[index] = true;
    const answer = this.answers[index];
    if (errorCode !== ErrorCode.NONE && answer !== undefined && answer.errorCode === ErrorCode.NONE) {
      answer.errorCode = errorCode;
      answer.errorMessage = WHY_NOT_ACKNOWLEDGED.get(errorCode) ?? '';
    }
    this.open -= 1;
    if (this.isDone) this.finish();
  }

  expireIn(deadlines: DeadlineWheel, timeoutMs: number): void {
    this.bucket = deadlines.add(timeoutMs, this);
  }

  /** Whatever is not acknowledged by now is answered with REQUEST_TIMED_OUT (7): appended, but not known to be safe. */
  expire(): void {
    for (const index of this.answers.keys()) this.settle(index, ErrorCode.REQUEST_TIMED_OUT);
  }

  private finish(): void {
    this.bucket?.delete(this);
    this.onDone(this);
    this.resolve({ correlationId: this.correlationId, partitions: this.answers, creditBytes: 0 });
  }
}

const WHY_NOT_ACKNOWLEDGED: ReadonlyMap<number, string> = new Map<number, string>([
  [ErrorCode.REQUEST_TIMED_OUT, 'appended, but not acknowledged by enough replicas in time'],
  [ErrorCode.NOT_LEADER_OR_FOLLOWER, 'appended, but the leadership ended before it was acknowledged'],
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'the topic was deleted'],
  [ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, 'appended, but too few replicas are in sync now'],
  [ErrorCode.KAFKA_STORAGE_ERROR, 'the log failed before the append was durable'],
]);
