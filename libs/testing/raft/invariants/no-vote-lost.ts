import type { PersistEffect } from '@streamline/core/raft/effects';
import type { HardState, RaftInit, Term, VoterId } from '@streamline/core/raft/types';
import type { Message } from '@streamline/core/raft/messages';
import type { Invariant, MemberGhost } from '../cluster-ghost';
import { Violation } from '../violation';

/** No vote lost (paper 5.2): a member votes for one candidate in a term and for ever, over all of its restarts. */
export class NoVoteLost implements Invariant {
  readonly #votes = new Map<VoterId, Map<Term, VoterId>>();

  started(member: MemberGhost, { hardState }: RaftInit): void {
    this.#noteDurable(member, hardState);
  }

  durable(member: MemberGhost, { hardState }: PersistEffect): void {
    if (hardState !== undefined) this.#noteDurable(member, hardState);
  }

  sent(member: MemberGhost, message: Message): void {
    if (message.kind === 'vote-response' && message.granted && !message.preVote) {
      this.#note(member, message.electionTerm, message.to);
    }
  }

  #noteDurable(member: MemberGhost, { term, votedFor }: HardState): void {
    if (votedFor !== undefined) this.#note(member, term, votedFor);
  }

  #note({ id }: MemberGhost, term: Term, candidate: VoterId): void {
    let votes = this.#votes.get(id);
    if (votes === undefined) this.#votes.set(id, (votes = new Map()));
    const known = votes.get(term);
    if (known !== undefined && known !== candidate) {
      throw new Violation('no-vote-lost', `${id} voted for ${known} and then for ${candidate} in term ${term}`);
    }
    votes.set(term, candidate);
  }
}
