import type { Message } from './messages';
import type { Entry, LogIndex, Member, Proposal, VoterId } from './types';

/**
 * What happens to a core. A host steps one or many inputs in a turn, in the order in which they happened; all that wait are
 * best stepped together, since a turn makes at most one `persist` effect.
 */
export type Input =
  /** The deadline that `nextDeadlineMs` named has passed. Harmless at any other time. The first turn is a tick. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly message: Message }
  | ProposeInput
  /** A linearizable read: answered with a `read-result`, or not at all if messages are lost; put a deadline on it. */
  | { readonly kind: 'read-index'; readonly requestId: number }
  /** Hand leadership to `to`, or to the voter that is furthest: answered with a `transfer-result`. */
  | { readonly kind: 'transfer-leadership'; readonly requestId: number; readonly to: VoterId | undefined }
  | ChangeMembershipInput
  /** Every `persist` effect up to this id is durable. Its messages may be sent before or after this input. */
  | { readonly kind: 'persisted'; readonly persistId: number }
  /** The state machine holds everything up to `index`: the end of the `apply` effect, or the index of the `restore` effect. */
  | { readonly kind: 'applied'; readonly index: LogIndex }
  | EntriesReadInput
  | SnapshotTakenInput
  | SnapshotChunkReadInput
  | SnapshotChunkWrittenInput
  /**
   * Connecting to the peer's address ended with ECONNREFUSED: its process is gone. Ends stickiness if the peer leads, and
   * begins a pre-vote within refusedJitterMaxMs. A reset, a timeout or a name that does not resolve is never this input.
   * Report each refused attempt.
   */
  | { readonly kind: 'peer-refused'; readonly peer: VoterId }
  /** Messages to the peer were thrown away (connection lost, queue full): the leader probes before it pipelines again. */
  | { readonly kind: 'peer-unreachable'; readonly peer: VoterId };

/** All of the proposals are appended, in order and without others between them, or none is. Answered with a `propose-result`. */
export interface ProposeInput {
  readonly kind: 'propose';
  /** The host's own, to know the answer by; never used twice in one incarnation. */
  readonly requestId: number;
  readonly proposals: readonly Proposal[];
  /** Ask the leader where this node is none. */
  readonly forward: boolean;
}

/**
 * Carries out the changes as one: by a single entry if the voters change by at most one (thesis 4.1), else through joint
 * consensus (paper section 6), whose second entry the leader appends by itself. Answered with a `membership-result`.
 */
export interface ChangeMembershipInput {
  readonly kind: 'change-membership';
  readonly requestId: number;
  readonly changes: readonly MembershipChange[];
}

export type MembershipChange =
  /** A learner is added; of one that is there already the address and the mark become those of `member`. Refused for a voter. */
  | { readonly kind: 'add-learner'; readonly member: Member }
  /** A learner becomes a voter, also one that was to stay a learner. Refused as `not-caught-up` while it is silent or lacks more than an append's worth of committed entries. */
  | { readonly kind: 'promote'; readonly id: VoterId }
  /** A voter becomes a learner, and is to stay one: whoever promotes learners would undo it. */
  | { readonly kind: 'demote'; readonly id: VoterId }
  | { readonly kind: 'remove'; readonly id: VoterId }
  | { readonly kind: 'set-address'; readonly id: VoterId; readonly address: string };

/** Answers `read-entries`. */
export interface EntriesReadInput {
  readonly kind: 'entries-read';
  readonly readId: number;
  /** Contiguous from the first that was asked for; at least one, except if they are purged: then none. */
  readonly entries: readonly Entry[];
}

/** Answers `take-snapshot`. */
export interface SnapshotTakenInput {
  readonly kind: 'snapshot-taken';
  readonly snapshotId: string;
  /** Durable and verified under its name; false: it failed, and the core asks again after a further interval. */
  readonly taken: boolean;
}

/** Answers `read-snapshot-chunk`. */
export interface SnapshotChunkReadInput {
  readonly kind: 'snapshot-chunk-read';
  readonly readId: number;
  /** Undefined: the snapshot is no longer there (or damaged); the core goes on with its newest. */
  readonly chunk: { readonly data: Uint8Array; readonly last: boolean } | undefined;
}

/** Answers `write-snapshot-chunk`. */
export interface SnapshotChunkWrittenInput {
  readonly kind: 'snapshot-chunk-written';
  readonly writeId: number;
  /**
   * Of the last chunk: the whole snapshot is complete, its checksums hold, and it is fsynced beside the others.
   * False: could not be written, or the checksum is wrong; the partial file is gone and the transfer begins again.
   */
  readonly written: boolean;
}
