import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { TopicId } from '@streamline/core/types/ids';
import { isInternalTopic } from '@streamline/core/metadata/topic-configs';
import type { TopicImage } from '@streamline/core/metadata/image';
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
import { storageFor } from '../context/storage-choice';
import { endpointsOf, newestHint, topicById, topicByName } from '../context/topics';
import { replyingHandler, type Reply } from './handler';

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

/**
 * Appends record batches. Pipelined: all appends have been called, in order, when this returns, so that the requests of a
 * connection take effect in their order without waiting for each other's answer.
 *
 * Transactional requests are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53) until transactions are built: the one
 * code that every client takes as final at every stage of a transaction, and the one that Kafka itself gives to
 * transactional batches that may not be written.
 */
export const produceHandler = replyingHandler({
  api: produce,
  // Older librdkafka takes a minimum above 0 for "no compression"; versions 0 to 2 are refused all the same.
  advertisedMin: 0,
  turn: 'pipelined',
  countsErrors: true,
  // Storages are done with the records when `append` returns.
  takesViews: true,
  failures: STORAGE_FAILURES,
  start(request, context, reply) {
    refuseTransactions(request);
    if (request.acks < -1 || request.acks > 1) {
      throw new KafkaError(ErrorCode.INVALID_REQUIRED_ACKS, `acks is ${request.acks}; it has to be 0, 1 or -1`);
    }
    new ProduceCall(request, context, reply).start();
  },
  failure(request, error, context) {
    const outcome = failedPartition(error.code, error.message);
    if (request.acks === 0) throw unanswerable(error.code);
    return answer(request, context, new Array<AppendedPartition>(countPartitions(request)).fill(outcome));
  },
});

/** Looks at the first batch only: storage refuses more than one. */
function refuseTransactions(request: ProduceRequest): void {
  let transactional = request.transactionalId !== null;
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) transactional ||= records !== null && holdsTransactional(records);
  }
  if (!transactional) return;
  throw new KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'transactions are not available on this broker yet');
}

function holdsTransactional(records: Buffer): boolean {
  return records.length >= BatchField.lastOffsetDelta && isTransactional(records.readInt16BE(BatchField.attributes));
}

/** What one storage is asked to append; `places` tells where its outcomes go in the order of the request. */
interface StorageBatch {
  readonly storage: StoragePort;
  readonly partitions: AppendPartition[];
  readonly records: Buffer[];
  readonly places: number[];
}

/** One request: on the hottest path that there is, so that it makes few objects and one promise per storage. */
class ProduceCall {
  /** In the order of the request; undefined while a storage has not answered. */
  private readonly outcomes: (AppendedPartition | undefined)[] = [];
  private readonly batches: StorageBatch[] = [];
  /** Storages that have not answered; starts at 1, lest the request be done before all are called. */
  private open = 1;

  constructor(
    private readonly request: ProduceRequest,
    private readonly context: RequestContext,
    private readonly reply: Reply<ProduceResponse>,
  ) {}

  start(): void {
    for (const topicData of this.request.topicData) this.plan(topicData);
    for (const batch of this.batches) {
      this.open += 1;
      this.startAppend(batch).then(
        (answer) => this.appended(batch, answer),
        (error: unknown) => this.failed(batch, error),
      );
    }
    this.close();
  }

  /** Finds a storage for each partition; those without get their outcome here. */
  private plan(topicData: TopicData): void {
    const topic = findTopic(topicData, this.context);
    for (const { index, records } of topicData.partitionData) {
      if (!('id' in topic)) {
        this.outcomes.push(topic);
        continue;
      }
      const partition = topic.partitions[index];
      const storage = partition === undefined ? undefined : storageFor(partition, this.context);
      if (storage === undefined) {
        this.outcomes.push(partition === undefined ? unknownPartition(topic, index) : NOT_HERE);
      } else {
        this.ask(storage, topic.id, index, records ?? NO_RECORDS);
        this.outcomes.push(undefined);
      }
    }
  }

  private ask(storage: StoragePort, topicId: TopicId, partition: number, records: Buffer): void {
    const target = { topicId, partition, recordBytes: records.length };
    const place = this.outcomes.length;
    for (const batch of this.batches) {
      if (batch.storage !== storage) continue;
      batch.partitions.push(target);
      batch.records.push(records);
      batch.places.push(place);
      return;
    }
    this.batches.push({ storage, partitions: [target], records: [records], places: [place] });
  }

  /** What storage throws at once is as good as a rejection: other storages may have the rest of the request already. */
  private startAppend({ storage, partitions, records }: StorageBatch): Promise<AppendResponse> {
    const { acks, timeoutMs } = this.request;
    const metadataIndex = this.context.image.index;
    const connectionId = this.context.connection.id;
    const request = { correlationId: 0, requiredAcks: acks, timeoutMs, metadataIndex, creditBytes: 0, connectionId, partitions };
    try {
      return storage.partitions.append({ request, records });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private appended({ places }: StorageBatch, answer: AppendResponse): void {
    for (let i = 0; i < places.length; i++) this.outcomes[places[i] ?? 0] = answer.partitions[i];
    this.close();
  }

  /** The other storages' partitions may well have been written, and say so. */
  private failed({ places }: StorageBatch, thrown: unknown): void {
    const error = kafkaErrorOf(thrown, STORAGE_FAILURES);
    const fields = { error: String(error.cause ?? error) };
    this.context.gateway.log.write('error', 'append-failed', fields, 'a storage failed to append');
    for (const place of places) this.outcomes[place] = failedPartition(error.code, error.message);
    this.close();
  }

  private close(): void {
    this.open -= 1;
    if (this.open > 0) return;
    try {
      this.reply.send(respond(this.request, this.context, this.outcomes));
    } catch (error) {
      this.reply.fail(error);
    }
  }
}

function requestedTopic({ name, topicId }: TopicData, context: RequestContext): TopicImage | undefined {
  return context.apiVersion >= FIRST_VERSION_WITH_IDS ? topicById(context.image, topicId) : topicByName(context.image, name);
}

function findTopic(data: TopicData, context: RequestContext): TopicImage | AppendedPartition {
  const topic = requestedTopic(data, context);
  if (topic === undefined) {
    return context.apiVersion >= FIRST_VERSION_WITH_IDS
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
      return partitionResponse(topic, index, outcome, context, hinted);
    }),
  }));
  return hinted.length === 0 ? { responses } : { responses, nodeEndpoints: endpointsOf(context.image, hinted) };
}

function partitionResponse(
  topic: TopicData,
  index: number,
  outcome: AppendedPartition,
  context: RequestContext,
  hinted: number[],
) {
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
  const isNotLeader = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER;
  const known = isNotLeader ? requestedTopic(topic, context)?.partitions[index] : undefined;
  if (isNotLeader) context.gateway.leaderGuesses.refused(known, outcome.currentLeader);
  const hint = isNotLeader && context.apiVersion >= FIRST_VERSION_WITH_HINTS;
  const currentLeader = hint ? newestHint(outcome.currentLeader, known) : undefined;
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

function failedPartition(errorCode: ErrorCode, errorMessage: string): AppendedPartition {
  return { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, recordErrors: [] };
}

/** Shared: a request may name many. The answer says who leads. */
const NOT_HERE = failedPartition(ErrorCode.NOT_LEADER_OR_FOLLOWER, 'this broker has no replica of the partition');

function countPartitions(request: ProduceRequest): number {
  return request.topicData.reduce((sum, { partitionData }) => sum + partitionData.length, 0);
}
