import type { FetchTarget } from '@streamline/runtime/gateway/fetch-sessions';
import type { FetchedPartition, FetchPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { BulkFetched, StoragePort } from '@streamline/wire/contracts/ports';
import { kafkaErrorOf, STORAGE_FAILURES } from './kafka-error';
import type { RequestContext } from './request-context';

/** A partition with the storage to read it from, or with why it cannot be read. */
export type RoutedTarget =
  | { readonly target: FetchTarget; readonly topicId: string; readonly storage: StoragePort }
  /** `endsWait`: an error of a log, which is told at once; an unknown topic waits with the rest. */
  | { readonly target: FetchTarget; readonly failed: FetchedPartition; readonly endsWait: boolean };

export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly readCommitted: boolean;
  /** No follower may answer. */
  readonly leaderOnly: boolean;
  readonly clientRack: string | undefined;
}

/** What was read of one partition; the chunks are views that nobody changes. */
export interface PartitionFetch {
  readonly outcome: FetchedPartition;
  readonly records: readonly Buffer[];
}

interface StorageRead {
  readonly storage: StoragePort;
  readonly partitions: FetchPartition[];
  readonly places: number[];
}

const NO_RECORDS: readonly Buffer[] = [];

/** Beyond its own wait a storage has so long to answer. */
const ANSWER_SLACK_MS = 10_000;

/**
 * Reads partitions where they live and gives them back in their order. With one storage, as at any gateway of a broker, that is one
 * call, which does the waiting. With several, all are asked at once for what there is; only where that is too little do all wait, until the
 * first has something.
 */
export function readPartitions(
  targets: readonly RoutedTarget[],
  limits: FetchLimits,
  context: RequestContext,
): PartitionFetch[] | Promise<PartitionFetch[]> {
  const results: (PartitionFetch | undefined)[] = [];
  const reads: StorageRead[] = [];
  let patient = true;
  for (const routed of targets) {
    if ('failed' in routed) {
      if (routed.endsWait) patient = false;
      results.push({ outcome: routed.failed, records: NO_RECORDS });
      continue;
    }
    let read = reads.find(({ storage }) => storage === routed.storage);
    if (read === undefined) reads.push((read = { storage: routed.storage, partitions: [], places: [] }));
    read.partitions.push(partitionOf(routed.topicId, routed.target));
    read.places.push(results.length);
    results.push(undefined);
  }
  const finish = () => results.map((result) => result ?? LEFT_OUT);
  const [only] = reads;
  if (only === undefined) return finish();
  const allowed = patient ? limits : { ...limits, maxWaitMs: 0 };
  const done =
    reads.length === 1
      ? readFrom(only, allowed, context, results, context.connection.signal).then(() => undefined)
      : readFromAll(reads, allowed, context, results);
  return done.then(finish);
}

const LEFT_OUT: PartitionFetch = {
  outcome: {
    errorCode: STORAGE_FAILURES.internal,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    recordBytes: 0,
  },
  records: NO_RECORDS,
};

function partitionOf(topicId: string, target: FetchTarget): FetchPartition {
  const { partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch, maxBytes } = target;
  return { topicId, partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch, maxBytes };
}

/** Bytes read; an error of the storage is the outcome of each of its partitions. */
async function readFrom(
  read: StorageRead,
  limits: FetchLimits,
  context: RequestContext,
  results: (PartitionFetch | undefined)[],
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly failed: boolean }> {
  const { maxWaitMs, minBytes, maxBytes, readCommitted, leaderOnly, clientRack } = limits;
  const request = {
    correlationId: 0,
    maxWaitMs,
    minBytes,
    maxBytes,
    readCommitted,
    leaderOnly,
    clientRack,
    metadataIndex: context.image.index,
    partitions: read.partitions,
    creditBytes: 0,
    cancel: false,
  };
  const room = context.gateway.budget.answers.room();
  try {
    const deadlineMs = maxWaitMs + ANSWER_SLACK_MS;
    const fetched = await read.storage.partitions.fetch(request, { signal, room, deadlineMs });
    return takeOutcomes(read, fetched, results);
  } catch (thrown) {
    const error = kafkaErrorOf(thrown, STORAGE_FAILURES);
    if (!signal.aborted) {
      context.gateway.log.write('error', 'fetch-failed', { error: String(error.cause ?? error) }, 'a storage failed to read');
    }
    for (const place of read.places) {
      results[place] = { outcome: { ...LEFT_OUT.outcome, errorCode: error.code }, records: NO_RECORDS };
    }
    return { bytes: 0, failed: true };
  } finally {
    room.leave();
  }
}

function takeOutcomes(read: StorageRead, fetched: BulkFetched, results: (PartitionFetch | undefined)[]) {
  let bytes = 0;
  let failed = false;
  for (const [i, place] of read.places.entries()) {
    const outcome = fetched.response.partitions[i] ?? LEFT_OUT.outcome;
    results[place] = { outcome, records: fetched.records[i] ?? NO_RECORDS };
    bytes += outcome.recordBytes;
    if (outcome.errorCode !== 0 || outcome.divergingEpoch !== undefined || outcome.preferredReadReplica !== undefined) {
      failed = true;
    }
  }
  return { bytes, failed };
}

async function readFromAll(
  reads: readonly StorageRead[],
  limits: FetchLimits,
  context: RequestContext,
  results: (PartitionFetch | undefined)[],
): Promise<void> {
  const share = { ...limits, maxBytes: Math.ceil(limits.maxBytes / reads.length) };
  const { signal } = context.connection;
  const first = await Promise.all(reads.map((read) => readFrom(read, { ...share, maxWaitMs: 0 }, context, results, signal)));
  const bytes = first.reduce((sum, part) => sum + part.bytes, 0);
  if (limits.maxWaitMs === 0 || bytes >= limits.minBytes || first.some(({ failed }) => failed)) return;
  const enough = new AbortController();
  const both = AbortSignal.any([signal, enough.signal]);
  const waited: (PartitionFetch | undefined)[] = [];
  const wait = { ...share, minBytes: Math.max(1, limits.minBytes - bytes) };
  await Promise.all(
    reads.map(async (read) => {
      const part = await readFrom(read, wait, context, waited, both);
      if (both.aborted && part.failed) return;
      for (const place of read.places) results[place] = waited[place];
      enough.abort();
    }),
  );
}
