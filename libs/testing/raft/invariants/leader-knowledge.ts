import type { Input } from '@streamline/core/raft/inputs';
import type { VoterId } from '@streamline/core/raft/types';
import type { ClusterGhost, Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * What a leader knows of its peers (paper figure 2, matchIndex): it only grows within a term, and is durable at the peer. And
 * whom it tells to campaign (thesis 3.10): a voter that has all of its log, since its votes pass stickiness.
 */
export class LeaderKnowledge implements Invariant {
  constructor(private readonly cluster: ClusterGhost) {}

  stepped({ member, inputs, before, after, effects }: SeenStep): void {
    for (const effect of effects) {
      if (effect.kind !== 'send') continue;
      for (const message of effect.messages) {
        if (message.kind === 'timeout-now' && message.term === after.term) this.#checkTarget(member, message.to);
      }
    }
    if (before?.nodeState !== 'Leader' || after.nodeState !== 'Leader' || before.term !== after.term) return;
    const isNewest = !this.cluster.hasLeaderAfter(after.term);
    for (const { id, matchIndex } of after.peers) {
      const known = before.peers.find((peer) => peer.id === id)?.matchIndex ?? 0;
      // A member that was removed and added again begins anew, and may be heard of in the same turn.
      if (matchIndex < known && matchIndex > 0 && !inputs.some((input) => adds(input, id))) {
        throw new Violation('leader-knowledge', `${member.id} goes back from ${known} to ${matchIndex} for ${id}`);
      }
      if (matchIndex > known && isNewest) this.#checkMatch(member, id, matchIndex);
    }
  }

  #checkMatch(leader: MemberGhost, id: MemberGhost['id'], matchIndex: number): void {
    const term = leader.log.termAt(matchIndex);
    if (term === undefined || this.cluster.members.get(id)?.durableLog.covers(matchIndex, term) === true) return;
    throw new Violation(
      'leader-knowledge',
      `${leader.id} takes ${matchIndex} of term ${term} to be durable at ${id}, which it is not`,
    );
  }

  #checkTarget(leader: MemberGhost, id: MemberGhost['id']): void {
    const { lastIndex, lastTerm } = leader.log;
    if (!leader.log.configuration.configuration.voters.includes(id)) {
      throw new Violation('leader-knowledge', `${leader.id} tells ${id} to campaign, which is no voter`);
    }
    if (this.cluster.members.get(id)?.durableLog.covers(lastIndex, lastTerm) === true) return;
    if (this.cluster.hasLeaderAfter(lastTerm)) return;
    throw new Violation(
      'leader-knowledge',
      `${leader.id} tells ${id} to campaign, which has not all of its log up to ${lastIndex}`,
    );
  }
}

function adds(input: Input, id: VoterId): boolean {
  return (
    input.kind === 'change-membership' && input.changes.some((change) => change.kind === 'add-learner' && change.member.id === id)
  );
}
