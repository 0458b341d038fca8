import type { ProposalVerdict } from '@streamline/core/raft/client-sessions';
import type { Entry, LogIndex } from '@streamline/core/raft/types';

/** What became of one entry. A machine adds what its callers want to know. */
export interface Applied {
  /** Of the machine's client sessions; `apply` for entries that are no proposals. */
  readonly verdict: ProposalVerdict;
}

/** A snapshot's bytes in pieces of any size, in order. */
export type SnapshotBytes = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * What committed entries are applied to, in order. The driver makes one call at a time. Any error is the end of the process:
 * the log and the state would no longer say the same.
 */
export interface StateMachine<Result extends Applied> {
  /**
   * Up to where a start finds the state without the log; 0 if it begins empty. May be less than what was applied before, and
   * more than the log holds only if the log was lost.
   */
  readonly appliedIndex: LogIndex;
  /** Entries of all kinds, the first right after what was applied before. Takes effect before it returns: one result for each. */
  apply(entries: readonly Entry[]): readonly Result[];
  /**
   * The state as it is now, client sessions included, to be read at leisure while `apply` goes on. It begins with what tells
   * its format's version. The iterator may be left before its end.
   */
  capture(): SnapshotBytes;
  /** Replaces the state by a captured one, taken at `index`; the bytes are verified. */
  restore(index: LogIndex, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}
