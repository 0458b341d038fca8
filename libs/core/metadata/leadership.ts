import type { NodeId } from '../types/ids';
import type { PartitionImage } from './image';
import type { Standing } from './partition-standing';
import { difference, including, minimalIsr, standingOf, unchanged, without } from './partition-standing';
import type { PartitionChangeRecord } from './records';

/** What an election needs to know beside the partition. */
export interface ElectionRules {
  /** May lead: registered, not fenced, not shutting down. */
  readonly mayLead: (node: NodeId) => boolean;
  /** The topic's min.insync.replicas, not yet capped by the number of replicas. */
  readonly minInsyncReplicas: number;
  readonly uncleanElection: boolean;
}

/** What happened to a replica or its broker, as far as the partition is concerned. */
export type Departure =
  /** It cannot serve at the moment, but has everything that it acknowledged. */
  | 'fenced'
  /** The same, and it begins anew: a log that had failed may be whole again. */
  | 'restarted'
  /** It may have lost acknowledged records (page cache gone): out of ISR and ELR, but still the last known leader (P-2). */
  | 'unclean'
  /** Its log failed while its broker runs on: as before, and it is not elected until the broker begins anew. */
  | 'failed'
  /** It has no space: the same, but it has everything that it acknowledged; it leads on where nobody else can, and lets consumers read. */
  | 'full'
  /** It is another disk: it has nothing. */
  | 'new-disk';

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
  const standing = standingOf(partition);
  standing.isr = without(partition.isr, node);
  if (departure === 'full' && partition.leader === node && !standing.isr.some((each) => isElectable(standing, each, rules))) {
    return undefined;
  }
  const keepsRecords = departure === 'fenced' || departure === 'restarted' || departure === 'full';
  standing.elr = eligibleAfter(partition, standing, rules).filter((each) => each !== node || keepsRecords);
  if (departure === 'new-disk') standing.lastKnownElr = without(partition.lastKnownElr, node);
  else if (standing.isr.length === 0 && partition.isr.length > 0) {
    standing.lastKnownElr = [partition.leader ?? node];
  }
  if (departure === 'failed' || departure === 'full') standing.failedReplicas = including(partition.failedReplicas, node);
  else if (departure !== 'fenced') standing.failedReplicas = without(partition.failedReplicas, node);
  if (partition.leader === node) standing.leader = undefined;
  lead(standing, rules);
  return difference(partition, standing);
}

/** A leader for a partition that has none, where the rules allow one. Undefined where nothing changes. */
export function withLeader(partition: PartitionImage, rules: ElectionRules): PartitionChangeRecord | undefined {
  if (partition.leader !== undefined) return undefined;
  const standing = standingOf(partition);
  lead(standing, rules);
  return difference(partition, standing);
}

/** The replica takes records again: it may join the ISR, and lead where nobody does. Undefined where nothing changes. */
export function withReplicaWhole(
  partition: PartitionImage,
  node: NodeId,
  rules: ElectionRules,
): PartitionChangeRecord | undefined {
  const standing = standingOf(partition);
  standing.failedReplicas = without(partition.failedReplicas, node);
  lead(standing, rules);
  return difference(partition, standing);
}

/** The first replica leads, where it does not and may: in the ISR, on a broker that may lead. Undefined where nothing changes. */
export function withPreferredLeader(partition: PartitionImage, rules: ElectionRules): PartitionChangeRecord | undefined {
  const [preferred] = partition.replicas;
  if (preferred === undefined || preferred === partition.leader || !isElectable(partition, preferred, rules)) return undefined;
  if (!partition.isr.includes(preferred)) return undefined;
  return difference(partition, { ...standingOf(partition), leader: preferred });
}

/** The partition with the in-sync replicas that its leader proposed. Always a change: it has a partition epoch of its own (REPL-5). */
export function withIsr(partition: PartitionImage, isr: readonly NodeId[], rules: ElectionRules): PartitionChangeRecord {
  const standing = { ...standingOf(partition), isr };
  standing.elr = eligibleAfter(partition, standing, rules);
  completeMove(standing, rules);
  return difference(partition, standing) ?? unchanged(partition);
}

/** Nobody is eligible any more where the ISR is large enough by itself. Undefined where nothing changes. */
export function withoutNeedlessElr(partition: PartitionImage, rules: ElectionRules): PartitionChangeRecord | undefined {
  const standing = standingOf(partition);
  return standing.isr.length < minimalIsr(standing, rules) ? undefined : difference(partition, { ...standing, elr: [] });
}

/**
 * The leader that a change makes may lack acknowledged records: it was neither in sync, nor eligible, nor the sole last known
 * one, nor has it just joined the ISR for the end of a move.
 */
export function isUncleanElection(before: PartitionImage, { leader, replicas }: PartitionChangeRecord): boolean {
  if (leader === undefined || leader === null || before.isr.includes(leader) || before.elr.includes(leader)) return false;
  const { isr, elr, lastKnownElr, addingReplicas } = before;
  if (isr.length + elr.length === 0 && lastKnownElr.length === 1 && lastKnownElr[0] === leader) return false;
  const isMoving = addingReplicas.length + before.removingReplicas.length > 0;
  const endsMove = isMoving && replicas !== undefined && addingReplicas.every((each) => replicas.includes(each));
  return !endsMove;
}

/**
 * Ends a move once everything that it adds is in the ISR: copy before drop (KIP-455, REPL-18). It waits where a drop would take
 * the ISR below its minimum, or leave nobody who may lead.
 */
export function completeMove(standing: Standing, rules: ElectionRules): void {
  const { addingReplicas, removingReplicas, replicas, isr, leader } = standing;
  if (leader === undefined || addingReplicas.length + removingReplicas.length === 0) return;
  const target = replicas.filter((each) => !removingReplicas.includes(each));
  const staying = isr.filter((each) => target.includes(each));
  const needed = Math.min(isr.length, target.length, rules.minInsyncReplicas);
  if (staying.length < Math.max(1, needed) || !addingReplicas.every((each) => isr.includes(each))) return;
  const next = target.includes(leader)
    ? leader
    : target.find((each) => staying.includes(each) && isElectable(standing, each, rules));
  if (next === undefined) return;
  standing.addingReplicas = [];
  standing.removingReplicas = [];
  keepOnly(standing, target, rules);
  standing.leader = next;
}

/** Everybody else is no replica of the partition any more; nobody leads where the leader was one of them. */
export function keepOnly(standing: Standing, replicas: readonly NodeId[], rules: ElectionRules): void {
  const kept = (nodes: readonly NodeId[]): readonly NodeId[] => nodes.filter((each) => replicas.includes(each));
  standing.replicas = replicas;
  standing.isr = kept(standing.isr);
  standing.elr = standing.isr.length >= minimalIsr(standing, rules) ? [] : kept(standing.elr);
  standing.lastKnownElr = kept(standing.lastKnownElr);
  standing.failedReplicas = kept(standing.failedReplicas);
  if (standing.leader !== undefined && !replicas.includes(standing.leader)) standing.leader = undefined;
}

/** Elects where nobody leads. A move that waited for a leader ends with it, unless that one may lack records. */
export function lead(standing: Standing, rules: ElectionRules): void {
  if (standing.leader === undefined && elect(standing, rules) !== 'clean') return;
  completeMove(standing, rules);
}

/** Who has every acknowledged record though it is not in the new ISR; nobody is asked for where that is large enough. */
function eligibleAfter(before: PartitionImage, after: Standing, rules: ElectionRules): readonly NodeId[] {
  if (after.isr.length >= minimalIsr(after, rules)) return [];
  return after.replicas.filter((each) => !after.isr.includes(each) && (before.isr.includes(each) || before.elr.includes(each)));
}

function isElectable(
  { failedReplicas }: Pick<Standing, 'failedReplicas'>,
  node: NodeId,
  { mayLead }: Pick<ElectionRules, 'mayLead'>,
): boolean {
  return !failedReplicas.includes(node) && mayLead(node);
}

/**
 * In this order: an in-sync replica; with an empty ISR an eligible one; with both empty the sole last known leader; with
 * unclean election any replica that is there.
 */
function elect(standing: Standing, rules: ElectionRules): 'clean' | 'unclean' | 'nobody' {
  const first = (nodes: readonly NodeId[]): NodeId | undefined =>
    standing.replicas.find((each) => nodes.includes(each) && isElectable(standing, each, rules));
  const inSync = first(standing.isr);
  if (inSync !== undefined) {
    standing.leader = inSync;
    return 'clean';
  }
  let leader: NodeId | undefined;
  if (standing.isr.length === 0) {
    leader = first(standing.elr);
    if (leader === undefined && standing.elr.length === 0 && standing.lastKnownElr.length === 1)
      leader = first(standing.lastKnownElr);
  }
  const isClean = leader !== undefined;
  if (leader === undefined && rules.uncleanElection) {
    leader = first(standing.replicas);
    if (leader !== undefined) standing.elr = [];
  }
  if (leader === undefined) return 'nobody';
  standing.leader = leader;
  standing.isr = [leader];
  standing.elr = minimalIsr(standing, rules) <= 1 ? [] : without(standing.elr, leader);
  standing.lastKnownElr = [];
  return isClean ? 'clean' : 'unclean';
}
