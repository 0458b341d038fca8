import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import { replicationFailure } from './assignment';
import { RACK_AWARE_CONFIG } from './broker-config-definitions';
import { clusterConfigText } from './broker-configs';
import type { Decision, Failure } from './decision';
import { answerOnly, failure, splitRecords } from './decision';
import { electionRules, mayLead } from './elections';
import { MetadataVersion, metadataVersion } from './features';
import type { MetadataImage, PartitionImage } from './image';
import { moveCancelled, moved, targetOf } from './moves';
import type { PartitionChangeRecord } from './records';
import type { PartitionNames } from './remove-broker';
import { listText, partitionsWith } from './remove-broker';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';

/** Partitions that one run moves away from brokers that are gone for good. */
const REPLACED_PER_RUN_MAX = 1000;

export interface Drain {
  /** Why the replicas cannot all move; then none begins to. */
  readonly error: Failure | undefined;
  /** Partitions with a replica on the broker: those that move, too. */
  readonly held: PartitionNames;
  /** Of those the ones that nobody leads: they cannot be copied before somebody does. */
  readonly waiting: PartitionNames;
}

/**
 * Moves the replicas of a broker that is to leave to others that stay: asked again, by whichever leader, it tells how far that is, and
 * moves what was placed there meanwhile. Refused as a whole where a partition has as many replicas as there are other live brokers, or more.
 */
export function drainBroker(
  image: MetadataImage,
  brokerId: NodeId,
  limits: ReplicationLimits = REPLICATION_LIMITS,
): Decision<Drain> {
  const held = partitionsWith(image, ({ replicas }) => replicas.includes(brokerId));
  const waiting = partitionsWith(image, ({ replicas, leader }) => replicas.includes(brokerId) && leader === undefined);
  const staying = partitionsWith(image, (partition) => targetOf(partition).includes(brokerId));
  if (staying.total === 0) return answerOnly({ error: undefined, held, waiting });
  const refused = (error: Failure): Decision<Drain> => answerOnly({ error, held, waiting });
  if (metadataVersion(image) < MetadataVersion.MOVING_REPLICAS) {
    const message = `Replicas can be moved from level ${MetadataVersion.MOVING_REPLICAS} of metadata.version on: raise it with UpdateFeatures.`;
    return refused(failure(ErrorCode.UNSUPPORTED_VERSION, message));
  }
  const leaving = leavingBrokers(image);
  const places = new Places(image, (id) => id === brokerId || leaving.has(id));
  const records: PartitionChangeRecord[] = [];
  for (const { partitions } of image.topics.values()) {
    for (const partition of partitions) {
      const target = targetOf(partition);
      if (!target.includes(brokerId)) continue;
      const tooMany = replicationFailure(target.length + 1, limits);
      if (tooMany !== undefined) return refused(tooMany);
      const place = places.take(target);
      if (place === undefined) return refused(nowhere(image, brokerId, places.brokers));
      const next = target.map((each) => (each === brokerId ? place : each));
      const change = moved(partition, next, electionRules(image, partition));
      if (change !== undefined) records.push(change);
    }
  }
  return { entries: splitRecords(records), answer: { error: undefined, held, waiting } };
}

/** Brokers from which all that they hold is on its way to others, as a drain leaves it: what else moves had better not go there. */
function leavingBrokers(image: MetadataImage): ReadonlySet<NodeId> {
  const leaving = new Set<NodeId>();
  const staying = new Set<NodeId>();
  for (const { partitions } of image.topics.values()) {
    for (const partition of partitions) {
      for (const id of partition.removingReplicas) leaving.add(id);
      for (const id of targetOf(partition)) staying.add(id);
    }
  }
  return new Set([...leaving].filter((id) => !staying.has(id)));
}

/**
 * Moves replicas away from brokers that are no longer registered, such as one that was removed by force: a bounded number at a time,
 * where there is room, and where somebody leads who can copy. Tells how many partitions move.
 */
export function replaceForgottenReplicas(image: MetadataImage, limits: ReplicationLimits = REPLICATION_LIMITS): Decision<number> {
  const records: PartitionChangeRecord[] = [];
  if (metadataVersion(image) < MetadataVersion.MOVING_REPLICAS) return answerOnly(0);
  const isForgotten = (id: NodeId): boolean => !image.brokers.has(id);
  const places = new Places(image, isForgotten);
  for (const { partitions } of image.topics.values()) {
    for (const partition of partitions) {
      if (records.length >= REPLACED_PER_RUN_MAX) break;
      const target = targetOf(partition);
      if (partition.leader === undefined || !target.some(isForgotten)) continue;
      if (replicationFailure(target.length + 1, limits) !== undefined) continue;
      const next = [...target];
      for (const [at, id] of target.entries()) {
        const place = isForgotten(id) ? places.take(next) : undefined;
        if (place !== undefined) next[at] = place;
      }
      const change = moved(partition, next, electionRules(image, partition));
      if (change !== undefined) records.push(change);
    }
  }
  return { entries: splitRecords(records), answer: records.length };
}

/** Calls off all moves away from the broker. Tells how many partitions that concerns. */
export function cancelDrain(image: MetadataImage, brokerId: NodeId): Decision<number> {
  const records: PartitionChangeRecord[] = [];
  for (const { partitions } of image.topics.values()) {
    for (const partition of partitions) {
      if (!partition.removingReplicas.includes(brokerId)) continue;
      const change = moveCancelled(partition, electionRules(image, partition));
      if (change !== undefined) records.push(change);
    }
  }
  return { entries: splitRecords(records), answer: records.length };
}

function nowhere(image: MetadataImage, brokerId: NodeId, others: number): Failure {
  const isStuck = (partition: PartitionImage): boolean => {
    const target = targetOf(partition);
    return target.includes(brokerId) && target.length > others;
  };
  const names = partitionsWith(image, isStuck);
  const where = names.total === 0 ? '' : ` of ${names.total} partition(s), ${listText(names)},`;
  const message = `The replicas${where} on broker ${brokerId} fit nowhere: there are ${others} other live broker(s), and some of these have a replica already.`;
  return failure(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
}

interface Place {
  readonly id: NodeId;
  readonly rack: string | undefined;
  /** That it has, or is to have. */
  replicas: number;
}

/** The live brokers that replicas can go to. */
class Places {
  readonly #places: readonly Place[];
  readonly #racks: ReadonlyMap<NodeId, string | undefined>;
  readonly #rackAware: boolean;

  constructor(image: MetadataImage, isLeaving: (broker: NodeId) => boolean) {
    const counts = new Map<NodeId, number>();
    for (const { partitions } of image.topics.values()) {
      for (const partition of partitions) {
        for (const id of targetOf(partition)) counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
    this.#places = [...image.brokers.values()]
      .filter((broker) => !isLeaving(broker.id) && mayLead(broker))
      .map(({ id, rack }) => ({ id, rack, replicas: counts.get(id) ?? 0 }))
      .toSorted((one, other) => one.id - other.id);
    this.#racks = new Map([...image.brokers.values()].filter(({ id }) => !isLeaving(id)).map(({ id, rack }) => [id, rack]));
    this.#rackAware = clusterConfigText(image, RACK_AWARE_CONFIG) === 'true';
  }

  get brokers(): number {
    return this.#places.length;
  }

  /** A broker for one more replica: on the rack that has the fewest of the partition, there the one with the fewest of all. */
  take(replicas: readonly NodeId[]): NodeId | undefined {
    const onRack = ({ rack }: Place): number => {
      if (!this.#rackAware) return 0;
      return replicas.filter((id) => this.#racks.has(id) && this.#racks.get(id) === rack).length;
    };
    let best: Place | undefined;
    for (const place of this.#places) {
      if (replicas.includes(place.id)) continue;
      if (best === undefined || onRack(place) - onRack(best) < 0) best = place;
      else if (onRack(place) === onRack(best) && place.replicas < best.replicas) best = place;
    }
    if (best !== undefined) best.replicas++;
    return best?.id;
  }
}
