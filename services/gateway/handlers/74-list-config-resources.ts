import type { MetadataImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import { listConfigResources } from '@streamline/wire/kafka/apis/74-list-config-resources';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import { aliveBrokers } from '../context/topics';
import { handler } from './handler';

const ResourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;
/** In the order in which they are answered, which is Kafka's. */
const KNOWN: readonly number[] = [
  ResourceType.group,
  ResourceType.clientMetrics,
  ResourceType.brokerLogger,
  ResourceType.broker,
  ResourceType.topic,
];

/**
 * Lists what has configs. Groups and client metrics have none yet, nor have loggers, so that there are none of these types: what
 * is listed can be described. v0 asks for client metrics.
 */
export const listConfigResourcesHandler = handler({
  api: listConfigResources,
  failures: CONTROLLER_FAILURES,
  handle({ resourceTypes }, { image, apiVersion }) {
    const asked = apiVersion === 0 ? [ResourceType.clientMetrics] : resourceTypes;
    const unknown = asked.find((type) => !KNOWN.includes(type));
    if (unknown !== undefined) {
      throw new KafkaError(ErrorCode.UNSUPPORTED_VERSION, `there are no configs of resource type ${unknown}`);
    }
    const wanted = asked.length === 0 ? KNOWN : KNOWN.filter((type) => asked.includes(type));
    const configResources = wanted.flatMap((resourceType) =>
      namesOf(image, resourceType).map((resourceName) => ({ resourceName, resourceType })),
    );
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, configResources };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, configResources: [] };
  },
});

function namesOf(image: MetadataImage, resourceType: number): readonly string[] {
  if (resourceType === ResourceType.topic) return [...image.topicIdsByName.keys()];
  if (resourceType === ResourceType.broker) return aliveBrokers(image).map(({ nodeId }) => String(nodeId));
  return [];
}
