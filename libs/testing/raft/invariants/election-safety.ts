import type { Term, VoterId } from '@streamline/core/raft/types';
import type { Message } from '@streamline/core/raft/messages';
import { ClusterGhost } from '../cluster-ghost';
import type { Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * Election safety (paper figure 3): at most one leader in a term, and none without the durable votes of a majority (of both
 * sides while the configuration is joint).
 */
export class ElectionSafety implements Invariant {
  readonly #leaders = new Map<Term, VoterId>();

  constructor(private readonly cluster: ClusterGhost) {}

  stepped({ member, effects, after }: SeenStep): void {
    for (const effect of effects) {
      if (effect.kind !== 'leadership' || !effect.leads) continue;
      const isNew = !this.#leaders.has(effect.term);
      this.#note(effect.term, member.id);
      if (isNew && after.term === effect.term && after.nodeState === 'Leader') this.#checkVotes(member, effect.term);
    }
  }

  sent(_: MemberGhost, message: Message): void {
    const { kind } = message;
    if (kind === 'append' || kind === 'heartbeat' || kind === 'snapshot-chunk') this.#note(message.term, message.from);
  }

  #note(term: Term, id: VoterId): void {
    const known = this.#leaders.get(term);
    if (known !== undefined && known !== id)
      throw new Violation('election-safety', `${known} and ${id} both lead in term ${term}`);
    this.#leaders.set(term, id);
  }

  #checkVotes(member: MemberGhost, term: Term): void {
    const votes = this.cluster.votes.get(term);
    const { configuration } = member.log.configuration;
    if (ClusterGhost.isQuorum(configuration, (id) => votes?.get(id) === member.id)) return;
    const voted = [...(votes ?? [])].map(([from, to]) => `${from} for ${to}`).join(', ');
    throw new Violation(
      'election-safety',
      `${member.id} leads in term ${term} without a majority of ${configuration.voters.join(' ')}` +
        (configuration.outgoingVoters.length > 0 ? ` or of ${configuration.outgoingVoters.join(' ')}` : '') +
        `; durable votes: ${voted}`,
    );
  }
}
