import type { RaftInit } from '@streamline/core/raft/types';
import type { MemberGhost } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * Durability (J-5, RAFT-9): a process starts with everything that was durable before, and beyond that at most with the first
 * of the writes that were under way, each whole. Brings the ghost to what was found.
 */
export function recoverGhost(member: MemberGhost, init: RaftInit): void {
  const { pending } = member;
  member.pending = [];
  for (let taken = 0; !fits(member, init); taken += 1) {
    const next = pending[taken];
    if (next === undefined) {
      const { durableHardState: hard, durableLog: log } = member;
      const found = `term ${init.hardState.term}, vote ${init.hardState.votedFor ?? 'none'}, log ${init.log.baseIndex}..${init.log.lastIndex}`;
      const known = `term ${hard.term}, vote ${hard.votedFor ?? 'none'}, log ..${log.lastIndex} in term ${log.lastTerm}`;
      throw new Violation('durability', `${member.id} starts with ${found}, though durable were ${known}`);
    }
    member.becameDurable(next);
  }
  member.log = member.durableLog.copy();
  const { snapshot, log } = init;
  if (snapshot !== undefined && !member.snapshotIds.has(snapshot.id)) {
    throw new Violation(
      'durability',
      `${member.id} starts from the snapshot ${snapshot.id}, which it neither took nor installed`,
    );
  }
  if (log.baseIndex > (snapshot?.index ?? 0)) {
    throw new Violation(
      'durability',
      `${member.id} starts with a log from ${log.baseIndex} on and no snapshot of what was before`,
    );
  }
}

function fits({ durableHardState, durableLog, installedIndex }: MemberGhost, { hardState, log, snapshot }: RaftInit): boolean {
  if (hardState.term !== durableHardState.term || hardState.votedFor !== durableHardState.votedFor) return false;
  return durableLog.matches(log) && (snapshot?.index ?? 0) >= installedIndex;
}
