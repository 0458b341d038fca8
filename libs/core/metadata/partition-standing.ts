import type { NodeId } from '../types/ids';
import type { PartitionImage } from './image';
import type { PartitionChangeRecord } from './records';

/** What of a partition may change, while it is decided; see PartitionImage. */
export interface Standing {
  replicas: readonly NodeId[];
  isr: readonly NodeId[];
  elr: readonly NodeId[];
  lastKnownElr: readonly NodeId[];
  addingReplicas: readonly NodeId[];
  removingReplicas: readonly NodeId[];
  failedReplicas: readonly NodeId[];
  leader: NodeId | undefined;
}

type NodeList = Exclude<keyof Standing, 'leader'>;

const LISTS: readonly NodeList[] = [
  'replicas',
  'isr',
  'elr',
  'lastKnownElr',
  'addingReplicas',
  'removingReplicas',
  'failedReplicas',
];

export function standingOf(partition: PartitionImage): Standing {
  const { replicas, isr, elr, lastKnownElr, addingReplicas, removingReplicas, failedReplicas, leader } = partition;
  return { replicas, isr, elr, lastKnownElr, addingReplicas, removingReplicas, failedReplicas, leader };
}

/** min(min.insync.replicas, replicas): below it nothing is acknowledged to acks=all (KIP-966). */
export function minimalIsr({ replicas }: Pick<Standing, 'replicas'>, rules: { readonly minInsyncReplicas: number }): number {
  return Math.min(rules.minInsyncReplicas, replicas.length);
}

/** The record of the change, with a new leader epoch for another leader and where a replica is dropped (KIP-455); undefined: there is none. */
export function difference(partition: PartitionImage, standing: Standing): PartitionChangeRecord | undefined {
  const lists: Partial<Record<NodeList, readonly NodeId[]>> = {};
  for (const list of LISTS) {
    if (!isSame(partition[list], standing[list])) lists[list] = standing[list];
  }
  const isLedAnew = standing.leader !== partition.leader;
  if (!isLedAnew && Object.keys(lists).length === 0) return undefined;
  const isDropped = partition.replicas.some((each) => !standing.replicas.includes(each));
  return {
    ...unchanged(partition),
    bumpLeaderEpoch: isLedAnew || isDropped,
    ...lists,
    ...(isLedAnew && { leader: standing.leader ?? null }),
  };
}

/** Moves the partition epoch on, and nothing else. */
export function unchanged({ topicId, partition }: PartitionImage): PartitionChangeRecord {
  return { kind: 'partitionChange', topicId, partition, bumpLeaderEpoch: false };
}

export function including(nodes: readonly NodeId[], node: NodeId): readonly NodeId[] {
  return nodes.includes(node) ? nodes : [...nodes, node];
}

export function without(nodes: readonly NodeId[], node: NodeId): readonly NodeId[] {
  return nodes.includes(node) ? nodes.filter((each) => each !== node) : nodes;
}

function isSame(before: readonly NodeId[], after: readonly NodeId[]): boolean {
  return before === after || (before.length === after.length && before.every((node, at) => node === after[at]));
}
