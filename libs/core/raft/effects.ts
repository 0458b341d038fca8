import type { Message, ProposeOutcome, ReadOutcome, RefusalReason } from './messages';
import type { Entry, HardState, LogIndex, SnapshotMeta, Term, VoterId } from './types';

/**
 * What a host is to do, begun in this order; nothing in the list waits for the end of what stands before it, except where
 * the effect says so. The core goes on stepping meanwhile.
 */
export type Effect =
  /** Send now, in parallel with any write (thesis 10.2.1). May be lost. */
  | { readonly kind: 'send'; readonly messages: readonly Message[] }
  | PersistEffect
  | ApplyEffect
  | RestoreEffect
  | ReadEntriesEffect
  | TakeSnapshotEffect
  | PurgeEffect
  | ReadSnapshotChunkEffect
  | WriteSnapshotChunkEffect
  /** The partly received snapshot is given up: forget its bytes. */
  | { readonly kind: 'drop-snapshot'; readonly snapshotId: string }
  | LeadershipEffect
  | { readonly kind: 'propose-result'; readonly requestId: number; readonly outcome: ProposeOutcome }
  | { readonly kind: 'read-result'; readonly requestId: number; readonly outcome: ReadOutcome }
  | { readonly kind: 'transfer-result'; readonly requestId: number; readonly outcome: TransferOutcome }
  | { readonly kind: 'membership-result'; readonly requestId: number; readonly outcome: MembershipOutcome };

/**
 * Make durable, then send `messages`, then step `persisted` with the id (RAFT-9: a vote or an acknowledgement cannot leave
 * before the disk has what it promises, since it is nowhere else).
 * Ids grow by one. Effects take place in the order of their ids, and several that wait may be written as one group; with
 * nothing to write the effect is a barrier: its messages wait for the effects before it. Within one effect the order is:
 * snapshot, truncation, entries, hard state; all or nothing survives a crash.
 * A write that fails is the end of the process (J-9): no message of it may leave.
 */
export interface PersistEffect {
  readonly kind: 'persist';
  readonly persistId: number;
  /** Replaces the one before. */
  readonly hardState: HardState | undefined;
  /**
   * A received snapshot (complete: its last chunk was reported written) becomes the base of the log: every entry that is
   * stored is discarded, and the next one has the index after it. Until this is durable the snapshot does not count: a start
   * after a crash before it must go on with the log as it was.
   */
  readonly installSnapshot: SnapshotMeta | undefined;
  /** Stored entries after this index are discarded (paper 5.3). */
  readonly truncateAfter: LogIndex | undefined;
  /** To be appended; contiguous with what is stored. */
  readonly entries: readonly Entry[];
  readonly messages: readonly Message[];
}

/**
 * Apply committed entries, contiguous with what was applied before; they are durable here. Then step `applied` with the
 * index of the last. No second `apply` or `restore` comes before that.
 */
export interface ApplyEffect {
  readonly kind: 'apply';
  readonly entries: readonly Entry[];
}

/** Replace the state machine by this (installed, durable) snapshot, then step `applied` with its index. */
export interface RestoreEffect {
  readonly kind: 'restore';
  readonly snapshot: SnapshotMeta;
}

/**
 * Read stored entries from `firstIndex` to `lastIndex` (both included) and no more than `bytesMax` of them, but at least one;
 * answer with `entries-read`. They are durable. Entries that a later effect truncates or purges meanwhile may be among the
 * answer or missing from it: the core checks.
 */
export interface ReadEntriesEffect {
  readonly kind: 'read-entries';
  readonly readId: number;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly bytesMax: number;
}

/**
 * The state machine is at exactly `snapshot.index` when this is handed out: capture that state before applying anything
 * further, write it at leisure with the meta (configuration included), and answer with `snapshot-taken`.
 */
export interface TakeSnapshotEffect {
  readonly kind: 'take-snapshot';
  readonly snapshot: SnapshotMeta;
}

/**
 * Entries up to `index` are no longer needed, nor snapshots but those of `keepSnapshotIds` (the newest, and older ones that are
 * being sent). To be done at leisure, but never before the newest snapshot is durable. A crash may forget it.
 */
export interface PurgeEffect {
  readonly kind: 'purge';
  readonly index: LogIndex;
  readonly keepSnapshotIds: readonly string[];
}

/** Read at most `bytesMax` bytes of a snapshot at `offset` for a peer; answer with `snapshot-chunk-read`. At most one per peer is open. */
export interface ReadSnapshotChunkEffect {
  readonly kind: 'read-snapshot-chunk';
  readonly readId: number;
  readonly to: VoterId;
  readonly snapshotId: string;
  readonly offset: number;
  readonly bytesMax: number;
}

/**
 * Write bytes of a snapshot that is being received; `offset` 0 begins a new file. Answer with `snapshot-chunk-written`: of the
 * last chunk only once the whole is verified and fsynced, of others as soon as they are written. One is open at a time.
 * Not part of the log: a crash may forget it (the transfer then begins again).
 */
export interface WriteSnapshotChunkEffect {
  readonly kind: 'write-snapshot-chunk';
  readonly writeId: number;
  readonly snapshot: SnapshotMeta;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly last: boolean;
}

/** Told whenever term, leader or this node's leading changes. */
export interface LeadershipEffect {
  readonly kind: 'leadership';
  readonly term: Term;
  readonly leaderId: VoterId | undefined;
  readonly leads: boolean;
  /**
   * While this node leads: index of the entry that began its term. Everything that was committed before is applied once the
   * state machine is there; only then may a leader decide from its state.
   */
  readonly termStartIndex: LogIndex | undefined;
}

/** `done`: this node no longer leads. `timed-out`: it leads on. `unreachable`: so it does, since the target cannot be reached. */
export type TransferOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason | 'not-a-voter' | 'unreachable' };

/**
 * `done`: the new configuration (after a joint one: the final) is committed. `unknown`: leadership was lost before that; the
 * change may or may not come to pass.
 */
export type MembershipOutcome =
  | { readonly kind: 'done'; readonly index: LogIndex }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason | MembershipRefusal; readonly message: string };

export type MembershipRefusal =
  /** Another change is under way, or the leader has not yet committed an entry of its term. */
  | 'change-in-progress'
  /** The learner lacks committed entries. */
  | 'not-caught-up'
  /** The changes contradict the configuration or a bound; the message says how. */
  | 'invalid';
