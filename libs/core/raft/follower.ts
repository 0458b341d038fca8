import type { RaftContext } from './context';
import { invariant } from './invariant';
import type { Append, Heartbeat } from './messages';
import type { Entry, LogIndex } from './types';

/**
 * Takes a leader's entries (paper 5.3). What is committed here is the leader's too and is never compared again; the rest is
 * accepted only where it continues this log.
 */
export function acceptAppend(context: RaftContext, message: Append): void {
  const { log } = context;
  const { previousIndex, previousTerm, entries } = message;
  const knownTerm = log.termAt(previousIndex);
  if (knownTerm !== previousTerm) {
    if (previousIndex > context.commitIndex) {
      rejectAppend(context, message);
      return;
    }
    invariant(
      knownTerm === undefined,
      'RAFT-4',
      'a leader has another entry than the committed one',
      previousIndex,
      previousTerm,
    );
  }
  const lastIndex = previousIndex + entries.length;
  for (const entry of entries) acceptEntry(context, entry);
  context.commitTo(Math.min(message.commitIndex, lastIndex));
  // Not the end of this log: what is behind the leader's entries may still be replaced.
  const matchIndex = Math.max(lastIndex, context.commitIndex);
  context.sendAfterLog({ kind: 'append-accepted', from: context.self, to: message.from, term: context.term, matchIndex });
}

function acceptEntry(context: RaftContext, entry: Entry): void {
  const { log, commitIndex } = context;
  const { index, term } = entry;
  const known = log.termAt(index);
  if (known === term) return;
  if (index <= commitIndex) {
    invariant(known === undefined, 'RAFT-4', 'a leader lacks a committed entry', index, term);
    return;
  }
  // Only a conflict truncates: an append that arrives late or twice must not cut off what came after it (paper 5.3).
  if (known !== undefined) context.truncate(index - 1);
  context.append(entry);
}

/** Tells the leader how far back the logs can agree, a whole term at a time (paper 5.3, end). */
function rejectAppend(context: RaftContext, { from, previousIndex, previousTerm }: Append): void {
  const { log, self, term } = context;
  const hintIndex = Math.max(log.lastIndexUpToTerm(previousIndex, previousTerm), context.commitIndex);
  const hintTerm = log.termAt(hintIndex) ?? 0;
  context.sendAfterHardState({ kind: 'append-rejected', from: self, to: from, term, previousIndex, hintIndex, hintTerm });
}

/** An answer of no use but its term: who leads an earlier one learns from it that it is over. */
export function rejectStale(context: RaftContext, to: Append['from'], previousIndex: LogIndex): void {
  const { self, term } = context;
  context.sendAfterHardState({ kind: 'append-rejected', from: self, to, term, previousIndex, hintIndex: 0, hintTerm: 0 });
}

export function acceptHeartbeat(context: RaftContext, { from, round, commitIndex }: Heartbeat): void {
  context.commitTo(commitIndex);
  // Promises nothing about the log, so a slow disk does not make a live follower look dead.
  context.sendAfterHardState({ kind: 'heartbeat-response', from: context.self, to: from, term: context.term, round });
}
