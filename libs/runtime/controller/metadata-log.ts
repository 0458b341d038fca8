import type { MetadataIndex, NodeId } from '@streamline/core/types/ids';

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

/** What committed entries are applied to. */
export interface MetadataStateMachine {
  readonly applied: LogPlace;
  /** Entries in order, the first right after `applied`. Takes effect before it returns. */
  apply(entries: readonly CommittedEntry[]): void;
  /** Resolves when a restart finds everything applied so far, without the log; tells up to where that is (S-12). */
  makeDurable(): Promise<LogPlace>;
}

/** The guide's words for what a node is in the consensus. */
export type NodeState = 'Leader' | 'Follower' | 'Candidate' | 'Learner' | 'Shutdown';

export interface LogStatus {
  readonly nodeState: NodeState;
  readonly nodeId: NodeId;
  readonly leaderId: NodeId | undefined;
  readonly term: number;
  readonly committedIndex: MetadataIndex;
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/** An entry was not committed here and will not be by this node: somebody else leads, or nobody does. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError';
}

/** An entry is larger than the log takes; nothing was proposed. */
export class EntryTooLargeError extends Error {
  override readonly name = 'EntryTooLargeError';
}

/**
 * The replicated log of a controller: entries go in at the leader and come out, committed, at every node's state machine.
 * A log with a single voter stands behind it now; Raft implements it next.
 */
export interface MetadataLog {
  readonly status: LogStatus;
  /** The index that the next proposed entry gets, while this node leads. */
  readonly nextIndex: MetadataIndex;
  /**
   * Proposes entries (each a list of encoded records). Resolves with the index of the last one when all are committed and
   * applied to this node's state machine. One call at a time. Fails with NotLeaderError, or EntryTooLargeError; with
   * anything else when the log is broken for good (see `onFailure`).
   */
  propose(entries: readonly (readonly Uint8Array[])[]): Promise<MetadataIndex>;
  /** Told at once, and whenever it changes, whether this node leads. */
  onLeadership(listener: (leads: boolean) => void): void;
  /** Called once when the log can no longer be written (J-9): nothing more is committed, the process is to exit. */
  onFailure(listener: (error: Error) => void): void;
  /** A clean stop: everything is durable, and a start need not replay it. */
  close(): Promise<void>;
}
