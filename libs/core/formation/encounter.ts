import type { ClusterId, DirectoryId, NodeId } from '../types/ids';

/** What a member knows of itself. */
export interface OwnStanding {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** Undefined: not known yet. */
  readonly clusterId: ClusterId | undefined;
  readonly clusterEpoch: number;
  /** Its cluster has no other members. */
  readonly isAlone: boolean;
}

/** What a node said that belongs to something else. */
export interface ForeignStanding {
  /** Undefined: it belongs to no cluster yet. */
  readonly clusterId: ClusterId | undefined;
  readonly clusterEpoch: number;
  /** Whom it took this node for. */
  readonly meantNodeId: NodeId;
  readonly meantDirectoryId: DirectoryId;
}

/**
 * - `stranger`: nothing comes of it but that the two exchange nothing.
 * - `maybe-left-out`: the cluster seems to have been recovered from the loss of its majority, and this node to be what was lost.
 * - `maybe-replaced`: another cluster has a member with this node's id and another directory, at this node's address. Then this
 *   node's disk was lost, and what it began on the new one is no cluster of its own.
 *
 * Of a greeting alone nothing is believed: anybody may greet.
 */
export type Encounter = 'stranger' | 'maybe-left-out' | 'maybe-replaced';

/** What a node says that is asked about a suspicion. */
export interface Testimony {
  /** Undefined: it belongs to no cluster. */
  readonly clusterId: ClusterId | undefined;
  readonly clusterEpoch: number;
  /** Of a leader only that a majority has just confirmed: whether the member that it was asked for is one. */
  readonly isMember: boolean | undefined;
  /** Who leads, for all it knows: host:port. */
  readonly leaderAddress: string | undefined;
}

/**
 * - `left-out`, `replaced`: so it is.
 * - `ask`: only a leader knows, and that one may be one.
 * - `nothing`: it is not so, or nobody knows for sure.
 */
export type Finding =
  | { readonly kind: 'left-out' }
  | { readonly kind: 'replaced' }
  | { readonly kind: 'ask'; readonly address: string }
  | { readonly kind: 'nothing' };

/**
 * Decides what a node learns from one that belongs to another cluster, or to another epoch of its own, so that there are never
 * two clusters (FORM-6, FORM-7). A node that others count on, in a cluster of several, is never taken for a replaced one: an old
 * neighbour of a former life may dial anybody.
 */
export function judgeEncounter(own: OwnStanding, foreign: ForeignStanding): Encounter {
  if (own.clusterId === undefined || foreign.clusterId === undefined) return 'stranger';
  if (foreign.clusterId === own.clusterId) return foreign.clusterEpoch > own.clusterEpoch ? 'maybe-left-out' : 'stranger';
  const meansThisNode = foreign.meantNodeId === own.nodeId && foreign.meantDirectoryId !== own.directoryId;
  return meansThisNode && own.isAlone ? 'maybe-replaced' : 'stranger';
}

/** The member that a leader is to be asked for, of which it depends what an encounter means. */
export function memberInQuestion(own: OwnStanding, foreign: ForeignStanding): Pick<OwnStanding, 'nodeId' | 'directoryId'> {
  if (foreign.clusterId === own.clusterId) return own;
  return { nodeId: foreign.meantNodeId, directoryId: foreign.meantDirectoryId };
}

/**
 * Decides what an encounter means by what was answered: only the word of a leader counts whose majority is behind it, of the
 * cluster and of an epoch that the encounter was about (FORM-8). Judged anew, since much may have changed while it was asked.
 */
export function judgeTestimony(own: OwnStanding, foreign: ForeignStanding, said: Testimony): Finding {
  const encounter = judgeEncounter(own, foreign);
  if (encounter === 'stranger' || said.clusterId !== foreign.clusterId) return { kind: 'nothing' };
  // A leader of this node's own epoch would not know of the recovery, and it has its own word for who was removed.
  if (encounter === 'maybe-left-out' && said.clusterEpoch <= own.clusterEpoch) return { kind: 'nothing' };
  if (said.isMember === undefined) {
    return said.leaderAddress === undefined ? { kind: 'nothing' } : { kind: 'ask', address: said.leaderAddress };
  }
  if (encounter === 'maybe-left-out') return { kind: said.isMember ? 'nothing' : 'left-out' };
  return { kind: said.isMember ? 'replaced' : 'nothing' };
}

/** Bits of an epoch that are random: two nodes that are recovered apart from each other are no members of one cluster. */
const RANDOM_BITS = 20;
const RANDOM_STEPS = 2 ** RANDOM_BITS;

/** The epoch after a recovery, from a random number in [0, 1): above the one before, below 2^53 for any number of recoveries. */
export function nextClusterEpoch(before: number, random: number): number {
  const recoveries = Math.floor(before / RANDOM_STEPS) + 1;
  return recoveries * RANDOM_STEPS + Math.floor(random * RANDOM_STEPS);
}
