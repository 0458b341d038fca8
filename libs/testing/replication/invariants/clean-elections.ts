import { Violation } from '@streamline/testing/raft/violation';
import type { PartitionState } from '../controller-model';
import type { Observer } from '../observer';
import type { Truth } from '../truth';

/** Only who has everything is elected: of the ISR, with an empty ISR of the ELR, with both empty the last leader (KIP-966). */
export class CleanElections implements Observer {
  constructor(private readonly truth: Truth) {}

  changed(partition: number, before: PartitionState, { leader, leaderEpoch, isr, removing }: PartitionState): void {
    if (leader === undefined || leaderEpoch === before.leaderEpoch || this.truth.of(partition).isTainted) return;
    // A reassignment ends with the ISR proposal that completes it.
    if (before.removing.length > removing.length && isr.includes(leader)) return;
    const isClean = before.isr.includes(leader) || before.elr.includes(leader) || before.lastKnownElr.includes(leader);
    if (!isClean) throw new Violation('clean-elections', `broker ${leader} is elected, of ISR [${before.isr.join(' ')}]`);
  }
}
