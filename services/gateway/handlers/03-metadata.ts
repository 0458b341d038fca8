import { topicNameFault } from '@streamline/core/metadata/topic-name';
import { isInternalTopic } from '@streamline/core/metadata/topic-configs';
import type { MetadataImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID, type NodeId } from '@streamline/core/types/ids';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_REQUESTED, TOPIC_OPERATIONS } from '../context/authorized-operations';
import { distinct } from '../context/distinct';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import {
  aliveBrokers,
  controllerFor,
  isAlive,
  isReachable,
  NO_NODE,
  offlineReplicas,
  topicById,
  topicByName,
} from '../context/topics';
import { handler } from './handler';

type MetadataRequest = RequestOf<typeof metadata>;
type MetadataResponse = ResponseInput<typeof metadata>;
type RequestedTopic = NonNullable<MetadataRequest['topics']>[number];
type TopicResponse = MetadataResponse['topics'][number];

const FIRST_VERSION_BY_ID = 12;
const FIRST_VERSION_WITH_LISTENER_ERROR = 6;
const LAST_VERSION_WITH_CLUSTER_OPERATIONS = 10;

/** Describes brokers, topics and partitions, and has unknown topics created where client and broker allow it. */
export const metadataHandler = handler({
  api: metadata,
  failures: CONTROLLER_FAILURES,
  handle(request, context) {
    const { image } = context;
    const describe = (topic: TopicImage) => describeTopic(topic, image, request, context);
    const topics = wantsAll(request, context.apiVersion)
      ? [...image.topics.values()].map(describe)
      : named(request).map((requested) => {
          const topic = find(requested, image, context.apiVersion);
          return topic === undefined ? unknownTopic(requested, request, context) : describe(topic);
        });
    return { ...frameOf(image, request, context), topics };
  },
  failure(request, error, context) {
    const topics = named(request).map(({ name, topicId }) => failedTopic(error.code, name ?? '', topicId));
    const errorCode = context.apiVersion >= 13 ? error.code : ErrorCode.NONE;
    return { ...frameOf(context.image, request, context), topics, errorCode };
  },
});

/** An empty list was "all" before there was null. */
function wantsAll(request: MetadataRequest, version: number): boolean {
  return request.topics === null || (version === 0 && request.topics.length === 0);
}

/** Each topic once, as in Kafka. */
function named(request: MetadataRequest): RequestedTopic[] {
  return distinct(request.topics ?? [], ({ name, topicId }) => (name === null ? `id ${topicId}` : `name ${name}`));
}

function frameOf(image: MetadataImage, request: MetadataRequest, context: RequestContext) {
  const asked = request.includeClusterAuthorizedOperations && context.apiVersion <= LAST_VERSION_WITH_CLUSTER_OPERATIONS;
  return {
    throttleTimeMs: 0,
    brokers: aliveBrokers(image),
    clusterId: image.clusterId ?? null,
    controllerId: controllerFor(image, context.gateway.nodeId),
    clusterAuthorizedOperations: asked ? CLUSTER_OPERATIONS : OPERATIONS_NOT_REQUESTED,
    errorCode: ErrorCode.NONE,
  };
}

function find(requested: RequestedTopic, image: MetadataImage, version: number): TopicImage | undefined {
  const { name, topicId } = requested;
  if (version < FIRST_VERSION_BY_ID) {
    if (topicId !== ZERO_TOPIC_ID) {
      throw new KafkaError(ErrorCode.INVALID_REQUEST, `Metadata version ${version} does not ask by topic id`);
    }
    if (name === null) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Metadata version ${version} needs a topic name`);
  }
  return name === null ? topicById(image, topicId) : topicByName(image, name);
}

function unknownTopic(requested: RequestedTopic, request: MetadataRequest, context: RequestContext): TopicResponse {
  const { name, topicId } = requested;
  if (name === null) return failedTopic(ErrorCode.UNKNOWN_TOPIC_ID, null, topicId);
  if (topicNameFault(name) !== undefined) return failedTopic(ErrorCode.INVALID_TOPIC_EXCEPTION, name);
  if (request.allowAutoTopicCreation && context.gateway.config.autoCreateTopics) context.gateway.topicCreator.createSoon(name);
  return failedTopic(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name);
}

function failedTopic(errorCode: number, name: string | null, topicId: string = ZERO_TOPIC_ID): TopicResponse {
  return { errorCode, name, topicId, isInternal: name !== null && isInternalTopic(name), partitions: [] };
}

function describeTopic(
  topic: TopicImage,
  image: MetadataImage,
  request: MetadataRequest,
  context: RequestContext,
): TopicResponse {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition) => describePartition(partition, image, context)),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : OPERATIONS_NOT_REQUESTED,
  };
}

function describePartition(partition: PartitionImage, image: MetadataImage, { gateway, apiVersion: version }: RequestContext) {
  const reachable = (id: NodeId) => isReachable(image, id);
  // v0 has no way to say that a replica is offline, so that it is left out and the partition has an error.
  const shown = (ids: readonly NodeId[]) => (version === 0 ? ids.filter(reachable) : ids);
  const replicaNodes = shown(partition.replicas);
  const isrNodes = shown(partition.isr);
  const { errorCode, leaderId } = leaderOf(gateway.leaderGuesses.leaderOf(partition), image, version);
  const hidden = replicaNodes.length < partition.replicas.length || isrNodes.length < partition.isr.length;
  return {
    errorCode: errorCode === ErrorCode.NONE && hidden ? ErrorCode.REPLICA_NOT_AVAILABLE : errorCode,
    partitionIndex: partition.partition,
    leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes,
    isrNodes,
    offlineReplicas: offlineReplicas(partition, image),
  };
}

function leaderOf(leader: NodeId | undefined, image: MetadataImage, version: number) {
  if (leader !== undefined && isReachable(image, leader)) return { errorCode: ErrorCode.NONE, leaderId: leader };
  const hasNoListener = leader !== undefined && isAlive(image.brokers.get(leader));
  const listenerError = hasNoListener && version >= FIRST_VERSION_WITH_LISTENER_ERROR;
  return { errorCode: listenerError ? ErrorCode.LISTENER_NOT_FOUND : ErrorCode.LEADER_NOT_AVAILABLE, leaderId: NO_NODE };
}
