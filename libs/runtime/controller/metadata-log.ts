import type { DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';

/** One committed entry of the metadata log. Without records: the no-op at the start of a term. */
export interface CommittedEntry {
  readonly index: MetadataIndex;
  readonly term: number;
  /** Encoded streamline.metadata.v1.MetadataRecord; the entry takes effect whole or not at all. */
  readonly records: readonly Uint8Array[];
}

/** A place in the log: what has been applied up to there. Index 0 is the empty log. */
export interface LogPlace {
  readonly index: MetadataIndex;
  readonly term: number;
}

/** The guide's words for what a node is in the consensus. */
export type NodeState = 'Leader' | 'Follower' | 'Candidate' | 'Learner' | 'Shutdown';

export interface LogStatus {
  readonly nodeState: NodeState;
  readonly nodeId: NodeId;
  readonly leaderId: NodeId | undefined;
  /** Of the leader's inter-broker listener, host:port; undefined where nobody is known to lead. */
  readonly leaderAddress: string | undefined;
  readonly term: number;
  readonly committedIndex: MetadataIndex;
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/** One member, as far as this node knows. */
export interface LogMember {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** Of its inter-broker listener, host:port. */
  readonly address: string;
  readonly isVoter: boolean;
  /** A learner that is to stay one. */
  readonly staysLearner: boolean;
  /** Of the members only a leader knows more than that they are. */
  readonly progress: LogProgress | undefined;
}

export interface LogProgress {
  /** Durable at the member up to here. */
  readonly matchIndex: number;
  /** Milliseconds since it was last heard of. */
  readonly silentMs: number;
}

/** An entry was not committed here and will not be by this node: somebody else leads, or nobody does. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError';
}

/** An entry is larger than the log takes; nothing was proposed. */
export class EntryTooLargeError extends Error {
  override readonly name = 'EntryTooLargeError';
}

/** The replicated log of a controller: entries go in at the leader and come out, committed, at every node's state machine. */
export interface MetadataLog {
  readonly status: LogStatus;
  /** Voters first, each kind by node id. */
  members(): readonly LogMember[];
  /**
   * Proposes entries (each a list of encoded records). Resolves with the index of the last one when all are committed and
   * applied to this node's state machine. One call at a time. Fails with NotLeaderError, or EntryTooLargeError; with
   * anything else when the log is broken for good (see `onFailure`).
   */
  propose(entries: readonly (readonly Uint8Array[])[]): Promise<MetadataIndex>;
  /**
   * True once a majority has confirmed, after the call, that this node leads, in the term that it led in when it was called: nobody
   * led a later one by then (RAFT-14). False where it leads no longer, or nobody confirms it in time. Without other voters at once.
   * Fails when the log is broken for good.
   */
  confirmLeadership(deadlineMs: number): Promise<boolean>;
  /** Told at once, and whenever it changes, whether this node leads and has applied what was committed before its term. */
  onLeadership(listener: (leads: boolean) => void): void;
  /** Called once when the log can no longer be written (J-9): nothing more is committed, the process is to exit. */
  onFailure(listener: (error: Error) => void): void;
  /** A clean stop: leadership is handed over where there is somebody to take it, and everything is durable. */
  close(): Promise<void>;
}
