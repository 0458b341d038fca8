import { cannotLead, type RaftTiming, timingText } from '@streamline/core/formation/timing';
import type { VoterId } from '@streamline/core/raft/types';
import { nodeIdOf } from '@streamline/core/raft/types';

/** How two members' settings differ, and who of them cannot stay leader for it; undefined: they do not, or one does not say. */
export function timingDifference(own: RaftTiming, peer: VoterId, its: RaftTiming): string | undefined {
  if (own.electionTimeoutMinMs === 0 || its.electionTimeoutMinMs === 0) return undefined;
  const isSame =
    own.heartbeatIntervalMs === its.heartbeatIntervalMs &&
    own.electionTimeoutMinMs === its.electionTimeoutMinMs &&
    own.electionTimeoutMaxMs === its.electionTimeoutMaxMs;
  if (isSame) return undefined;
  const node = `node ${nodeIdOf(peer)}`;
  const difference = `${node} has ${timingText(its)}, this node ${timingText(own)}`;
  switch (cannotLead(own, its)) {
    case 'own':
      return `${difference}: this node cannot stay leader, since ${node} holds elections before its heartbeats come`;
    case 'its':
      return `${difference}: ${node} cannot stay leader, since this node holds elections before its heartbeats come`;
    case undefined:
      return difference;
  }
}
