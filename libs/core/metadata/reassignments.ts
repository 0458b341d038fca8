import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import { replicasFault, replicationFailure } from './assignment';
import type { Decision, Failure } from './decision';
import { failure, splitRecords } from './decision';
import { electionRules } from './elections';
import { MetadataVersion, metadataVersion } from './features';
import type { MetadataImage, PartitionImage } from './image';
import { isMoving, moveCancelled, moved, targetOf } from './moves';
import type { PartitionChangeRecord } from './records';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';

export interface PartitionReassignment {
  readonly partition: number;
  /** Where it is to go, the preferred leader first; undefined: a move that is under way is called off. */
  readonly replicas: readonly NodeId[] | undefined;
}

export interface AlterReassignments {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly PartitionReassignment[] }[];
  /** False: a partition is to have as many replicas afterwards as it has now (KIP-860). */
  readonly allowReplicationFactorChange: boolean;
}

export interface PartitionOutcome {
  readonly topic: string;
  readonly partition: number;
  readonly error: Failure | undefined;
}

/**
 * Moves partitions to other replicas, or calls moves off (KIP-455); each succeeds or fails by itself. A move goes on by
 * itself: the leader copies to whom it adds, and with the ISR that has all of them the rest is dropped.
 */
export function alterReassignments(
  image: MetadataImage,
  { topics, allowReplicationFactorChange }: AlterReassignments,
  limits: ReplicationLimits = REPLICATION_LIMITS,
): Decision<readonly PartitionOutcome[]> {
  const records: PartitionChangeRecord[] = [];
  const seen = new Set<string>();
  const answer: PartitionOutcome[] = [];
  for (const { name, partitions } of topics) {
    for (const { partition, replicas } of partitions) {
      const key = `${name}-${partition}`;
      const outcome = seen.has(key)
        ? failure(ErrorCode.INVALID_REQUEST, `Partition ${key} is in the request more than once.`)
        : reassigned(image, name, partition, replicas, allowReplicationFactorChange, limits);
      seen.add(key);
      const isFailure = outcome !== undefined && 'errorCode' in outcome;
      if (outcome !== undefined && !isFailure) records.push(outcome);
      answer.push({ topic: name, partition, error: isFailure ? outcome : undefined });
    }
  }
  return { entries: splitRecords(records), answer };
}

/** The change that the request comes to; undefined: none. */
function reassigned(
  image: MetadataImage,
  topic: string,
  index: number,
  target: readonly NodeId[] | undefined,
  allowReplicationFactorChange: boolean,
  limits: ReplicationLimits,
): PartitionChangeRecord | Failure | undefined {
  const id = image.topicIdsByName.get(topic);
  const partition = id === undefined ? undefined : image.topics.get(id)?.partitions[index];
  if (partition === undefined) {
    return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no partition ${index} of a topic '${topic}'.`);
  }
  if (target === undefined) return cancelled(image, topic, partition);
  if (metadataVersion(image) < MetadataVersion.MOVING_REPLICAS) {
    const message = `Partitions can be moved from level ${MetadataVersion.MOVING_REPLICAS} of metadata.version on: raise it with UpdateFeatures.`;
    return failure(ErrorCode.UNSUPPORTED_VERSION, message);
  }
  const before = targetOf(partition);
  if (!allowReplicationFactorChange && target.length !== before.length) {
    const message = `The replication factor would change from ${before.length} to ${target.length}, which the request does not allow.`;
    return failure(ErrorCode.INVALID_REPLICATION_FACTOR, message);
  }
  const involved = new Set([...partition.replicas, ...target]).size;
  const fault =
    replicasFault(image, index, target, target.length) ??
    (involved > partition.replicas.length ? replicationFailure(involved, limits) : undefined);
  return fault ?? moved(partition, target, electionRules(image, partition));
}

function cancelled(image: MetadataImage, topic: string, partition: PartitionImage): PartitionChangeRecord | Failure {
  if (!isMoving(partition)) {
    return failure(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, `No reassignment of ${topic}-${partition.partition} is under way.`);
  }
  return (
    moveCancelled(partition, electionRules(image, partition)) ??
    failure(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `The reassignment of ${topic}-${partition.partition} cannot be called off: all that was acknowledged is only on the replicas that it adds, [${partition.addingReplicas.join(', ')}].`,
    )
  );
}

/** Partitions that move at the moment. */
export function* movingPartitions(
  image: MetadataImage,
): Generator<{ readonly topic: string; readonly partition: PartitionImage }> {
  for (const { name, partitions } of image.topics.values()) {
    for (const partition of partitions) {
      if (isMoving(partition)) yield { topic: name, partition };
    }
  }
}
