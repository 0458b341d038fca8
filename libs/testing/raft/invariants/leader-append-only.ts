import type { Invariant, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/** Leader append-only (paper figure 3): a leader never overwrites or deletes entries in its log, it only appends. */
export class LeaderAppendOnly implements Invariant {
  stepped({ member, before, after, effects }: SeenStep): void {
    if (before?.nodeState !== 'Leader' || after.nodeState !== 'Leader' || before.term !== after.term) return;
    for (const effect of effects) {
      if (effect.kind !== 'persist') continue;
      if (effect.installSnapshot === undefined && effect.truncateAfter === undefined) continue;
      throw new Violation('leader-append-only', `${member.id} leads in term ${after.term} and discards entries of its log`);
    }
  }
}
