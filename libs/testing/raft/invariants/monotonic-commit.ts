import type { ClusterGhost } from '../cluster-ghost';
import type { Invariant, MemberGhost, SeenState, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * Within a process the commit index never goes back nor beyond the log, what is applied is committed and durable, and the
 * entries that a node takes for committed are those of the cluster.
 */
export class MonotonicCommit implements Invariant {
  constructor(private readonly cluster: ClusterGhost) {}

  stepped({ member, before, after }: SeenStep): void {
    const from = before?.commitIndex ?? 0;
    if (after.commitIndex < from) {
      throw new Violation('monotonic-commit', `${member.id} goes back from ${from} to ${after.commitIndex}`);
    }
    if (before !== undefined && after.term < before.term) {
      throw new Violation('monotonic-commit', `${member.id} goes back from term ${before.term} to ${after.term}`);
    }
    if (after.commitIndex > member.log.lastIndex) {
      throw new Violation(
        'monotonic-commit',
        `${member.id} takes ${after.commitIndex} for committed with a log up to ${member.log.lastIndex}`,
      );
    }
    const known = this.cluster.committed[after.commitIndex - 1]?.entry;
    if (after.commitIndex > from && known !== undefined && !member.log.covers(known.index, known.term)) {
      throw new Violation(
        'monotonic-commit',
        `${member.id} takes ${known.index} of term ${member.log.termAt(known.index) ?? 'none'} for committed, it is of term ${known.term}`,
      );
    }
  }

  state({ member, index, entry }: SeenState): void {
    if (index > this.cluster.commitIndex)
      throw new Violation('monotonic-commit', `${member.id} applies ${index}, which is not committed`);
    if (entry !== undefined && index !== member.appliedIndex + 1) {
      throw new Violation('monotonic-commit', `${member.id} applies ${index} after ${member.appliedIndex}`);
    }
    if (entry === undefined && index <= member.appliedIndex) {
      throw new Violation('monotonic-commit', `${member.id} goes back from ${member.appliedIndex} to a snapshot at ${index}`);
    }
    if (!isDurable(member, index))
      throw new Violation('monotonic-commit', `${member.id} applies ${index}, which is not durable there`);
  }
}

function isDurable({ durableLog }: MemberGhost, index: number): boolean {
  return index <= durableLog.lastIndex;
}
