import type { TopicId } from '@streamline/core/types/ids';
import type { AppendedPartition, FetchedPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import type { StorageSide } from './storage-side';

const FETCH_BYTES = 4_096;
const RECORDS_BYTES_MAX = 1 << 20;

export interface BatchToAppend {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly bytes: Buffer;
  readonly requiredAcks: -1 | 1;
  readonly timeoutMs: number;
  readonly connectionId: number;
}

export interface Fetch {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly offset: number;
  readonly maxWaitMs: number;
}

export interface FetchedRecords {
  readonly answer: FetchedPartition;
  readonly records: Buffer;
}

/** Undefined: the broker serves nobody. */
export async function appendTo(storage: StorageSide, batch: BatchToAppend): Promise<AppendedPartition | undefined> {
  const { topicId, partition, bytes, requiredAcks, timeoutMs, connectionId } = batch;
  const request = {
    correlationId: 0,
    requiredAcks,
    timeoutMs,
    metadataIndex: storage.replica.image.index,
    connectionId,
    creditBytes: 0,
    partitions: [{ topicId, partition, recordBytes: bytes.length }],
  };
  // The storage may patch what it is lent.
  const response = await storage.port?.partitions.append({ request, records: [Buffer.from(bytes)] });
  return response?.partitions[0];
}

/** Undefined: the broker serves nobody. */
export async function fetchFrom(storage: StorageSide, wanted: Fetch): Promise<FetchedRecords | undefined> {
  const { topicId, partition, offset: fetchOffset, maxWaitMs } = wanted;
  const fetched = await storage.port?.partitions.fetch({
    correlationId: 0,
    maxWaitMs,
    minBytes: 1,
    maxBytes: FETCH_BYTES,
    readCommitted: false,
    metadataIndex: storage.replica.image.index,
    partitions: [{ topicId, partition, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1, maxBytes: FETCH_BYTES }],
    creditBytes: 0,
    cancel: false,
  });
  const [answer] = fetched?.response.partitions ?? [];
  return answer && { answer, records: Buffer.concat(fetched?.records[0] ?? []) };
}

/** The values that whole batches hold; the first batch may begin before the offset that was asked for. */
export function* valuesIn(records: Buffer): Generator<{ readonly offset: number; readonly value: string }> {
  for (const batch of batchesIn(records))
    for (const { offset, value } of recordsOf(batch, readBatchHeader(batch), RECORDS_BYTES_MAX))
      yield { offset, value: value?.toString() ?? '' };
}
