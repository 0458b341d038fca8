import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { TopicImage } from '@streamline/core/metadata/image';
import type { FetchTarget, FetchTurn } from '@streamline/runtime/gateway/fetch-sessions';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import type { FetchedPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { readPartitions, type FetchLimits, type PartitionFetch, type RoutedTarget } from '../context/partition-fetch';
import { KafkaError, STORAGE_FAILURES } from '../context/kafka-error';
import { numberOf } from '../context/numbers';
import type { RequestContext } from '../context/request-context';
import { storageFor } from '../context/storage-choice';
import { endpointsOf, newestHint, NO_NODE, topicById, topicByName, type LeaderHint } from '../context/topics';
import { handler } from './handler';

type FetchRequest = RequestOf<typeof fetch>;
type FetchResponse = ResponseInput<typeof fetch>;
type FetchTopic = FetchRequest['topics'][number];

/** From here on consumers name their rack and may be sent to a follower (KIP-392). */
const FIRST_VERSION_WITH_FOLLOWERS = 11;
const FIRST_VERSION_WITH_HINTS = 12;
const FIRST_VERSION_WITH_IDS = 13;
const FIRST_VERSION_WITH_ENDPOINTS = 16;
const FIRST_VERSION_WITH_REPLICA_STATE = 15;

/** An empty answer is always allowed: nobody waits longer, whatever they say. */
const MAX_WAIT_MS = 600_000;

const READ_COMMITTED = 1;

/** Reads record batches; waits for more where the client asks for it (a long poll). Sessions: KIP-227. */
export const fetchHandler = handler({
  api: fetch,
  turn: 'parked',
  countsErrors: true,
  failures: STORAGE_FAILURES,
  handle(request, context) {
    const usesTopicIds = context.apiVersion >= FIRST_VERSION_WITH_IDS;
    refuseFollowers(request, context);
    const turn = context.gateway.fetchSessions.begin({
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      usesTopicIds,
      partitions: request.topics.flatMap((topic) => targetsOf(topic, usesTopicIds)),
      forgotten: request.forgottenTopicsData.flatMap((topic) =>
        topic.partitions.map((partition) => ({ topic: usesTopicIds ? topic.topicId : topic.topic, partition })),
      ),
    });
    if (typeof turn === 'number') return sessionError(turn);
    const targets = turn.partitions.map((target) => route(target, usesTopicIds, context));
    const read = readPartitions(targets, limitsOf(request, context), context);
    if (!(read instanceof Promise)) return conclude(turn, read, request, context);
    return read.then((fetched) => conclude(turn, fetched, request, context));
  },
  failure(request, error) {
    const partitions = (topic: FetchTopic) =>
      topic.partitions.map(({ partition }) => ({ ...emptyAnswer(partition), errorCode: error.code }));
    const responses = request.topics.map((topic) => ({
      topic: topic.topic,
      topicId: topic.topicId,
      partitions: partitions(topic),
    }));
    return { throttleTimeMs: 0, errorCode: error.code, responses };
  },
});

/** Followers replicate over the inter-broker protocol: no client is one, and none may read past the high watermark. */
function refuseFollowers(request: FetchRequest, context: RequestContext): void {
  const replicaId = context.apiVersion >= FIRST_VERSION_WITH_REPLICA_STATE ? request.replicaState.replicaId : request.replicaId;
  if (replicaId < 0) return;
  throw new KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER, `replica ${replicaId} is not recognized as one that fetches from here`);
}

function targetsOf(topic: FetchTopic, usesTopicIds: boolean): FetchTarget[] {
  return topic.partitions.map((partition) => ({
    topic: usesTopicIds ? topic.topicId : topic.topic,
    partition: partition.partition,
    fetchOffset: numberOf(partition.fetchOffset),
    maxBytes: partition.partitionMaxBytes,
    currentLeaderEpoch: partition.currentLeaderEpoch,
    lastFetchedEpoch: partition.lastFetchedEpoch,
  }));
}

function limitsOf(request: FetchRequest, context: RequestContext): FetchLimits {
  const maxBytes = Math.min(request.maxBytes, context.gateway.config.fetchMaxBytes);
  return {
    maxWaitMs: Math.min(Math.max(0, request.maxWaitMs), MAX_WAIT_MS),
    minBytes: Math.min(Math.max(0, request.minBytes), maxBytes),
    maxBytes,
    readCommitted: request.isolationLevel === READ_COMMITTED,
    leaderOnly: context.apiVersion < FIRST_VERSION_WITH_FOLLOWERS,
    clientRack: request.rackId === '' ? undefined : request.rackId,
  };
}

function topicOf({ topic }: FetchTarget, usesTopicIds: boolean, context: RequestContext): TopicImage | undefined {
  return usesTopicIds ? topicById(context.image, topic) : topicByName(context.image, topic);
}

function route(target: FetchTarget, usesTopicIds: boolean, context: RequestContext): RoutedTarget {
  const topic = topicOf(target, usesTopicIds, context);
  if (topic === undefined) {
    const errorCode = usesTopicIds ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return { target, failed: failedPartition(errorCode), endsWait: false };
  }
  const partition = topic.partitions[target.partition];
  if (partition === undefined) {
    return { target, failed: failedPartition(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), endsWait: false };
  }
  const storage = storageFor(partition, context);
  if (storage === undefined) return { target, failed: failedPartition(ErrorCode.NOT_LEADER_OR_FOLLOWER), endsWait: true };
  return { target, topicId: topic.id, storage };
}

function failedPartition(errorCode: number): FetchedPartition {
  return { errorCode, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, recordBytes: 0 };
}

function sessionError(errorCode: number): FetchResponse {
  return { throttleTimeMs: 0, errorCode, responses: [] };
}

function conclude(
  turn: FetchTurn,
  fetched: readonly PartitionFetch[],
  request: FetchRequest,
  context: RequestContext,
): FetchResponse {
  const usesTopicIds = context.apiVersion >= FIRST_VERSION_WITH_IDS;
  const aborted = request.isolationLevel === READ_COMMITTED ? [] : null;
  const conclusion = turn.conclude(
    fetched.map(({ outcome }) => ({
      errorCode: outcome.errorCode,
      highWatermark: outcome.highWatermark,
      logStartOffset: outcome.logStartOffset,
      preferredReadReplica: outcome.preferredReadReplica ?? NO_NODE,
      diverging: outcome.divergingEpoch !== undefined,
      recordBytes: outcome.recordBytes,
    })),
  );
  if (conclusion.errorCode !== ErrorCode.NONE) return sessionError(conclusion.errorCode);
  const included = conclusion.included === 'all' ? fetched.keys() : conclusion.included;
  const hinted: number[] = [];
  const topics: { topic: string; topicId: string; partitions: PartitionData[] }[] = [];
  for (const index of included) {
    const target = turn.partitions[index];
    const read = fetched[index];
    if (target === undefined || read === undefined) continue;
    let topic = topics.at(-1);
    if (topic === undefined || (usesTopicIds ? topic.topicId : topic.topic) !== target.topic) {
      topic = usesTopicIds
        ? { topic: '', topicId: target.topic, partitions: [] }
        : { topic: target.topic, topicId: ZERO_TOPIC_ID, partitions: [] };
      topics.push(topic);
    }
    topic.partitions.push({ ...partitionData(target, read, context, hinted), abortedTransactions: aborted });
  }
  const response = { throttleTimeMs: 0, errorCode: ErrorCode.NONE, sessionId: conclusion.sessionId, responses: topics };
  if (hinted.length === 0 || context.apiVersion < FIRST_VERSION_WITH_ENDPOINTS) return response;
  return { ...response, nodeEndpoints: endpointsOf(context.image, hinted) };
}

type PartitionData = NonNullable<FetchResponse['responses']>[number]['partitions'][number];

const NO_BYTES = Buffer.alloc(0);

function partitionData(target: FetchTarget, read: PartitionFetch, context: RequestContext, hinted: number[]): PartitionData {
  const { outcome, records } = read;
  const { errorCode, preferredReadReplica, divergingEpoch } = outcome;
  const data: PartitionData = {
    partitionIndex: target.partition,
    errorCode,
    highWatermark: BigInt(outcome.highWatermark),
    lastStableOffset: BigInt(outcome.lastStableOffset),
    logStartOffset: BigInt(outcome.logStartOffset),
    abortedTransactions: null,
    records: records.length === 0 ? NO_BYTES : records,
  };
  if (errorCode === ErrorCode.NONE && divergingEpoch === undefined && preferredReadReplica === undefined) return data;
  if (errorCode !== ErrorCode.NONE) context.gateway.metrics.errorAnswered(fetch.key, errorCode);
  const hint = deservesHint(errorCode) ? hintFor(target, outcome, context) : undefined;
  if (context.apiVersion < FIRST_VERSION_WITH_HINTS) return { ...data, preferredReadReplica };
  const currentLeader = hint;
  if (currentLeader !== undefined) hinted.push(currentLeader.leaderId);
  const diverging = divergingEpoch && { epoch: divergingEpoch.leaderEpoch, endOffset: BigInt(divergingEpoch.endOffset) };
  return { ...data, preferredReadReplica, currentLeader, divergingEpoch: diverging };
}

function hintFor(target: FetchTarget, { currentLeader }: FetchedPartition, context: RequestContext): LeaderHint | undefined {
  const topic = topicOf(target, context.apiVersion >= FIRST_VERSION_WITH_IDS, context);
  const partition = topic?.partitions[target.partition];
  context.gateway.leaderGuesses.refused(partition, currentLeader);
  return newestHint(currentLeader, partition);
}

/** KIP-951: with 6 and 74; never with 75, where this broker is the one that is behind. */
function deservesHint(errorCode: number): boolean {
  return errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH;
}

function emptyAnswer(partition: number): PartitionData {
  return { partitionIndex: partition, errorCode: 0, highWatermark: -1n, abortedTransactions: null, records: NO_BYTES };
}
