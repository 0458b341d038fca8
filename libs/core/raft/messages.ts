import type { Entry, LogIndex, Proposal, SnapshotMeta, Term, VoterId } from './types';

/**
 * What one core says to another. The network may lose, delay, duplicate and reorder messages as it likes; a transport keeps
 * order where it is cheap, since gaps cost round trips. A transport delivers a message only to the member that `to` names (a
 * node with another directory id is another member) and only within one cluster id. `term` is always the sender's term.
 */
export type Message =
  | VoteRequest
  | VoteResponse
  | Append
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatResponse
  | SnapshotChunk
  | SnapshotProgress
  | TimeoutNow
  | ForwardProposals
  | ForwardResult
  | ReadRequest
  | ReadResponse;

interface Envelope {
  readonly from: VoterId;
  readonly to: VoterId;
  readonly term: Term;
}

/** RequestVote (paper 5.2, 5.4), or its rehearsal that changes nothing anywhere (thesis 9.6). */
export interface VoteRequest extends Envelope {
  readonly kind: 'vote-request';
  readonly preVote: boolean;
  /** The term to win: `term` of a vote, `term + 1` of a pre-vote. */
  readonly electionTerm: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader asked for this election (thesis 3.10): it passes stickiness. */
  readonly transfer: boolean;
}

export interface VoteResponse extends Envelope {
  readonly kind: 'vote-response';
  readonly preVote: boolean;
  /** Of the request. */
  readonly electionTerm: Term;
  readonly granted: boolean;
}

/** AppendEntries (paper 5.3): at most maxPayloadEntries entries and batchBytesMax bytes, none when probing. */
export interface Append extends Envelope {
  readonly kind: 'append';
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  /** Contiguous from `previousIndex + 1`. */
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
}

/** Up to `matchIndex` the sender's log equals the leader's and is durable. */
export interface AppendAccepted extends Envelope {
  readonly kind: 'append-accepted';
  readonly matchIndex: LogIndex;
}

/** The sender has no entry at `previousIndex` of the append with its term. */
export interface AppendRejected extends Envelope {
  readonly kind: 'append-rejected';
  /** Of the append that is rejected. */
  readonly previousIndex: LogIndex;
  /** The logs can agree at this index of the sender's log at most ... */
  readonly hintIndex: LogIndex;
  /** ... which has this term there: no entry of the leader above it with a larger term can match (paper 5.3, end). */
  readonly hintTerm: Term;
}

/** Says that the leader lives, up to where the peer's log is committed, and asks for an answer to a round of reads. */
export interface Heartbeat extends Envelope {
  readonly kind: 'heartbeat';
  /** Grows within the leader's term; reads wait for a majority's answers to a round (thesis 6.4). */
  readonly round: number;
  /** Never above what the peer acknowledged. */
  readonly commitIndex: LogIndex;
}

export interface HeartbeatResponse extends Envelope {
  readonly kind: 'heartbeat-response';
  readonly round: number;
}

/** InstallSnapshot (paper section 7): `data` belongs at `offset` of the snapshot's bytes. */
export interface SnapshotChunk extends Envelope {
  readonly kind: 'snapshot-chunk';
  readonly snapshot: SnapshotMeta;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly last: boolean;
}

/** Where the sender is with the snapshot `snapshotId`. */
export interface SnapshotProgress extends Envelope {
  readonly kind: 'snapshot-progress';
  readonly snapshotId: string;
  /** Bytes that it has from the start on; the leader goes on (or begins again) there. */
  readonly nextOffset: number;
}

/** The receiver is to campaign at once (thesis 3.10). */
export interface TimeoutNow extends Envelope {
  readonly kind: 'timeout-now';
}

/** A follower hands proposals to the leader, which never hands them on. */
export interface ForwardProposals extends Envelope {
  readonly kind: 'forward-proposals';
  readonly requestId: number;
  readonly incarnation: number;
  readonly proposals: readonly Proposal[];
}

export interface ForwardResult extends Envelope {
  readonly kind: 'forward-result';
  readonly requestId: number;
  readonly incarnation: number;
  readonly outcome: ProposeOutcome;
}

/** A follower asks for a read index (thesis 6.4). */
export interface ReadRequest extends Envelope {
  readonly kind: 'read-request';
  readonly requestId: number;
  readonly incarnation: number;
}

export interface ReadResponse extends Envelope {
  readonly kind: 'read-response';
  readonly requestId: number;
  readonly incarnation: number;
  readonly outcome: ReadOutcome;
}

/** Why something was not begun; it has no effect and may be asked again. */
export type RefusalReason =
  /** This node does not lead, and knows of no leader to ask (or may not ask). */
  | 'not-leader'
  /** A bound is reached: wait for entries to commit, then ask again. */
  | 'busy'
  /** Leadership is being handed over. */
  | 'transferring';

/**
 * `appended` is not committed: the entries have `firstIndex`, `firstIndex + 1`, ... in `term`, and a proposal is committed when
 * an entry with its index and term is applied, lost when another one is applied there. `forwarded`: the leader was asked; a
 * second result follows if the answer comes back. Whoever waits puts a deadline on it and asks again with the same ProposalId.
 */
export type ProposeOutcome =
  | { readonly kind: 'appended'; readonly term: Term; readonly firstIndex: LogIndex }
  | { readonly kind: 'forwarded'; readonly to: VoterId }
  | { readonly kind: 'refused'; readonly reason: RefusalReason | 'too-large' };

/** `ready`: what was committed when the read came is applied here once the state machine is at `index`. */
export type ReadOutcome =
  { readonly kind: 'ready'; readonly index: LogIndex } | { readonly kind: 'refused'; readonly reason: RefusalReason };
