import { RaftInvariantError } from './invariant';
import type { LogIndex, RaftInit, Term } from './types';

/**
 * Where the log of a start is known to be committed. Throws RaftInvariantError if what recovery found cannot be one node's
 * state: then something durable was lost, and the node must not vote or acknowledge as if it were not (J-5).
 */
export function recoveredCommitIndex({ hardState, log, snapshot, appliedIndex }: RaftInit): LogIndex {
  const snapshotIndex = snapshot?.index ?? 0;
  check(snapshot === undefined || log.baseIndex <= snapshotIndex, 'the log begins after the newest snapshot');
  check(log.baseIndex <= log.lastIndex, 'the log ends before it begins');
  check(log.lastIndex >= snapshotIndex, `the log ends at ${log.lastIndex}, before the newest snapshot (${snapshotIndex})`);
  const recentIndex = log.recentEntries[log.recentEntries.length - 1]?.index ?? log.lastIndex;
  check(recentIndex === log.lastIndex, `the recent entries end at ${recentIndex}, the log at ${log.lastIndex}`);
  check(lastTerm(log) <= hardState.term, `the log has entries of term ${lastTerm(log)}, after the stored term ${hardState.term}`);
  check(
    snapshot !== undefined || appliedIndex >= log.baseIndex,
    'the log is purged beyond what the state machine holds, and there is no snapshot',
  );
  const commitIndex = Math.max(hardState.commitIndex, snapshotIndex, appliedIndex, log.baseIndex);
  check(
    commitIndex <= log.lastIndex,
    `entries up to ${commitIndex} were committed, but the log ends at ${log.lastIndex}: its end was lost`,
  );
  return commitIndex;
}

function lastTerm({ baseTerm, termRuns }: RaftInit['log']): Term {
  return termRuns[termRuns.length - 1]?.term ?? baseTerm;
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new RaftInvariantError('RAFT-4', message);
}
