import type { ClusterGhost, Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/** Leader completeness (paper figure 3): what was committed in a term is in the logs of the leaders of all later terms. */
export class LeaderCompleteness implements Invariant {
  constructor(private readonly cluster: ClusterGhost) {}

  stepped({ member, effects, after }: SeenStep): void {
    for (const effect of effects) {
      if (effect.kind === 'leadership' && effect.leads && after.term === effect.term) this.#check(member, effect.term);
    }
  }

  #check(member: MemberGhost, term: number): void {
    const { committed } = this.cluster;
    let last = committed.length;
    while (last > 0 && (committed[last - 1]?.commitTerm ?? 0) >= term) last -= 1;
    const entry = committed[last - 1]?.entry;
    if (entry === undefined || member.log.covers(entry.index, entry.term)) return;
    throw new Violation(
      'leader-completeness',
      `${member.id} leads in term ${term} without the entry ${entry.index} of term ${entry.term}, which was committed before`,
    );
  }
}
