import type { LogIndex } from '@streamline/core/raft/types';
import { checkLinearizable } from '@streamline/testing/history/linearizability';
import type { History } from '@streamline/testing/history/history';
import type { Invariant, MemberGhost } from '../cluster-ghost';
import { modelOfKey } from '../key-machine';
import { Violation } from '../violation';

/**
 * Linearizable reads (thesis 6.4): a read sees everything that was committed anywhere when it was asked for. Checked at once by
 * the read index, and at the end by what clients saw, without a look inside.
 */
export class LinearizableReads implements Invariant {
  readReady(member: MemberGhost, index: LogIndex, floor: LogIndex): void {
    if (index >= floor) return;
    throw new Violation('linearizable-reads', `${member.id} reads at ${index}, though ${floor} was committed when it was asked`);
  }

  /** Returns true if it was decided. */
  checkHistory(history: History): boolean {
    const verdict = checkLinearizable(history.entries, modelOfKey);
    if (verdict.kind !== 'violation') return verdict.kind === 'linearizable';
    const { key, explained, stuckAt } = verdict;
    throw new Violation(
      'linearizable-reads',
      `no order explains what clients saw of ${key}: after ${explained} operations ${JSON.stringify(stuckAt)} fits nowhere`,
    );
  }
}
