import { ClusterGhost } from '../cluster-ghost';
import type { CommittedEntry, Invariant, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * What a leader commits is durable at a majority of the voters (both majorities of a joint configuration), and the last of it
 * is of the leader's own term (paper 5.4.2). Learners count for nothing.
 */
export class CommitQuorum implements Invariant {
  constructor(private readonly cluster: ClusterGhost) {}

  /** Called before the ghost takes the new commit index in. */
  stepped({ member, before, after }: SeenStep): void {
    if (after.commitIndex <= this.cluster.commitIndex) return;
    const status = after.nodeState === 'Leader' ? after : before;
    const entry = member.log.entryAt(after.commitIndex);
    if (status?.nodeState !== 'Leader' || entry === undefined) {
      throw new Violation('commit-quorum', `${member.id} takes ${after.commitIndex} for committed, which no leader committed`);
    }
    if (entry.term !== status.term) {
      throw new Violation(
        'commit-quorum',
        `${member.id} commits ${entry.index} of term ${entry.term} by counting in term ${status.term}`,
      );
    }
    const has = (id: typeof member.id): boolean =>
      this.cluster.members.get(id)?.durableLog.covers(entry.index, entry.term) === true;
    const inForce = [before?.configuration, after.configuration];
    if (inForce.some((placed) => placed !== undefined && ClusterGhost.isQuorum(placed.configuration, has))) return;
    const holders = [...this.cluster.members.keys()].filter(has).join(' ');
    throw new Violation(
      'commit-quorum',
      `${member.id} commits ${entry.index} in term ${entry.term}, durable at ${holders || 'nobody'}; voters are ${after.configuration.configuration.voters.join(' ')}` +
        (after.configuration.configuration.outgoingVoters.length > 0
          ? ` and ${after.configuration.configuration.outgoingVoters.join(' ')}`
          : ''),
    );
  }

  committed({ entry, by }: CommittedEntry): void {
    if (by.log.entryAt(entry.index) !== entry) throw new Violation('commit-quorum', `${by.id} committed what it has not`);
  }
}
