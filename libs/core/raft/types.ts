import type { Brand } from '../types/brand';
import type { DirectoryId, NodeId } from '../types/ids';

/**
 * A member of the consensus for ever: node id and directory id as `3@AbC...` (22 characters after the `@`). A wiped or copied
 * disk under an old node id is another member. A string, so that it compares by value and is a key as it is.
 */
export type VoterId = Brand<string, 'VoterId'>;

/** A place in the log, from 1; 0 is before the first. Exact up to 2^53-1. */
export type LogIndex = number;

/** A Raft term, from 1; 0 is before the first election. */
export type Term = number;

export function voterId(nodeId: NodeId, directoryId: DirectoryId): VoterId {
  return `${nodeId}@${directoryId}` as VoterId;
}

export function nodeIdOf(id: VoterId): NodeId {
  return Number(id.slice(0, id.indexOf('@'))) as NodeId;
}

export function directoryIdOf(id: VoterId): DirectoryId {
  return id.slice(id.indexOf('@') + 1) as DirectoryId;
}

/** What the host reads off its clocks before each step. The core keeps no clock. */
export interface Time {
  /** Milliseconds of the monotonic clock; the core takes a value that goes back as no progress. Only differences count. */
  readonly monotonicMs: number;
  /** Milliseconds since 1970. A leader stamps proposals with it; nothing is ever compared with another node's clock. */
  readonly wallMs: number;
}

/** Who takes part, with the address at which peers reach it (host:port of the inter-broker listener; opaque to the core). */
export interface Member {
  readonly id: VoterId;
  readonly address: string;
  /** A learner that nobody is to promote by himself; the core promotes none and only keeps the mark. Never of a voter. */
  readonly staysLearner?: true | undefined;
}

/**
 * Membership (thesis chapter 4, paper section 6). In force at a node as soon as it is in its log, committed or not; when that
 * entry is truncated the one before is in force again.
 * While `outgoingVoters` is not empty the configuration is joint: elections, commits, check-quorum and reads need a majority
 * of `voters` and a majority of `outgoingVoters`.
 */
export interface Configuration {
  /** Every id in the three lists below, once. */
  readonly members: readonly Member[];
  /** At most VOTERS_MAX. Empty only at a node that waits to be added. */
  readonly voters: readonly VoterId[];
  readonly outgoingVoters: readonly VoterId[];
  /** Receive the log and count for nothing. May hold an outgoing voter that is being demoted: it votes until the joint phase ends. */
  readonly learners: readonly VoterId[];
}

/** A configuration and the index of the entry it came with; index 0 is the one a node was bootstrapped with. */
export interface PlacedConfiguration {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/**
 * Names a proposal for ever, so that it takes effect once though it may be sent, forwarded and appended many times
 * (thesis 6.3). The table that filters is `ClientSessions` (client-sessions.ts): replicated state, part of every state machine
 * and of its snapshots; a host asks it for each entry that it applies.
 */
export interface ProposalId {
  /** Made at random by each start of a process (22 characters like a directory id). */
  readonly clientId: string;
  /** Index of the entry that opened this client's session; 0 in the proposal that opens one. */
  readonly sessionIndex: LogIndex;
  /** 0 opens a session; then 1, 2, 3 ... without gaps. */
  readonly sequence: number;
}

/** What is to become an entry. */
export interface Proposal {
  /** Opaque to the core: for the controller encoded metadata records; all take effect together. */
  readonly records: readonly Uint8Array[];
  /** Without one a retry may take effect twice. */
  readonly id?: ProposalId | undefined;
}

/**
 * `noop` starts a term (paper section 8), `configuration` changes the membership, `records` is a proposal.
 * All kinds are handed to `apply`, so that the state machine's index counts every entry.
 */
export type EntryKind = 'noop' | 'records' | 'configuration';

/** An entry of the log. Never changed once made; the core, messages and effects share the object and its bytes. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Empty unless kind is `records`. */
  readonly records: readonly Uint8Array[];
  /** Only of kind `records`. */
  readonly id: ProposalId | undefined;
  /** Set exactly if kind is `configuration`. */
  readonly configuration: Configuration | undefined;
  /** The leader's wall clock when it appended, ms since 1970; "log time" is the largest so far. */
  readonly timestampMs: number;
  /** What the entry counts for against every bound: `entrySizeBytes` of it. Recomputed, never trusted from disk or network. */
  readonly sizeBytes: number;
}

/** What must survive a restart beside log and snapshots (paper figure 2). */
export interface HardState {
  readonly term: Term;
  /** Who got this node's vote in `term`. */
  readonly votedFor: VoterId | undefined;
  /** A hint that spares waiting for a leader after a restart: never causes a write of its own, may lag. */
  readonly commitIndex: LogIndex;
}

/** A finished snapshot: the state after applying everything up to `index`, and the membership there (paper section 7). */
export interface SnapshotMeta {
  /**
   * Names these bytes for ever: made by the node that took the snapshot, kept by every node that receives a copy. Chunks of
   * two snapshots are never mixed, though index and term may be equal.
   */
  readonly id: string;
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: PlacedConfiguration;
}

/** Entries from `firstIndex` on, until the next run begins, have this term. */
export interface TermRun {
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

/** What recovery found of the log. Entries themselves stay on disk; those of `recentEntries` need not be read again. */
export interface LogSummary {
  /** The entry before the first that is stored, with its term: 0 and 0 for a log that was never purged. */
  readonly baseIndex: LogIndex;
  readonly baseTerm: Term;
  /** Index of the last stored entry; `baseIndex` if there is none. */
  readonly lastIndex: LogIndex;
  /** Ascending; the first begins at `baseIndex + 1`. Empty if there are no entries. */
  readonly termRuns: readonly TermRun[];
  /** Of the configuration entries in the log, ascending; those at or before the snapshot's index may be left out. */
  readonly configurations: readonly PlacedConfiguration[];
  /** Any run of entries that ends at `lastIndex`, to start with a warm window; may be empty. */
  readonly recentEntries: readonly Entry[];
}

/**
 * Everything a core starts from. All of it must be durable: what recovery read but could not be sure of is made durable
 * first. The constructor throws RaftInvariantError for state that contradicts itself.
 */
export interface RaftInit {
  readonly self: VoterId;
  readonly config: RaftConfig;
  /** Any 32 bits, other ones at each start: the election timeouts come from them. */
  readonly seed: number;
  /** Differs from that of every earlier start of this node (random 52 bits will do): answers to an earlier process are dropped. */
  readonly incarnation: number;
  readonly hardState: HardState;
  readonly log: LogSummary;
  /** The newest complete and verified snapshot. `log.baseIndex <= snapshot.index`; its file must be there. */
  readonly snapshot: SnapshotMeta | undefined;
  /**
   * In force where neither snapshot nor log tells one: the voters the cluster was bootstrapped with (the same at each of
   * them), EMPTY_CONFIGURATION at a node that is to be added. Also for a directory of before Raft: the node alone.
   */
  readonly bootstrap: Configuration;
  /** Up to where the state machine holds the entries durably; at most `log.lastIndex` or `snapshot.index`. */
  readonly appliedIndex: LogIndex;
}

/** The guide's words for what a node is in the consensus; a pre-candidate is a `Candidate`. `Shutdown` is the host's to say. */
export type NodeState = 'Leader' | 'Follower' | 'Candidate' | 'Learner';

/** How the leader sends to a peer: one append and wait, a pipeline, or a snapshot (etcd's progress states). */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export interface PeerStatus {
  readonly id: VoterId;
  readonly state: ProgressState;
  /** Durable at the peer up to here, as it said. */
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  /** Milliseconds since the leader last heard from it. */
  readonly silentMs: number;
}

export interface RaftStatus {
  readonly self: VoterId;
  readonly nodeState: NodeState;
  readonly term: Term;
  readonly leaderId: VoterId | undefined;
  readonly votedFor: VoterId | undefined;
  readonly commitIndex: LogIndex;
  /** As far as `applied` inputs said. */
  readonly appliedIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Durable at this node. */
  readonly durableIndex: LogIndex;
  /** Of the newest snapshot here, 0 without. */
  readonly snapshotIndex: LogIndex;
  /** Stored entries begin after this one. */
  readonly baseIndex: LogIndex;
  /** In force here. The same object until it changes, so that a host sees when there are other members to connect to. */
  readonly configuration: PlacedConfiguration;
  /** Of a leader that hands over. */
  readonly transferTarget: VoterId | undefined;
  /** Of a leader; empty elsewhere. */
  readonly peers: readonly PeerStatus[];
}

/** Settings of the core. Those with a name in the guide mean what it says. */
export interface RaftConfig {
  readonly heartbeatIntervalMs: number;
  /** Election timeouts are drawn from min (included) to max (excluded). Above twice the heartbeat interval is sound. */
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  /** Applied entries between two snapshots. */
  readonly snapshotIntervalLogs: number;
  /** Entries that are kept behind a snapshot for followers that lag. */
  readonly maxLogsInSnapshot: number;
  /** Entries are purged in steps of at least so many. */
  readonly purgeBatchSize: number;
  /** Entries in one append message. */
  readonly maxPayloadEntries: number;
  /** A proposal above it is refused. */
  readonly entryBytesMax: number;
  /** An append, an apply or a read of entries holds at most so much, but always one entry. */
  readonly batchBytesMax: number;
  /** Unanswered appends to one peer. */
  readonly inflightAppendsMax: number;
  /** Their entries, in bytes. */
  readonly inflightBytesMax: number;
  /** Entries of a leader that are not committed, in bytes; above it proposals are refused as `busy`. */
  readonly uncommittedBytesMax: number;
  /** Entries kept in memory, in bytes; durable ones beyond it are read from the storage again when needed. */
  readonly windowBytesMax: number;
  readonly windowEntriesMax: number;
  /** Entries that are kept at most, beyond maxLogsInSnapshot, while a follower receives a snapshot that they continue. */
  readonly heldLogsMax: number;
  readonly snapshotChunkBytes: number;
  /** Chunks of a snapshot that may be on their way to one peer; what a receiver keeps in memory until it has written them. */
  readonly inflightChunksMax: number;
  /** Reads that wait at a leader; above it they are refused as `busy`. */
  readonly pendingReadsMax: number;
  /** After a refused connection to the leader a pre-vote starts within 0 to this. */
  readonly refusedJitterMaxMs: number;
}
