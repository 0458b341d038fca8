import { ErrorCode } from '../types/error-code';
import type { LeaderEpoch, NodeId, PartitionIndex, TopicId } from '../types/ids';
import type { ReplicaAssignment } from './assignment';
import { assignedReplicas, checkedPlacement } from './assignment';
import { clusterConfigInteger } from './broker-configs';
import type { Decision, Failure } from './decision';
import { failure, joinRecords } from './decision';
import { mayLead } from './elections';
import type { MetadataImage } from './image';
import type { MetadataRecord, PartitionRecord } from './records';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';
import { checkTopicConfig } from './topic-configs';
import { collisionKey, topicNameFault } from './topic-name';

/** Most partitions that one request creates (Kafka: CreateTopics and CreatePartitions alike). */
export const PARTITIONS_PER_REQUEST_MAX = 10_000;

/** An image that also knows which names would collide in metrics. */
export interface TopicNamespace extends MetadataImage {
  topicWithCollisionKey(key: string): string | undefined;
}

export interface NewTopic {
  readonly name: string;
  /** Random, of this command: a topic that has it was created by this very command, whose answer was lost. */
  readonly topicId: TopicId;
  /** -1: the cluster's default. */
  readonly partitions: number;
  /** -1: the cluster's default. */
  readonly replicationFactor: number;
  /** Empty: the brokers are chosen. */
  readonly assignments: readonly ReplicaAssignment[];
  readonly configs: readonly { readonly name: string; readonly value: string | undefined }[];
}

export interface CreateTopics {
  readonly topics: readonly NewTopic[];
  readonly validateOnly: boolean;
}

export type CreatedTopic =
  | { readonly name: string; readonly error: Failure }
  | {
      readonly name: string;
      readonly error: undefined;
      readonly topicId: TopicId;
      readonly partitions: number;
      readonly replicationFactor: number;
    };

/** Creates topics; each succeeds or fails by itself, but for a request that asks for too many partitions in all. */
export function createTopics(
  image: TopicNamespace,
  command: CreateTopics,
  limits: ReplicationLimits = REPLICATION_LIMITS,
): Decision<readonly CreatedTopic[]> {
  const requested = command.topics.reduce((sum, topic) => sum + requestedPartitions(image, topic), 0);
  if (requested > PARTITIONS_PER_REQUEST_MAX) {
    const error = failure(
      ErrorCode.POLICY_VIOLATION,
      `Excessively large number of partitions per request: ${requested} asked for, at most ${PARTITIONS_PER_REQUEST_MAX} allowed.`,
    );
    return { entries: [], answer: distinctNames(command.topics).map((name) => ({ name, error })) };
  }
  const taken = new Map<string, string>();
  const wholes: (readonly MetadataRecord[])[] = [];
  const answer: CreatedTopic[] = [];
  const twice = duplicates(command.topics.map(({ name }) => name));
  for (const name of distinctNames(command.topics)) {
    if (twice.has(name)) {
      answer.push({
        name,
        error: failure(ErrorCode.INVALID_REQUEST, `Duplicate topic name: ${name} is in the request more than once.`),
      });
    }
  }
  let placed = image.topics.size;
  for (const topic of command.topics) {
    if (twice.has(topic.name)) continue;
    const done = createdBefore(image, topic);
    if (done !== undefined) {
      answer.push(done);
      continue;
    }
    const error = nameFailure(image, topic.name, taken);
    if (error !== undefined) {
      answer.push({ name: topic.name, error });
      continue;
    }
    const configs = checkedConfigs(topic);
    if ('errorCode' in configs) {
      answer.push({ name: topic.name, error: configs });
      continue;
    }
    const replicas = replicasOf(image, topic, placed, limits);
    if ('errorCode' in replicas) {
      answer.push({ name: topic.name, error: replicas });
      continue;
    }
    placed++;
    const key = collisionKey(topic.name);
    if (key !== undefined) taken.set(key, topic.name);
    wholes.push(topicRecords(image, topic, replicas, configs));
    const replicationFactor = replicas[0]?.length ?? 0;
    const { name, topicId } = topic;
    answer.push({ name, error: undefined, topicId, partitions: replicas.length, replicationFactor });
  }
  return { entries: command.validateOnly ? [] : joinRecords(wholes), answer };
}

/** The same command came before: what it created is there, and it is told so instead of TOPIC_ALREADY_EXISTS. */
function createdBefore(image: MetadataImage, { name, topicId }: NewTopic): CreatedTopic | undefined {
  const known = image.topics.get(topicId);
  if (known?.name !== name) return undefined;
  const { partitions } = known;
  const replicationFactor = partitions[0]?.replicas.length ?? 0;
  return { name, error: undefined, topicId, partitions: partitions.length, replicationFactor };
}

/** Names that occur more than once. */
export function duplicates(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  return twice;
}

/** A partition as it begins: led by the first of its live replicas. */
export function newPartition(
  image: MetadataImage,
  topicId: TopicId,
  partition: number,
  replicas: readonly NodeId[],
): PartitionRecord {
  const isr = replicas.filter((id) => mayLead(image.brokers.get(id)));
  return {
    kind: 'partition',
    topicId,
    partition: partition as PartitionIndex,
    replicas,
    isr,
    elr: [],
    lastKnownElr: [],
    addingReplicas: [],
    removingReplicas: [],
    failedReplicas: [],
    leader: isr[0],
    leaderEpoch: 0 as LeaderEpoch,
    partitionEpoch: 0,
  };
}

function distinctNames(topics: readonly NewTopic[]): string[] {
  return [...new Set(topics.map(({ name }) => name))];
}

/** `taken`: collision key to name, of the topics that this same request creates. */
function nameFailure(image: TopicNamespace, name: string, taken: ReadonlyMap<string, string>): Failure | undefined {
  const fault = topicNameFault(name);
  if (fault !== undefined) return failure(ErrorCode.INVALID_TOPIC_EXCEPTION, fault);
  if (image.topicIdsByName.has(name)) return failure(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
  const key = collisionKey(name);
  const rival = key === undefined ? undefined : (taken.get(key) ?? image.topicWithCollisionKey(key));
  if (rival === undefined) return undefined;
  return failure(
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    `Topic '${name}' collides with existing topic: ${rival} (names that differ only in '.' and '_' cannot live together)`,
  );
}

/** The configs as they will be kept, each written its one way; or what is wrong with one. */
function checkedConfigs({ name, configs }: NewTopic): ReadonlyMap<string, string> | Failure {
  const checked = new Map<string, string>();
  for (const config of configs) {
    if (config.value === undefined) {
      return failure(ErrorCode.INVALID_CONFIG, `Null value not supported for topic configs: ${config.name}`);
    }
    const parsed = checkTopicConfig(name, config.name, config.value);
    if (!parsed.ok) return failure(ErrorCode.INVALID_CONFIG, parsed.message);
    checked.set(config.name, parsed.text);
  }
  return checked;
}

function requestedPartitions(image: MetadataImage, topic: NewTopic): number {
  if (topic.assignments.length > 0) return topic.assignments.length;
  return topic.partitions === -1 ? clusterConfigInteger(image, 'num.partitions') : Math.max(0, topic.partitions);
}

function replicasOf(
  image: MetadataImage,
  topic: NewTopic,
  firstShift: number,
  limits: ReplicationLimits,
): readonly (readonly NodeId[])[] | Failure {
  if (topic.assignments.length > 0) return manualReplicas(image, topic, limits);
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    return failure(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Replication factor was set to an invalid non-positive value: ${topic.replicationFactor}; it must be at least 1, or -1 for the default.`,
    );
  }
  if (topic.partitions < -1 || topic.partitions === 0) {
    return failure(
      ErrorCode.INVALID_PARTITIONS,
      `Number of partitions was set to an invalid non-positive value: ${topic.partitions}; it must be at least 1, or -1 for the default.`,
    );
  }
  const replicationFactor =
    topic.replicationFactor === -1 ? clusterConfigInteger(image, 'default.replication.factor') : topic.replicationFactor;
  return checkedPlacement(image, { partitions: requestedPartitions(image, topic), replicationFactor, firstShift }, limits);
}

function manualReplicas(
  image: MetadataImage,
  topic: NewTopic,
  limits: ReplicationLimits,
): readonly (readonly NodeId[])[] | Failure {
  if (topic.replicationFactor !== -1) {
    return failure(
      ErrorCode.INVALID_REQUEST,
      'A manual partition assignment was specified, but replication factor was not set to -1.',
    );
  }
  if (topic.partitions !== -1) {
    return failure(
      ErrorCode.INVALID_REQUEST,
      'A manual partition assignment was specified, but numPartitions was not set to -1.',
    );
  }
  return assignedReplicas(image, topic.assignments, 0, limits);
}

function topicRecords(
  image: MetadataImage,
  { topicId, name }: NewTopic,
  replicas: readonly (readonly NodeId[])[],
  configs: ReadonlyMap<string, string>,
): MetadataRecord[] {
  return [
    { kind: 'topic', topicId, name },
    ...replicas.map((nodes, partition) => newPartition(image, topicId, partition, nodes)),
    ...[...configs].map(([config, value]): MetadataRecord => ({
      kind: 'config',
      resourceType: 2,
      resourceName: name,
      name: config,
      value,
    })),
  ];
}
