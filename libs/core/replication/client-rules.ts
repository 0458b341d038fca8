import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import type { ReplicaCore } from './replica';

type Role = Pick<ReplicaCore, 'role' | 'leaderEpoch'>;

/** What a producer is answered before anything is appended; NONE: append. acks 0 and 1 are taken whatever the ISR is. */
export function whyNotAppend(replica: Pick<ReplicaCore, 'role' | 'leading' | 'isServing'>, requiredAcks: number): ErrorCode {
  if (replica.role === 'offline') return ErrorCode.KAFKA_STORAGE_ERROR;
  if (replica.leading === undefined || !replica.isServing) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
  return requiredAcks === -1 && replica.leading.isUnderMinIsr ? ErrorCode.NOT_ENOUGH_REPLICAS : ErrorCode.NONE;
}

/**
 * Why a request that names an epoch (-1: none) is not served by a replica that has to lead: epochs first, then leadership (KIP-320,
 * Partition.checkCurrentLeaderEpoch). NONE: it is.
 */
export function whyNotServed(replica: Role & Pick<ReplicaCore, 'isServing'>, currentLeaderEpoch: number): ErrorCode {
  const epochError = epochMismatch(replica.leaderEpoch, currentLeaderEpoch);
  if (epochError !== ErrorCode.NONE) return epochError;
  if (replica.role === 'offline') return ErrorCode.KAFKA_STORAGE_ERROR;
  return replica.isServing ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
}

/** The same for a consumer's fetch, which a follower serves as well from version 11 on (KIP-392). */
export function whyNotRead(replica: Role & Pick<ReplicaCore, 'isCutOff'>, currentLeaderEpoch: number): ErrorCode {
  const epochError = epochMismatch(replica.leaderEpoch, currentLeaderEpoch);
  if (epochError !== ErrorCode.NONE) return epochError;
  if (replica.role === 'offline') return ErrorCode.KAFKA_STORAGE_ERROR;
  return replica.isCutOff ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE;
}

/**
 * Who probably leads by now where this leader is cut off, for clients to ask: the first replica that it cannot reach, in-sync ones first.
 * Those within reach are as likely cut off themselves. Undefined while it serves.
 */
export function likelyLeader({ isCutOff, followers }: Pick<ReplicaCore, 'isCutOff' | 'followers'>): NodeId | undefined {
  if (!isCutOff) return undefined;
  const unheard = followers.filter(({ isStreaming }) => !isStreaming);
  return (unheard.find(({ isInMaximalIsr }) => isInMaximalIsr) ?? unheard[0])?.id;
}

function epochMismatch(own: number, asked: number): ErrorCode {
  if (asked < 0 || asked === own) return ErrorCode.NONE;
  return asked < own ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH;
}
