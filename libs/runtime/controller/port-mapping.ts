import type { ConfigOperation, ResourceConfigChange, ResourceOutcome } from '@streamline/core/metadata/alter-configs';
import type { DeletedTopic, MorePartitions, NamedOutcome } from '@streamline/core/metadata/alter-topics';
import type { AlterPartition, FailedReplicas, IsrVerdict } from '@streamline/core/metadata/alter-partition';
import type { BrokerHeartbeat, RegisterBroker } from '@streamline/core/metadata/brokers';
import type { CreatedTopic, NewTopic } from '@streamline/core/metadata/create-topics';
import type { Failure } from '@streamline/core/metadata/decision';
import { failure } from '@streamline/core/metadata/decision';
import type { ElectLeaders } from '@streamline/core/metadata/elect-leaders';
import type { AlterReassignments, PartitionOutcome } from '@streamline/core/metadata/reassignments';
import type { UpdateFeatures } from '@streamline/core/metadata/update-features';
import type {
  BrokerEpoch,
  ClusterId,
  DirectoryId,
  LeaderEpoch,
  MetadataIndex,
  NodeId,
  PartitionIndex,
  TopicId,
} from '@streamline/core/types/ids';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { ReplicaCondition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import {
  ConfigOperation as WireOperation,
  ElectionType,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { Outcome } from './command-loop';
import type { LogMember } from './metadata-log';
import { listenerName } from '../metadata/record-codec';

const OPERATIONS: ReadonlyMap<WireOperation, ConfigOperation> = new Map([
  [WireOperation.SET, 'set'],
  [WireOperation.DELETE, 'delete'],
  [WireOperation.APPEND, 'append'],
  [WireOperation.SUBTRACT, 'subtract'],
]);

const KINDS_OF_ELECTION: ReadonlyMap<ElectionType, ElectLeaders['kind']> = new Map([
  [ElectionType.PREFERRED, 'preferred'],
  [ElectionType.UNCLEAN, 'unclean'],
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
    features: request.features,
    previousBrokerEpoch: request.previousBrokerEpoch,
    sameBoot: request.sameBoot,
    storageIsNew: request.storageIsNew,
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

export function toAlterPartition({ brokerId, brokerEpoch, partitions }: wire.AlterPartitionRequest): AlterPartition {
  return {
    brokerId: brokerId as NodeId,
    brokerEpoch: brokerEpoch as BrokerEpoch,
    proposals: partitions.map(({ topicId, partition, leaderEpoch, partitionEpoch, newIsr }) => ({
      topicId: topicId as TopicId,
      partition: partition as PartitionIndex,
      leaderEpoch: leaderEpoch as LeaderEpoch,
      partitionEpoch,
      newIsr: newIsr.map((member) => ({
        brokerId: member.brokerId as NodeId,
        brokerEpoch: member.brokerEpoch as BrokerEpoch,
      })),
    })),
  };
}

export function fromIsrVerdict({ topicId, partition, outcome }: IsrVerdict): wire.IsrVerdict {
  if ('errorCode' in outcome) {
    const nothing = { leaderId: -1, leaderEpoch: -1, partitionEpoch: -1, isr: [] };
    return { topicId, partition, error: toError(outcome), ...nothing };
  }
  const { leader, leaderEpoch, partitionEpoch, isr } = outcome;
  return { topicId, partition, error: toError(undefined), leaderId: leader, leaderEpoch, partitionEpoch, isr: [...isr] };
}

export function toFailedReplicas(request: wire.ReportFailedReplicasRequest): FailedReplicas {
  const { brokerId, brokerEpoch, topics, condition } = request;
  return {
    condition: CONDITIONS.get(condition) ?? 'failed',
    brokerId: brokerId as NodeId,
    brokerEpoch: brokerEpoch as BrokerEpoch,
    topics: topics.map(({ topicId, partitions }) => ({
      topicId: topicId as TopicId,
      partitions: partitions as PartitionIndex[],
    })),
  };
}

/** All partitions where none are named. Fails for a kind of election that does not exist. */
export function toElectLeaders({ electionType, topics, allPartitions }: wire.ElectLeadersRequest): ElectLeaders | Failure {
  const kind = KINDS_OF_ELECTION.get(electionType);
  if (kind === undefined) {
    return failure(ErrorCode.INVALID_REQUEST, 'There is no such type of election: 0 (preferred) and 1 (unclean) exist.');
  }
  return { kind, topics: allPartitions ? undefined : topics };
}

export function toAlterReassignments(request: wire.AlterPartitionReassignmentsRequest): AlterReassignments {
  const { topics, allowReplicationFactorChange } = request;
  return {
    allowReplicationFactorChange,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, replicas, cancel }) => ({
        partition,
        replicas: cancel ? undefined : (replicas as NodeId[]),
      })),
    })),
  };
}

/** The answer of a command that decides on each partition by itself. */
export function fromPartitionOutcomes(outcome: Outcome<readonly PartitionOutcome[]>): wire.ElectLeadersResponse {
  if (outcome.kind === 'failed') return { error: toError(outcome.failure), partitions: [], metadataIndex: 0 };
  const partitions = outcome.answer.map(({ error, ...place }) => ({ ...place, error: toError(error) }));
  return { error: toError(undefined), partitions, metadataIndex: outcome.index };
}

export function toFeatureUpdates({ updates, validateOnly }: wire.UpdateFeaturesRequest): UpdateFeatures {
  return { updates, validateOnly };
}

/** -1 says that it is not known here. */
export function fromMember({ progress, ...member }: LogMember): wire.MemberProgress {
  return {
    ...member,
    logEndIndex: progress?.matchIndex ?? -1,
    // Whole milliseconds: the wire has no other, and refuses to encode them.
    silentMs: Math.floor(progress?.silentMs ?? -1),
  };
}

const CONDITIONS: ReadonlyMap<number, FailedReplicas['condition']> = new Map([
  [ReplicaCondition.FULL, 'full'],
  [ReplicaCondition.WHOLE, 'whole'],
]);
