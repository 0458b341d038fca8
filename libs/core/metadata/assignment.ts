import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import { RACK_AWARE_CONFIG } from './broker-config-definitions';
import { clusterConfigText } from './broker-configs';
import type { Failure } from './decision';
import { failure } from './decision';
import { mayLead } from './elections';
import type { MetadataImage } from './image';
import type { PlacementBroker, PlacementRequest } from './placement';
import { placeReplicas } from './placement';
import type { ReplicationLimits } from './replication-limits';

/** Replicas of one partition, as an operator wants them; the first is the preferred leader. */
export interface ReplicaAssignment {
  readonly partition: number;
  readonly replicas: readonly NodeId[];
}

/** Brokers that can take new replicas. */
function liveBrokers(image: MetadataImage): readonly PlacementBroker[] {
  return [...image.brokers.values()].filter(mayLead);
}

/** Places partitions on live brokers, or says why that cannot be. */
export function checkedPlacement(
  image: MetadataImage,
  request: Omit<PlacementRequest, 'rackAware'>,
  limits: ReplicationLimits,
): readonly (readonly NodeId[])[] | Failure {
  const { replicationFactor } = request;
  const live = liveBrokers(image);
  if (replicationFactor > live.length) {
    const cannot = `Unable to replicate the partition ${replicationFactor} time(s): `;
    const why =
      live.length === 0
        ? 'all brokers are currently fenced or none is registered.'
        : `the target replication factor of ${replicationFactor} cannot be reached because only ${live.length} broker(s) are registered and alive.`;
    return failure(ErrorCode.INVALID_REPLICATION_FACTOR, cannot + why);
  }
  const tooMany = replicationFailure(replicationFactor, limits);
  if (tooMany !== undefined) return tooMany;
  return placeReplicas(live, { ...request, rackAware: clusterConfigText(image, RACK_AWARE_CONFIG) === 'true' });
}

/** An operator's assignment for the partitions from `firstPartition` on, checked as Kafka does. */
export function assignedReplicas(
  image: MetadataImage,
  assignments: readonly ReplicaAssignment[],
  firstPartition: number,
  limits: ReplicationLimits,
): readonly (readonly NodeId[])[] | Failure {
  const byPartition = new Map<number, readonly NodeId[]>();
  for (const { partition, replicas } of assignments) {
    if (byPartition.has(partition)) return invalid(`Found multiple manual partition assignments for partition ${partition}`);
    byPartition.set(partition, replicas);
  }
  const ordered: (readonly NodeId[])[] = [];
  for (let partition = firstPartition; partition < firstPartition + assignments.length; partition++) {
    const replicas = byPartition.get(partition);
    if (replicas === undefined) {
      return invalid(
        `partitions should be a consecutive ${firstPartition}-based integer sequence: partition ${partition} has no assignment`,
      );
    }
    const fault =
      replicasFault(image, partition, replicas, ordered[0]?.length ?? replicas.length) ??
      replicationFailure(replicas.length, limits);
    if (fault !== undefined) return fault;
    ordered.push(replicas);
  }
  return ordered;
}

/** What is wrong with the replicas that an operator wants for a partition, as Kafka says it. */
export function replicasFault(
  image: MetadataImage,
  partition: number,
  replicas: readonly NodeId[],
  expectedCount: number,
): Failure | undefined {
  if (replicas.length === 0) return invalid('The manual partition assignment includes an empty replica list.');
  if (new Set(replicas).size !== replicas.length) {
    return invalid(
      `The manual partition assignment includes a broker more than once: partition ${partition} on [${replicas.join(', ')}].`,
    );
  }
  const stranger = replicas.find((id) => !image.brokers.has(id));
  if (stranger !== undefined) {
    return invalid(`The manual partition assignment includes broker ${stranger}, but no such broker is registered.`);
  }
  if (replicas.length !== expectedCount) {
    return invalid(
      `The manual partition assignment includes a partition with ${replicas.length} replica(s), but this is not consistent with previous partitions, which have ${expectedCount} replica(s).`,
    );
  }
  if (!liveBrokers(image).some(({ id }) => replicas.includes(id))) {
    return invalid(
      `All brokers specified in the manual partition assignment for partition ${partition} are fenced or in controlled shutdown.`,
    );
  }
  return undefined;
}

export function replicationFailure(replicationFactor: number, { replicationFactorMax }: ReplicationLimits): Failure | undefined {
  if (replicationFactor <= replicationFactorMax) return undefined;
  return failure(
    ErrorCode.INVALID_REPLICATION_FACTOR,
    `Replication factor ${replicationFactor} is larger than ${replicationFactorMax}.`,
  );
}

function invalid(message: string): Failure {
  return failure(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
}
