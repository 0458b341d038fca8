import { describeBrokerConfig, describeClusterConfig } from '@streamline/core/metadata/broker-configs';
import type { DescribedConfig } from '@streamline/core/metadata/config-definition';
import { describeTopicConfig } from '@streamline/core/metadata/topic-configs';
import { topicNameFault } from '@streamline/core/metadata/topic-name';
import { ErrorCode } from '@streamline/core/types/error-code';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { distinct } from '../context/distinct';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type DescribeConfigsRequest = RequestOf<typeof describeConfigs>;
type Resource = DescribeConfigsRequest['resources'][number];
type ResourceResponse = ResponseInput<typeof describeConfigs>['results'][number];

const ResourceType = { topic: 2, broker: 4 } as const;

/** Lists the configs of topics, of this broker (by its id) and of the whole cluster (the empty name). */
export const describeConfigsHandler = handler({
  api: describeConfigs,
  failures: CONTROLLER_FAILURES,
  handle(request, context) {
    return { throttleTimeMs: 0, results: named(request).map((resource) => respond(resource, request, context)) };
  },
  failure(request, error) {
    return { throttleTimeMs: 0, results: named(request).map((resource) => failed(resource, error.code, error.message)) };
  },
});

/** Each resource once. */
function named({ resources }: DescribeConfigsRequest): Resource[] {
  return distinct(resources, ({ resourceType, resourceName }) => `${resourceType} ${resourceName}`);
}

function respond(resource: Resource, request: DescribeConfigsRequest, context: RequestContext): ResourceResponse {
  try {
    const all = configsOf(resource, context);
    const { configurationKeys: keys } = resource;
    const wanted = keys === null || keys.length === 0 ? all : all.filter(({ name }) => keys.includes(name));
    const { resourceType, resourceName } = resource;
    const configs = wanted.map((config) => configResponse(config, request));
    return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs };
  } catch (error) {
    if (error instanceof KafkaError) return failed(resource, error.code, error.message);
    throw error;
  }
}

function configsOf({ resourceType, resourceName }: Resource, context: RequestContext): readonly DescribedConfig[] {
  const { image } = context;
  const { nodeId, config } = context.gateway;
  if (resourceType === ResourceType.topic) {
    const fault = topicNameFault(resourceName);
    if (fault !== undefined) throw new KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, fault);
    if (image.topicIdsByName.has(resourceName)) return describeTopicConfig(image, resourceName);
    throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic called '${resourceName}'`);
  }
  if (resourceType !== ResourceType.broker) {
    throw new KafkaError(
      ErrorCode.INVALID_REQUEST,
      `resources of type ${resourceType} have no configs here; 2 (topic) and 4 (broker) have`,
    );
  }
  if (resourceName === '') return describeClusterConfig(image);
  if (resourceName === String(nodeId)) return describeBrokerConfig(image, nodeId, config.staticConfigs);
  const message = `Unexpected broker id, expected ${nodeId} or empty string, but received ${resourceName}`;
  throw new KafkaError(ErrorCode.INVALID_REQUEST, message);
}

function configResponse(config: DescribedConfig, request: DescribeConfigsRequest): ResourceResponse['configs'][number] {
  return {
    name: config.name,
    value: config.isSensitive ? null : config.value,
    readOnly: config.isReadOnly,
    configSource: config.source,
    isSensitive: config.isSensitive,
    synonyms: request.includeSynonyms
      ? config.synonyms.map(({ name, value, source }) => ({ name, value: config.isSensitive ? null : value, source }))
      : [],
    configType: config.type,
    documentation: request.includeDocumentation ? config.documentation : null,
  };
}

function failed({ resourceType, resourceName }: Resource, errorCode: number, errorMessage: string): ResourceResponse {
  return { errorCode, errorMessage, resourceType, resourceName, configs: [] };
}
