import type { NodeId } from '../types/ids';
import type { PartitionImage } from './image';
import type { PartitionChangeRecord } from './records';

/** What an election needs to know beside the partition. */
export interface ElectionRules {
  /** May lead: registered, not fenced, not shutting down. */
  readonly mayLead: (node: NodeId) => boolean;
  /** min(min.insync.replicas, replicas). */
  readonly minInsyncReplicas: number;
  readonly uncleanElection: boolean;
}

/** What happened to a replica's broker, as far as its partitions are concerned. */
export type Departure =
  /** It cannot serve at the moment, but has everything that it acknowledged. */
  | 'fenced'
  /** It may have lost acknowledged records (page cache gone): out of ISR and ELR, but still the last known leader (P-2). */
  | 'unclean'
  /** It is another disk: it has nothing. */
  | 'new-disk';

interface Standing {
  isr: readonly NodeId[];
  elr: readonly NodeId[];
  lastKnownElr: readonly NodeId[];
  leader: NodeId | undefined;
}

/**
 * The partition after `node` is gone from its in-sync replicas: another of them leads, or nobody. Eligible leader replicas
 * (KIP-966) are those that left while the ISR was below its minimum: they have every acknowledged record.
 * Undefined where nothing changes.
 */
export function withoutReplica(
  partition: PartitionImage,
  node: NodeId,
  departure: Departure,
  rules: ElectionRules,
): PartitionChangeRecord | undefined {
  const isr = partition.isr.filter((each) => each !== node);
  const standing: Standing = {
    isr,
    elr: eligibleAfter(partition, isr, node, departure, rules.minInsyncReplicas),
    lastKnownElr: departure === 'new-disk' ? partition.lastKnownElr.filter((each) => each !== node) : partition.lastKnownElr,
    leader: partition.leader === node ? undefined : partition.leader,
  };
  if (isr.length === 0 && partition.isr.length > 0 && partition.leader !== undefined && departure !== 'new-disk') {
    standing.lastKnownElr = [partition.leader];
  }
  if (standing.leader === undefined) elect(partition, standing, rules);
  return difference(partition, standing);
}

/** A leader for a partition that has none, where the rules allow one. Undefined where nothing changes. */
export function withLeader(partition: PartitionImage, rules: ElectionRules): PartitionChangeRecord | undefined {
  if (partition.leader !== undefined) return undefined;
  const standing: Standing = { isr: partition.isr, elr: partition.elr, lastKnownElr: partition.lastKnownElr, leader: undefined };
  elect(partition, standing, rules);
  return difference(partition, standing);
}

function eligibleAfter(
  partition: PartitionImage,
  isr: readonly NodeId[],
  node: NodeId,
  departure: Departure,
  minInsyncReplicas: number,
): readonly NodeId[] {
  if (isr.length >= minInsyncReplicas) return [];
  const candidates = partition.replicas.filter((each) => partition.isr.includes(each) || partition.elr.includes(each));
  return candidates.filter((each) => !isr.includes(each) && (each !== node || departure === 'fenced'));
}

/**
 * In this order: an in-sync replica; with an empty ISR an eligible one; with both empty the sole last known leader; with
 * unclean election any replica that is there.
 */
function elect(
  partition: PartitionImage,
  standing: Standing,
  { mayLead, uncleanElection, minInsyncReplicas }: ElectionRules,
): void {
  const first = (nodes: readonly NodeId[]): NodeId | undefined =>
    partition.replicas.find((each) => nodes.includes(each) && mayLead(each));
  const inSync = first(standing.isr);
  if (inSync !== undefined) {
    standing.leader = inSync;
    return;
  }
  let leader: NodeId | undefined;
  if (standing.isr.length === 0) {
    leader = first(standing.elr);
    if (leader === undefined && standing.elr.length === 0 && standing.lastKnownElr.length === 1)
      leader = first(standing.lastKnownElr);
  }
  if (leader === undefined && uncleanElection) {
    leader = first(partition.replicas);
    if (leader !== undefined) standing.elr = [];
  }
  if (leader === undefined) return;
  standing.leader = leader;
  standing.isr = [leader];
  standing.elr = minInsyncReplicas <= 1 ? [] : standing.elr.filter((each) => each !== leader);
  standing.lastKnownElr = [];
}

function difference(partition: PartitionImage, standing: Standing): PartitionChangeRecord | undefined {
  const isr = changed(partition.isr, standing.isr);
  const elr = changed(partition.elr, standing.elr);
  const lastKnownElr = changed(partition.lastKnownElr, standing.lastKnownElr);
  const newLeader = standing.leader !== partition.leader;
  if (isr === undefined && elr === undefined && lastKnownElr === undefined && !newLeader) return undefined;
  return {
    kind: 'partitionChange',
    topicId: partition.topicId,
    partition: partition.partition,
    bumpLeaderEpoch: newLeader,
    ...(isr !== undefined && { isr }),
    ...(elr !== undefined && { elr }),
    ...(lastKnownElr !== undefined && { lastKnownElr }),
    ...(newLeader && { leader: standing.leader ?? null }),
  };
}

function changed(before: readonly NodeId[], after: readonly NodeId[]): readonly NodeId[] | undefined {
  return before.length === after.length && before.every((node, at) => node === after[at]) ? undefined : after;
}
