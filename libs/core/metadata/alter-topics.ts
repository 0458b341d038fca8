import { ErrorCode } from '../types/error-code';
import type { NodeId, TopicId } from '../types/ids';
import type { ReplicaAssignment } from './assignment';
import { assignedReplicas, checkedPlacement } from './assignment';
import { duplicates, newPartition, PARTITIONS_PER_REQUEST_MAX } from './create-topics';
import type { Decision, Failure } from './decision';
import { failure, joinRecords, splitRecords } from './decision';
import type { MetadataImage, TopicImage } from './image';
import { targetOf } from './moves';
import type { MetadataRecord } from './records';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';
import { isInternalTopic } from './topic-configs';

/** Exactly one of the two is to be there. */
export interface TopicReference {
  readonly name: string | undefined;
  readonly topicId: TopicId | undefined;
}

export interface DeletedTopic {
  readonly name: string | undefined;
  readonly topicId: TopicId | undefined;
  readonly error: Failure | undefined;
}

/**
 * Deletes topics, with their partitions and configs; each succeeds or fails by itself. Internal topics too, as in Kafka, whose
 * controller asks for the permission only: what groups have committed is gone then, and the topic is made anew when a group
 * next looks for its coordinator.
 */
export function deleteTopics(image: MetadataImage, references: readonly TopicReference[]): Decision<readonly DeletedTopic[]> {
  const resolved = references.map((reference) => resolveTopic(image, reference));
  const counts = new Map<TopicId, number>();
  for (const each of resolved) {
    if ('topic' in each) counts.set(each.topic.id, (counts.get(each.topic.id) ?? 0) + 1);
  }
  const records: MetadataRecord[] = [];
  const answer = resolved.map((each): DeletedTopic => {
    if ('error' in each) return each;
    const { id, name } = each.topic;
    if ((counts.get(id) ?? 0) > 1) {
      const error = failure(ErrorCode.INVALID_REQUEST, `Duplicate topic: ${name} (${id}) is in the request more than once.`);
      return { name, topicId: id, error };
    }
    records.push({ kind: 'removeTopic', topicId: id });
    return { name, topicId: id, error: undefined };
  });
  return { entries: splitRecords(records), answer };
}

function resolveTopic(image: MetadataImage, { name, topicId }: TopicReference): { readonly topic: TopicImage } | DeletedTopic {
  const fail = (errorCode: number, message: string): DeletedTopic => ({ name, topicId, error: failure(errorCode, message) });
  if (name !== undefined && topicId !== undefined)
    return fail(ErrorCode.INVALID_REQUEST, 'Topic name and topic id were both given.');
  if (topicId !== undefined) {
    const topic = image.topics.get(topicId);
    return topic === undefined
      ? fail(ErrorCode.UNKNOWN_TOPIC_ID, `This server does not host a topic with id ${topicId}.`)
      : { topic };
  }
  if (name === undefined) return fail(ErrorCode.INVALID_REQUEST, 'Neither topic name nor id were specified.');
  const topic = topicByName(image, name);
  return topic === undefined ? fail(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic called '${name}'.`) : { topic };
}

export interface MorePartitions {
  readonly name: string;
  /** The new total. */
  readonly count: number;
  /** Replicas of the new partitions in order; undefined: the brokers are chosen. */
  readonly assignments: readonly (readonly NodeId[])[] | undefined;
}

export interface CreatePartitions {
  readonly topics: readonly MorePartitions[];
  readonly validateOnly: boolean;
}

export interface NamedOutcome {
  readonly name: string;
  readonly error: Failure | undefined;
}

/** Adds partitions to topics; each topic succeeds or fails by itself, but for a request that asks for too many in all. */
export function createPartitions(
  image: MetadataImage,
  command: CreatePartitions,
  limits: ReplicationLimits = REPLICATION_LIMITS,
): Decision<readonly NamedOutcome[]> {
  const names = [...new Set(command.topics.map(({ name }) => name))];
  const added = command.topics.reduce((sum, { name, count }) => {
    return sum + Math.max(0, count - (topicByName(image, name)?.partitions.length ?? count));
  }, 0);
  if (added > PARTITIONS_PER_REQUEST_MAX) {
    const error = failure(
      ErrorCode.POLICY_VIOLATION,
      `Excessively large number of partitions per request: ${added} asked for, at most ${PARTITIONS_PER_REQUEST_MAX} allowed.`,
    );
    return { entries: [], answer: names.map((name) => ({ name, error })) };
  }
  const twice = duplicates(command.topics.map(({ name }) => name));
  const wholes: (readonly MetadataRecord[])[] = [];
  const answer: NamedOutcome[] = names
    .filter((name) => twice.has(name))
    .map((name) => ({
      name,
      error: failure(ErrorCode.INVALID_REQUEST, `Duplicate topic name: ${name} is in the request more than once.`),
    }));
  for (const topic of command.topics) {
    if (twice.has(topic.name)) continue;
    const outcome = partitionsToAdd(image, topic, limits);
    if ('errorCode' in outcome) {
      answer.push({ name: topic.name, error: outcome });
      continue;
    }
    wholes.push(outcome);
    answer.push({ name: topic.name, error: undefined });
  }
  return { entries: command.validateOnly ? [] : joinRecords(wholes), answer };
}

function partitionsToAdd(
  image: MetadataImage,
  request: MorePartitions,
  limits: ReplicationLimits,
): readonly MetadataRecord[] | Failure {
  const topic = topicByName(image, request.name);
  if (topic === undefined) {
    return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic called '${request.name}'.`);
  }
  if (isInternalTopic(topic.name)) {
    return failure(
      ErrorCode.INVALID_PARTITIONS,
      `The partitions of ${topic.name} cannot be increased: groups and transactions are found by their hash over the number of its partitions, and would lose their state.`,
    );
  }
  const current = topic.partitions.length;
  if (request.count === current) return failure(ErrorCode.INVALID_PARTITIONS, `Topic already has ${current} partition(s).`);
  if (request.count < current) {
    return failure(
      ErrorCode.INVALID_PARTITIONS,
      `The topic ${topic.name} currently has ${current} partition(s); ${request.count} would not be an increase.`,
    );
  }
  const additional = request.count - current;
  const replicas =
    request.assignments === undefined
      ? placedBeside(image, topic, additional, limits)
      : replicasToAdd(image, topic, additional, request.assignments, limits);
  if ('errorCode' in replicas) return replicas;
  return replicas.map((nodes, at) => newPartition(image, topic.id, current + at, nodes));
}

/** On the brokers that have the fewest of the topic. */
function placedBeside(
  image: MetadataImage,
  topic: TopicImage,
  additional: number,
  limits: ReplicationLimits,
): readonly (readonly NodeId[])[] | Failure {
  const existing = topic.partitions.map(targetOf);
  const replicationFactor = existing[0]?.length ?? 0;
  const request = { partitions: additional, replicationFactor, firstShift: existing.length, existing };
  return checkedPlacement(image, request, limits);
}

function replicasToAdd(
  image: MetadataImage,
  topic: TopicImage,
  additional: number,
  assignments: readonly (readonly NodeId[])[],
  limits: ReplicationLimits,
): readonly (readonly NodeId[])[] | Failure {
  const first = topic.partitions.slice(0, 1).flatMap(targetOf);
  const current = topic.partitions.length;
  if (assignments.length !== additional) {
    return failure(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `Attempted to add ${additional} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
    );
  }
  const other = assignments.find((nodes) => nodes.length !== first.length && nodes.length > 0);
  if (other !== undefined) {
    return failure(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `The manual partition assignment includes a partition with ${other.length} replica(s), but this is not consistent with previous partitions, which have ${first.length} replica(s).`,
    );
  }
  const wanted: ReplicaAssignment[] = assignments.map((nodes, at) => ({ partition: current + at, replicas: nodes }));
  return assignedReplicas(image, wanted, current, limits);
}

function topicByName(image: MetadataImage, name: string): TopicImage | undefined {
  const id = image.topicIdsByName.get(name);
  return id === undefined ? undefined : image.topics.get(id);
}
