import { describeTopicConfig, describeTopicConfigs } from '@streamline/core/metadata/topic-configs';
import type { DescribedConfig } from '@streamline/core/metadata/config-definition';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { CreatedTopic } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { controllerDeadlineMs } from '../context/controller-calls';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { nullIfEmpty } from '../context/numbers';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type CreateTopicsRequest = RequestOf<typeof createTopics>;
type CreateTopicsResponse = ResponseInput<typeof createTopics>;
type RequestedTopic = CreateTopicsRequest['topics'][number];

/** Creates topics; the controller decides, topic by topic. */
export const createTopicsHandler = handler({
  api: createTopics,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const answer = await context.gateway.controller.createTopics(
      { topics: request.topics.map(creatable), validateOnly: request.validateOnly, timeoutMs: request.timeoutMs },
      { deadlineMs: controllerDeadlineMs(request.timeoutMs) },
    );
    if (!request.validateOnly) await context.whenApplied(answer.metadataIndex);
    return { throttleTimeMs: 0, topics: answer.topics.map((topic) => outcome(topic, request, context)) };
  },
  failure(request, error) {
    const topics = request.topics.map(({ name }) => ({
      name,
      errorCode: error.code,
      errorMessage: error.message,
      configs: null,
    }));
    return { throttleTimeMs: 0, topics };
  },
});

function creatable(topic: RequestedTopic) {
  return {
    name: topic.name,
    partitions: topic.numPartitions,
    replicationFactor: topic.replicationFactor,
    assignments: topic.assignments.map(({ partitionIndex, brokerIds }) => ({
      partition: partitionIndex,
      replicas: [...brokerIds],
    })),
    configs: topic.configs.map(({ name, value }) => ({ name, value: value ?? undefined })),
  };
}

function outcome(
  topic: CreatedTopic,
  request: CreateTopicsRequest,
  context: RequestContext,
): NonNullable<CreateTopicsResponse['topics']>[number] {
  const errorCode = topic.error?.errorCode ?? ErrorCode.NONE;
  const errorMessage = nullIfEmpty(topic.error?.errorMessage);
  if (errorCode !== ErrorCode.NONE) return { name: topic.name, errorCode, errorMessage, configs: null };
  const { name, partitions, replicationFactor } = topic;
  const configs = describe(name, request, context).map((config) => ({
    name: config.name,
    value: config.value,
    readOnly: config.isReadOnly,
    configSource: config.source,
    isSensitive: config.isSensitive,
  }));
  const topicId = topic.topicId === '' ? ZERO_TOPIC_ID : topic.topicId;
  return { name, topicId, errorCode, errorMessage, numPartitions: partitions, replicationFactor, configs };
}

/** The configs of the topic as it is, or, when it was only validated, as it would be. */
function describe(name: string, request: CreateTopicsRequest, context: RequestContext): readonly DescribedConfig[] {
  const { image } = context;
  if (!request.validateOnly) return describeTopicConfig(image, name);
  const own = new Map<string, string>();
  for (const config of request.topics.find((topic) => topic.name === name)?.configs ?? []) {
    if (config.value !== null) own.set(config.name, config.value);
  }
  return describeTopicConfigs(own, image.dynamicConfigs(4, ''));
}
