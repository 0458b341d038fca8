import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import { isInternalTopic } from '@streamline/core/metadata/topic-configs';
import type { PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import { ConnectionEnd } from '@streamline/runtime/gateway/connection';
import type {
  AppendedPartition,
  AppendPartition,
  AppendResponse,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { BatchField, isTransactional } from '@streamline/wire/records/batch-header';
import { KafkaError, kafkaErrorOf, STORAGE_FAILURES } from '../context/kafka-error';
import { nullIfEmpty } from '../context/numbers';
import type { RequestContext } from '../context/request-context';
import { endpointsOf, leaderHintOf, topicById, topicByName } from '../context/topics';
import { handler } from './handler';

type ProduceRequest = RequestOf<typeof produce>;
type ProduceResponse = ResponseInput<typeof produce>;
type TopicData = ProduceRequest['topicData'][number];

const FIRST_VERSION_WITH_IDS = 13;
const FIRST_VERSION_WITH_HINTS = 10;
const NO_RECORDS = Buffer.alloc(0);

/** A name is told for each partition that was asked for: a long one would be told in gigabytes. */
const TOPIC_NAME_LENGTH_MAX = 249;

/** The one client that may write to internal topics. */
const ADMIN_CLIENT_ID = '__admin_client';

/** What one storage is asked to append; `places` tells where its outcomes go in the order of the request. */
interface AppendBatch {
  readonly storage: StoragePort;
  readonly partitions: AppendPartition[];
  readonly records: Buffer[];
  readonly places: number[];
}

/**
 * Appends record batches. Pipelined: all appends have been called, in order, when this returns, so that the requests of a
 * connection take effect in their order without waiting for each other's answer.
 *
 * Transactional requests are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53) until transactions are built: the one
 * code that every client takes as final at every stage of a transaction, and the one that Kafka itself gives to
 * transactional batches that may not be written.
 */
export const produceHandler = handler({
  api: produce,
  // Older librdkafka takes a minimum above 0 for "no compression"; versions 0 to 2 are refused all the same.
  advertisedMin: 0,
  turn: 'pipelined',
  countsErrors: true,
  failures: STORAGE_FAILURES,
  handle(request, context) {
    refuseTransactions(request);
    if (request.acks < -1 || request.acks > 1) {
      throw new KafkaError(ErrorCode.INVALID_REQUIRED_ACKS, `acks is ${request.acks}; it has to be 0, 1 or -1`);
    }
    const outcomes: (AppendedPartition | undefined)[] = [];
    const batches = plan(request, context, outcomes);
    const pending = batches.map((batch) => append(batch, request, context, outcomes));
    const [only] = pending;
    if (only === undefined) return respond(request, context, outcomes);
    return (pending.length === 1 ? only : Promise.all(pending)).then(() => respond(request, context, outcomes));
  },
  failure(request, error, context) {
    const outcome = failedPartition(error.code, error.message);
    if (request.acks === 0) throw unanswerable(error.code);
    return answer(request, context, new Array<AppendedPartition>(countPartitions(request)).fill(outcome));
  },
});

function refuseTransactions(request: ProduceRequest): void {
  const transactional =
    request.transactionalId !== null ||
    request.topicData.some(({ partitionData }) =>
      partitionData.some(({ records }) => records !== null && holdsTransactional(records)),
    );
  if (!transactional) return;
  throw new KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'transactions are not available on this broker yet');
}

/** Looks at the first batch only: storage refuses more than one. */
function holdsTransactional(records: Buffer): boolean {
  return records.length >= BatchField.lastOffsetDelta && isTransactional(records.readInt16BE(BatchField.attributes));
}

/** Finds a storage for each partition; those without get their outcome here. */
function plan(request: ProduceRequest, context: RequestContext, outcomes: (AppendedPartition | undefined)[]): AppendBatch[] {
  const batches: AppendBatch[] = [];
  for (const topicData of request.topicData) {
    const topic = findTopic(topicData, context);
    for (const { index, records } of topicData.partitionData) {
      if (!('id' in topic)) {
        outcomes.push(topic);
        continue;
      }
      const partition = topic.partitions[index];
      const storage = partition === undefined ? undefined : context.gateway.storage.leaderOf(partition);
      if (partition === undefined || storage === undefined) {
        outcomes.push(partition === undefined ? unknownPartition(topic, index) : notLed(partition));
        continue;
      }
      let batch = batches.find((each) => each.storage === storage);
      if (batch === undefined) batches.push((batch = { storage, partitions: [], records: [], places: [] }));
      const bytes = records ?? NO_RECORDS;
      batch.partitions.push({ topicId: topic.id, partition: index, recordBytes: bytes.length });
      batch.records.push(bytes);
      batch.places.push(outcomes.length);
      outcomes.push(undefined);
    }
  }
  return batches;
}

function findTopic(data: TopicData, context: RequestContext): TopicImage | AppendedPartition {
  const byId = context.apiVersion >= FIRST_VERSION_WITH_IDS;
  const topic = byId ? topicById(context.image, data.topicId) : topicByName(context.image, data.name);
  if (topic === undefined) {
    return byId
      ? failedPartition(ErrorCode.UNKNOWN_TOPIC_ID, `there is no topic with the id ${data.topicId}`)
      : failedPartition(
          ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          `there is no topic called '${data.name.slice(0, TOPIC_NAME_LENGTH_MAX)}'`,
        );
  }
  if (isInternalTopic(topic.name) && context.clientId !== ADMIN_CLIENT_ID) {
    return failedPartition(ErrorCode.INVALID_TOPIC_EXCEPTION, `${topic.name} is an internal topic: clients do not write to it`);
  }
  return topic;
}

function append(
  batch: AppendBatch,
  request: ProduceRequest,
  context: RequestContext,
  outcomes: (AppendedPartition | undefined)[],
): Promise<void> {
  return startAppend(batch, request, context).then(
    (answer) => {
      for (const [i, place] of batch.places.entries()) outcomes[place] = answer.partitions[i];
    },
    (thrown: unknown) => {
      // The other storages' partitions may well have been written, and say so.
      const error = kafkaErrorOf(thrown, STORAGE_FAILURES);
      context.gateway.log.write('error', 'append-failed', { error: String(error.cause ?? error) }, 'a storage failed to append');
      for (const place of batch.places) outcomes[place] = failedPartition(error.code, error.message);
    },
  );
}

/** What storage throws at once is as good as a rejection: other storages may have the rest of the request already. */
function startAppend(batch: AppendBatch, request: ProduceRequest, context: RequestContext): Promise<AppendResponse> {
  const { acks: requiredAcks, timeoutMs } = request;
  const header = { correlationId: 0, requiredAcks, timeoutMs, metadataIndex: context.image.index, creditBytes: 0 };
  try {
    return batch.storage.partitions.append({ request: { ...header, partitions: batch.partitions }, records: batch.records });
  } catch (error) {
    return Promise.reject(error);
  }
}

function respond(
  request: ProduceRequest,
  context: RequestContext,
  outcomes: readonly (AppendedPartition | undefined)[],
): ProduceResponse | undefined {
  if (request.acks !== 0) return answer(request, context, outcomes);
  for (const outcome of outcomes) {
    if (outcome !== undefined && outcome.errorCode !== ErrorCode.NONE) throw unanswerable(outcome.errorCode);
  }
  return undefined;
}

/** acks=0 has no answer: the end of the connection tells the producer that its metadata may be old. */
function unanswerable(errorCode: number): ConnectionEnd {
  return new ConnectionEnd('unanswerable', `a produce request with acks=0 failed: ${errorName(errorCode)}`);
}

function answer(
  request: ProduceRequest,
  context: RequestContext,
  outcomes: readonly (AppendedPartition | undefined)[],
): ProduceResponse {
  const hinted: number[] = [];
  let place = 0;
  const responses = request.topicData.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: topic.partitionData.map(({ index }) => {
      const outcome = outcomes[place++] ?? failedPartition(ErrorCode.KAFKA_STORAGE_ERROR, 'the storage left the partition out');
      return partitionResponse(index, outcome, context, hinted);
    }),
  }));
  return hinted.length === 0 ? { responses } : { responses, nodeEndpoints: endpointsOf(context.image, hinted) };
}

function partitionResponse(index: number, outcome: AppendedPartition, context: RequestContext, hinted: number[]) {
  const { errorCode } = outcome;
  const response = {
    index,
    errorCode,
    baseOffset: BigInt(outcome.baseOffset),
    logAppendTimeMs: BigInt(outcome.logAppendTimeMs),
    logStartOffset: BigInt(outcome.logStartOffset),
  };
  if (errorCode === ErrorCode.NONE) return response;
  context.gateway.metrics.errorAnswered(produce.key, errorCode);
  const hint = context.apiVersion >= FIRST_VERSION_WITH_HINTS && errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER;
  const currentLeader = hint ? outcome.currentLeader : undefined;
  if (currentLeader !== undefined) hinted.push(currentLeader.leaderId);
  return {
    ...response,
    errorMessage: nullIfEmpty(outcome.errorMessage),
    recordErrors: outcome.recordErrors.map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: nullIfEmpty(message),
    })),
    currentLeader,
  };
}

function unknownPartition(topic: TopicImage, index: number): AppendedPartition {
  const message = `topic '${topic.name}' has no partition ${index}`;
  return failedPartition(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message);
}

function notLed(partition: PartitionImage): AppendedPartition {
  const failure = failedPartition(ErrorCode.NOT_LEADER_OR_FOLLOWER, 'this broker does not lead the partition');
  return { ...failure, currentLeader: leaderHintOf(partition) };
}

function failedPartition(errorCode: ErrorCode, errorMessage: string): AppendedPartition {
  return { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, recordErrors: [] };
}

function countPartitions(request: ProduceRequest): number {
  return request.topicData.reduce((sum, { partitionData }) => sum + partitionData.length, 0);
}
