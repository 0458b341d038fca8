import type { ConfigOperation, ResourceConfigChange, ResourceOutcome } from '@streamline/core/metadata/alter-configs';
import type { DeletedTopic, MorePartitions, NamedOutcome } from '@streamline/core/metadata/alter-topics';
import type { BrokerHeartbeat, RegisterBroker } from '@streamline/core/metadata/brokers';
import type { CreatedTopic, NewTopic } from '@streamline/core/metadata/create-topics';
import type { Failure } from '@streamline/core/metadata/decision';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ConfigOperation as WireOperation } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { listenerName } from '../metadata/record-codec';

const OPERATIONS: ReadonlyMap<WireOperation, ConfigOperation> = new Map([
  [WireOperation.SET, 'set'],
  [WireOperation.DELETE, 'delete'],
  [WireOperation.APPEND, 'append'],
  [WireOperation.SUBTRACT, 'subtract'],
]);

export function toError(failure: Failure | undefined): wire.CommandError {
  return { errorCode: failure?.errorCode ?? 0, errorMessage: failure?.message ?? '' };
}

export function toNewTopic(topic: wire.CreatableTopic, topicId: TopicId): NewTopic {
  return {
    name: topic.name,
    topicId,
    partitions: topic.partitions,
    replicationFactor: topic.replicationFactor,
    assignments: topic.assignments.map(({ partition, replicas }) => ({ partition, replicas: replicas as NodeId[] })),
    configs: topic.configs.map(({ name, value }) => ({ name, value })),
  };
}

export function fromCreatedTopic(topic: CreatedTopic, validateOnly: boolean): wire.CreatedTopic {
  if (topic.error !== undefined) return failedTopic(topic.name, topic.error);
  const { name, topicId, partitions, replicationFactor } = topic;
  return { name, topicId: validateOnly ? ZERO_TOPIC_ID : topicId, error: toError(undefined), partitions, replicationFactor };
}

export function failedTopic(name: string, failure: Failure): wire.CreatedTopic {
  return { name, topicId: ZERO_TOPIC_ID, error: toError(failure), partitions: -1, replicationFactor: -1 };
}

export function fromDeletedTopic({ name, topicId, error }: DeletedTopic): wire.DeletedTopic {
  return { name: name ?? '', topicId: topicId ?? ZERO_TOPIC_ID, error: toError(error) };
}

export function toMorePartitions(topic: wire.CreatablePartitions): MorePartitions {
  const assignments = topic.hasAssignments ? topic.assignments.map(({ replicas }) => replicas as NodeId[]) : undefined;
  return { name: topic.name, count: topic.partitions, assignments };
}

export function fromNamedOutcome({ name, error }: NamedOutcome): wire.NamedOutcome {
  return { name, error: toError(error) };
}

export function toResourceChange(resource: wire.ResourceConfigChange): ResourceConfigChange {
  const { resourceType, resourceName, changes, replaceAll } = resource;
  return {
    resourceType,
    resourceName,
    replaceAll,
    changes: changes.map(({ name, value, operation }) => ({ name, value, operation: OPERATIONS.get(operation) })),
  };
}

export function fromResourceOutcome({ resourceType, resourceName, error }: ResourceOutcome): wire.ResourceOutcome {
  return { resourceType, resourceName, error: toError(error) };
}

/** Fails with UnknownRecordError for a listener that does not exist. */
export function toRegistration(request: wire.RegisterBrokerRequest): RegisterBroker {
  return {
    brokerId: request.brokerId as NodeId,
    incarnationId: request.incarnationId,
    clusterId: request.clusterId as ClusterId,
    directoryId: request.directoryId as DirectoryId,
    endpoints: request.listeners.map(({ name, host, port }) => ({ name: listenerName(name), host, port })),
    rack: request.rack,
    previousBrokerEpoch: request.previousBrokerEpoch,
    sameBoot: request.sameBoot,
  };
}

export function toHeartbeat(request: wire.BrokerHeartbeatRequest): BrokerHeartbeat {
  return {
    brokerId: request.brokerId as NodeId,
    brokerEpoch: request.brokerEpoch as BrokerEpoch,
    appliedMetadataIndex: request.appliedMetadataIndex as MetadataIndex,
    wantFence: request.wantFence,
    wantShutdown: request.wantShutdown,
  };
}
