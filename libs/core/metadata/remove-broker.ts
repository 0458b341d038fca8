import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import { unregisterBroker } from './brokers';
import type { Decision, Failure } from './decision';
import { answerOnly, failure } from './decision';
import { holdsAll } from './elections';
import type { MetadataImage, PartitionImage } from './image';

/** Partitions that an answer names; the others it counts. */
const NAMED_MAX = 1000;
/** Partitions that a message names. */
const NAMED_IN_MESSAGE_MAX = 10;

export interface RemoveBroker {
  readonly brokerId: NodeId;
  /** Also if it holds replicas: for a node that is gone for good. */
  readonly force: boolean;
}

export interface PartitionNames {
  readonly total: number;
  /** As topic-partition, `NAMED_MAX` at most. */
  readonly names: readonly string[];
}

export interface Removal {
  readonly error: Failure | undefined;
  /** Partitions with a replica on it. */
  readonly held: PartitionNames;
  /** Those of which no other replica has everything that was acknowledged. Only of a removal that was carried out. */
  readonly lost: PartitionNames;
}

const NONE: PartitionNames = { total: 0, names: [] };

/**
 * Takes a broker out of the cluster for good. Refused while partitions have replicas on it; with `force` they stay in their
 * lists, as with UnregisterBroker (META-17), and the answer says which partitions have lost records or may have. A broker that
 * is not registered is gone already.
 */
export function removeBroker(image: MetadataImage, { brokerId, force }: RemoveBroker): Decision<Removal> {
  if (!image.brokers.has(brokerId)) return answerOnly({ error: undefined, held: NONE, lost: NONE });
  const held = partitionsOf(image, brokerId);
  if (held.total > 0 && !force) {
    const message = `Broker ${brokerId} holds replicas of ${held.total} partition(s): ${listText(held)}. Move them first, or force the removal of a node that is gone.`;
    return answerOnly({ error: failure(ErrorCode.INVALID_REQUEST, message), held, lost: NONE });
  }
  const lost = partitionsWith(image, (partition) => holdsAll(partition, brokerId));
  const { entries, answer } = unregisterBroker(image, brokerId);
  return { entries, answer: { error: answer, held, lost } };
}

/** Partitions with a replica on the broker. */
export function partitionsOf(image: MetadataImage, brokerId: NodeId): PartitionNames {
  return partitionsWith(image, ({ replicas }) => replicas.includes(brokerId));
}

export function partitionsWith(image: MetadataImage, isMeant: (partition: PartitionImage) => boolean): PartitionNames {
  const names: string[] = [];
  let total = 0;
  for (const { name, partitions } of image.topics.values()) {
    for (const partition of partitions) {
      if (!isMeant(partition)) continue;
      total++;
      if (names.length < NAMED_MAX) names.push(`${name}-${partition.partition}`);
    }
  }
  return { total, names };
}

/** Some of the names, and how many more there are. */
export function listText({ total, names }: PartitionNames): string {
  const named = names.slice(0, NAMED_IN_MESSAGE_MAX);
  return named.length < total ? `${named.join(', ')} and ${total - named.length} more` : named.join(', ');
}
