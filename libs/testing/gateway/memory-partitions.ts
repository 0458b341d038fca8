import { ErrorCode } from '@streamline/core/types/error-code';
import type {
  AppendedPartition,
  EpochAnswer,
  EpochQuery,
  FetchedPartition,
  FetchRequest,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { BulkAppend, BulkFetched, PartitionPort } from '@streamline/wire/contracts/ports';
import { fakePort } from './fake-port';

interface MemoryBatch {
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

const RECORD_COUNT_POSITION = 57;

/**
 * Partition logs in memory, for tests of what lies before them: batches get offsets and can be fetched, also by waiting.
 * Nothing is checked but, where a test says who leads, that: a replica that only follows takes no appends. What a test wants
 * otherwise it sets in `appendError` and `fetchError`.
 */
export class MemoryPartitions {
  readonly appends: BulkAppend[] = [];
  readonly fetches: FetchRequest[] = [];

  constructor(private readonly leads: (topicId: string, partition: number) => boolean = () => true) {}

  /** Asked for each partition of an append; a code refuses it. */
  appendError: (topicId: string, partition: number) => number = (topicId, partition) =>
    this.leads(topicId, partition) ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  fetchError: (topicId: string, partition: number, leaderOnly: boolean) => number = (topicId, partition, leaderOnly) =>
    !leaderOnly || this.leads(topicId, partition) ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  private readonly logs = new Map<string, MemoryBatch[]>();
  private waiters = new Set<() => void>();

  /** The port, with what else a test wants it to answer. */
  port(others: Partial<PartitionPort> = {}): PartitionPort {
    return fakePort<PartitionPort>({
      append: (append) => this.append(append),
      fetch: (request, context) => this.fetch(request, context),
      getEpochEndOffsets: async ({ partitions }) => ({ partitions: partitions.map((asked) => this.epochEnd(asked)) }),
      ...others,
    });
  }

  endOffset(topicId: string, partition: number): number {
    const last = this.logs.get(`${topicId}:${partition}`)?.at(-1);
    return last === undefined ? 0 : last.baseOffset + countOf(last.bytes);
  }

  /** Of a log that was only ever led in one epoch. */
  private epochEnd({ topicId, partition, leaderEpoch }: EpochQuery): EpochAnswer {
    const isLed = this.leads(topicId, partition);
    if (!isLed) return { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, leaderEpoch: -1, endOffset: -1 };
    return { errorCode: ErrorCode.NONE, leaderEpoch, endOffset: this.endOffset(topicId, partition) };
  }

  private append(append: BulkAppend): Promise<{ correlationId: number; partitions: AppendedPartition[]; creditBytes: number }> {
    this.appends.push({ ...append, records: append.records.map((bytes) => Buffer.from(bytes)) });
    const partitions = append.request.partitions.map(({ topicId, partition }, i): AppendedPartition => {
      const errorCode = this.appendError(topicId, partition);
      const none = { errorMessage: '', logAppendTimeMs: -1, logStartOffset: 0, recordErrors: [] };
      if (errorCode !== ErrorCode.NONE) return { ...none, errorCode, baseOffset: -1, logStartOffset: -1 };
      const baseOffset = this.endOffset(topicId, partition);
      const log = this.logs.get(`${topicId}:${partition}`) ?? [];
      const bytes = Buffer.from(append.records[i] ?? Buffer.alloc(0));
      if (bytes.length >= 8) bytes.writeBigInt64BE(BigInt(baseOffset));
      log.push({ baseOffset, bytes });
      this.logs.set(`${topicId}:${partition}`, log);
      return { ...none, errorCode, baseOffset };
    });
    const waiters = this.waiters;
    this.waiters = new Set();
    for (const wake of waiters) wake();
    return Promise.resolve({ correlationId: 0, partitions, creditBytes: 0 });
  }

  private async fetch(request: FetchRequest, context?: CallContext): Promise<BulkFetched> {
    this.fetches.push(request);
    for (;;) {
      const fetched = this.read(request);
      const bytes = fetched.response.partitions.reduce((sum, { recordBytes }) => sum + recordBytes, 0);
      const failed = fetched.response.partitions.some(({ errorCode }) => errorCode !== ErrorCode.NONE);
      if (failed || bytes >= request.minBytes || request.maxWaitMs === 0 || context?.signal?.aborted === true) return fetched;
      await new Promise<void>((resolve) => {
        this.waiters.add(resolve);
        context?.signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  private read(request: FetchRequest): BulkFetched {
    const records: Buffer[][] = [];
    const partitions = request.partitions.map(({ topicId, partition, fetchOffset }): FetchedPartition => {
      const errorCode = this.fetchError(topicId, partition, request.leaderOnly ?? false);
      const end = this.endOffset(topicId, partition);
      const ends = { highWatermark: end, lastStableOffset: end, logStartOffset: 0 };
      const log = errorCode === ErrorCode.NONE ? (this.logs.get(`${topicId}:${partition}`) ?? []) : [];
      const chunks = log.filter(({ baseOffset, bytes }) => baseOffset + countOf(bytes) > fetchOffset).map(({ bytes }) => bytes);
      records.push(chunks);
      return { ...ends, errorCode, recordBytes: chunks.reduce((sum, { length }) => sum + length, 0) };
    });
    return { response: { correlationId: 0, partitions, creditBytes: 0 }, records };
  }
}

function countOf(bytes: Buffer): number {
  return bytes.length > RECORD_COUNT_POSITION + 4 ? bytes.readInt32BE(RECORD_COUNT_POSITION) : 1;
}
