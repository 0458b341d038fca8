import { isInternalTopic } from '@streamline/core/metadata/topic-configs';
import { topicNameFault } from '@streamline/core/metadata/topic-name';
import type { MetadataImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { describeTopicPartitions } from '@streamline/wire/kafka/apis/75-describe-topic-partitions';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { TOPIC_OPERATIONS } from '../context/authorized-operations';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { isReachable, NO_NODE, offlineReplicas, topicByName } from '../context/topics';
import { handler } from './handler';

type DescribeRequest = RequestOf<typeof describeTopicPartitions>;
type DescribeResponse = ResponseInput<typeof describeTopicPartitions>;
type TopicResponse = DescribeResponse['topics'][number];

/** Describes partitions page by page, topics by name (KIP-966). */
export const describeTopicPartitionsHandler = handler({
  api: describeTopicPartitions,
  failures: CONTROLLER_FAILURES,
  handle(request, context) {
    const { image } = context;
    const limit = Math.max(1, Math.min(request.responsePartitionLimit, context.gateway.config.describePartitionsLimit));
    const topics: TopicResponse[] = [];
    let room = limit;
    for (const name of namesFrom(request, image)) {
      const topic = topicByName(image, name);
      if (topic === undefined) {
        if (request.topics.length > 0) topics.push(unknownTopic(name));
        continue;
      }
      const first = name === request.cursor?.topicName ? request.cursor.partitionIndex : 0;
      if (room === 0) return page(topics, { topicName: name, partitionIndex: first });
      const shown = topic.partitions.slice(first, first + room);
      topics.push(describe(topic, shown, context));
      room -= shown.length;
      if (first + shown.length < topic.partitions.length) {
        return page(topics, { topicName: name, partitionIndex: first + shown.length });
      }
    }
    return page(topics, null);
  },
  failure(request, error) {
    return page(
      request.topics.map(({ name }) => ({ ...unknownTopic(name), errorCode: error.code })),
      null,
    );
  },
});

function page(topics: readonly TopicResponse[], nextCursor: DescribeResponse['nextCursor']): DescribeResponse {
  return { throttleTimeMs: 0, topics, nextCursor };
}

/** The names to describe, sorted, each once, from the cursor on. */
function namesFrom({ topics, cursor }: DescribeRequest, image: MetadataImage): string[] {
  const asked = topics.length === 0 ? [...image.topicIdsByName.keys()] : topics.map(({ name }) => name);
  if (cursor !== null) {
    if (cursor.partitionIndex < 0)
      throw new KafkaError(ErrorCode.INVALID_REQUEST, `cursor at partition ${cursor.partitionIndex}`);
    if (topics.length > 0 && !asked.includes(cursor.topicName)) {
      throw new KafkaError(ErrorCode.INVALID_REQUEST, `the topic list does not hold the cursor's topic '${cursor.topicName}'`);
    }
  }
  const from = cursor?.topicName ?? '';
  return [...new Set(asked)].filter((name) => name >= from).sort();
}

function unknownTopic(name: string): TopicResponse {
  const invalid = topicNameFault(name) !== undefined;
  const errorCode = invalid ? ErrorCode.INVALID_TOPIC_EXCEPTION : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  return { errorCode, name, topicId: ZERO_TOPIC_ID, isInternal: isInternalTopic(name), partitions: [] };
}

function describe(topic: TopicImage, partitions: readonly PartitionImage[], context: RequestContext): TopicResponse {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: partitions.map((partition) => describePartition(partition, context)),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

/** Of a partition that nobody leads Kafka says so by its leader alone, unlike in Metadata. */
function describePartition(partition: PartitionImage, { gateway, image }: RequestContext): TopicResponse['partitions'][number] {
  const leader = gateway.leaderGuesses.leaderOf(partition);
  const led = leader !== undefined && isReachable(image, leader);
  return {
    errorCode: ErrorCode.NONE,
    partitionIndex: partition.partition,
    leaderId: led ? leader : NO_NODE,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: partition.replicas,
    isrNodes: partition.isr,
    eligibleLeaderReplicas: partition.elr,
    lastKnownElr: partition.lastKnownElr,
    offlineReplicas: offlineReplicas(partition, image),
  };
}
