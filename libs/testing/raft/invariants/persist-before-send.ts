import type { PersistEffect } from '@streamline/core/raft/effects';
import type { Message } from '@streamline/core/raft/messages';
import type { ClusterGhost, Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * Persist before send (RAFT-9): messages of a persist effect leave only once it is durable, and what a message promises is
 * durable when it leaves: a granted vote, an acknowledged entry (which is the leader's).
 */
export class PersistBeforeSend implements Invariant {
  readonly #released = new WeakSet<Message>();

  constructor(private readonly cluster: ClusterGhost) {}

  stepped({ member, effects }: SeenStep): void {
    for (const effect of effects) if (effect.kind === 'send') this.#release(member, effect.messages);
  }

  durable(member: MemberGhost, effect: PersistEffect): void {
    this.#release(member, effect.messages);
  }

  sent(member: MemberGhost, message: Message): void {
    if (this.#released.has(message)) return;
    throw new Violation('persist-before-send', `${member.id} sends ${message.kind} before it is durable`);
  }

  #release(member: MemberGhost, messages: readonly Message[]): void {
    for (const message of messages) {
      this.#checkPromise(member, message);
      this.#released.add(message);
    }
  }

  #checkPromise(member: MemberGhost, message: Message): void {
    const { durableLog, durableHardState } = member;
    if (message.from !== member.id) throw new Violation('persist-before-send', `${member.id} sends a message of ${message.from}`);
    const isCandidate = message.kind === 'vote-request' && !message.preVote;
    if ((isCandidate || message.kind === 'append-accepted') && message.term > durableHardState.term) {
      throw new Violation('persist-before-send', `${member.id} sends ${message.kind} before its term ${message.term} is durable`);
    }
    if (message.kind === 'vote-response' && message.granted && !message.preVote) {
      const vote = this.cluster.votes.get(message.electionTerm)?.get(member.id);
      if (vote === message.to) return;
      throw new Violation(
        'persist-before-send',
        `${member.id} grants ${message.to} its vote of term ${message.electionTerm}, durable is ${vote ?? 'none'}`,
      );
    }
    // A turn that went on to a later term may have truncated what it accepted before: as if the disk had seen both, one by one.
    if (message.kind !== 'append-accepted' || message.term < durableHardState.term) return;
    if (message.matchIndex > durableLog.lastIndex) {
      throw new Violation(
        'persist-before-send',
        `${member.id} acknowledges ${message.matchIndex}, durable is up to ${durableLog.lastIndex}`,
      );
    }
    const leader = this.cluster.members.get(message.to);
    if (leader?.leads !== true || leader.status?.term !== message.term) return;
    const term = leader.log.termAt(message.matchIndex);
    if (term !== undefined && !durableLog.covers(message.matchIndex, term)) {
      throw new Violation(
        'persist-before-send',
        `${member.id} acknowledges ${message.matchIndex} of ${message.to}, but holds another entry there`,
      );
    }
  }
}
