import type { NodeId, PartitionIndex } from '../types/ids';
import { RACK_AWARE_CONFIG } from './broker-config-definitions';
import { clusterConfigInteger, clusterConfigText } from './broker-configs';
import type { Decision } from './decision';
import { mayLead } from './elections';
import { MetadataVersion, metadataVersion } from './features';
import type { BrokerImage, MetadataImage, PartitionImage } from './image';
import { balancedLeaders } from './leader-balance';
import { isMoving, targetOf } from './moves';
import type { PartitionOutcome } from './reassignments';
import { alterReassignments } from './reassignments';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';

/** The topic whose partitions are the logs of the group coordinators. */
export const OFFSETS_TOPIC = '__consumer_offsets';

const REPLICATION_FACTOR_CONFIG = 'offsets.topic.replication.factor';

/**
 * Partitions that get more replicas at a time. With a min.insync.replicas above 1 a partition takes no commits from the moment
 * its replicas are more until one of them has caught up: that should be short, and not so for all groups at once.
 */
const GROWING_MAX = 10;

/**
 * Replicas that a partition of the offsets topic should have now: `offsets.topic.replication.factor`, but no more than there
 * are live brokers. Apache Kafka refuses to create the topic with fewer brokers; here it grows with them.
 */
export function offsetsTopicReplicas(image: MetadataImage, limits: ReplicationLimits = REPLICATION_LIMITS): number {
  const wanted = clusterConfigInteger(image, REPLICATION_FACTOR_CONFIG);
  return Math.max(1, Math.min(wanted, liveBrokers(image).length, limits.replicationFactorMax));
}

/** Replicas that a partition is to have, the preferred leader first. */
export interface NewReplicas {
  readonly partition: PartitionIndex;
  readonly replicas: readonly NodeId[];
}

/** Begins the reassignments of `offsetsTopicGrowth`. */
export function growOffsetsTopic(
  image: MetadataImage,
  limits: ReplicationLimits = REPLICATION_LIMITS,
): Decision<readonly PartitionOutcome[]> {
  const topics = [{ name: OFFSETS_TOPIC, partitions: offsetsTopicGrowth(image, limits) }];
  return alterReassignments(image, { topics, allowReplicationFactorChange: true }, limits);
}

/**
 * What to reassign so that the offsets topic has the replicas that it should: some partitions at a time, none that is being
 * reassigned already. Replicas are only added, on racks that a partition is not on yet and on brokers that have the fewest of
 * the topic; preferred leaders are balanced over the brokers. Nothing where all have enough.
 */
export function offsetsTopicGrowth(image: MetadataImage, limits: ReplicationLimits = REPLICATION_LIMITS): readonly NewReplicas[] {
  const topicId = image.topicIdsByName.get(OFFSETS_TOPIC);
  const partitions = (topicId === undefined ? undefined : image.topics.get(topicId)?.partitions) ?? [];
  const wanted = offsetsTopicReplicas(image, limits);
  const isKnown = (id: NodeId): boolean => image.brokers.has(id);
  const small = partitions.filter((one) => !isMoving(one) && one.replicas.length < wanted && one.replicas.every(isKnown));
  const room = GROWING_MAX - partitions.filter((one) => isUnderWay(image, one)).length;
  const mayMove = metadataVersion(image) >= MetadataVersion.MOVING_REPLICAS;
  if (small.length === 0 || room <= 0 || !mayMove) return [];
  const others = partitions.filter((one) => !small.includes(one)).map(targetOf);
  const grown = grownReplicas(image, small, others, wanted);
  const order = [...new Set([...image.brokers.keys(), ...grown.flat()])].toSorted((one, other) => one - other);
  const balanced = balancedLeaders(grown, { order, existing: others.map(([leader]) => leader) });
  return small.slice(0, room).map(({ partition }, at) => ({ partition, replicas: balanced[at] ?? [] }));
}

function grownReplicas(
  image: MetadataImage,
  small: readonly PartitionImage[],
  others: readonly (readonly NodeId[])[],
  wanted: number,
): readonly (readonly NodeId[])[] {
  const isRackAware = clusterConfigText(image, RACK_AWARE_CONFIG) === 'true';
  const rackOf = (id: NodeId): string => (isRackAware ? (image.brokers.get(id)?.rack ?? '') : '');
  const held = new Map<NodeId, number>();
  const take = (id: NodeId): void => void held.set(id, (held.get(id) ?? 0) + 1);
  for (const id of [...small.flatMap(({ replicas }) => replicas), ...others.flat()]) take(id);
  const live = liveBrokers(image).toSorted((one, other) => one.id - other.id);
  return small.map(({ replicas }) => {
    const now = [...replicas];
    while (now.length < wanted) {
      const cost = ({ id }: BrokerImage): readonly [onItsRack: number, held: number] => {
        return [now.filter((other) => rackOf(other) === rackOf(id)).length, held.get(id) ?? 0];
      };
      const best = cheapest(
        live.filter(({ id }) => !now.includes(id)),
        cost,
      );
      if (best === undefined) break;
      now.push(best.id);
      take(best.id);
    }
    return now;
  });
}

/** The first of those that cost least. */
function cheapest<T>(items: readonly T[], costOf: (item: T) => readonly [number, number]): T | undefined {
  let best: { readonly item: T; readonly cost: readonly [number, number] } | undefined;
  for (const item of items) {
    const cost = costOf(item);
    if (best === undefined || (cost[0] - best.cost[0] || cost[1] - best.cost[1]) < 0) best = { item, cost };
  }
  return best?.item;
}

function liveBrokers(image: MetadataImage): readonly BrokerImage[] {
  return [...image.brokers.values()].filter(mayLead);
}

/** A reassignment that waits for a broker which is gone must not hold up all others. */
function isUnderWay(image: MetadataImage, partition: PartitionImage): boolean {
  return isMoving(partition) && partition.addingReplicas.every((id) => mayLead(image.brokers.get(id)));
}
