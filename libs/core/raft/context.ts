import { ConfigurationHistory, isVoter } from './configuration';
import { Durability } from './durability';
import type { Effect } from './effects';
import { invariant } from './invariant';
import { entrySizeBytes } from './limits';
import type { Message } from './messages';
import { RaftLog } from './raft-log';
import { SeededRandom } from './random';
import { recoveredCommitIndex } from './recovery';
import type {
  Configuration,
  Entry,
  EntryKind,
  LogIndex,
  Proposal,
  RaftConfig,
  RaftInit,
  SnapshotMeta,
  Term,
  Time,
  VoterId,
} from './types';

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

const NO_RECORDS: Proposal['records'] = [];

/**
 * The state that the parts of the core share: paper figure 2, and what this turn has to tell the host. It changes only within
 * a step. Messages go into one of three baskets by what they promise: nothing, the term and vote, or the log as well (RAFT-9).
 */
export class RaftContext {
  readonly self: VoterId;
  readonly config: RaftConfig;
  readonly incarnation: number;
  readonly random: SeededRandom;
  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;
  readonly durability: Durability;
  role: Role = 'follower';
  leaderId: VoterId | undefined;
  appliedIndex: LogIndex;
  /** The newest snapshot of this node. */
  snapshot: SnapshotMeta | undefined;
  /** A follower needs a snapshot and there is none that will do: one is to be taken without waiting for the interval. */
  wantsSnapshot = false;
  nowMs: number;
  wallMs: number;
  effects: Effect[] = [];
  #term: Term;
  #votedFor: VoterId | undefined;
  #commitIndex: LogIndex;
  /** Of the hard state that was handed out last. */
  #handedCommitIndex: LogIndex;
  #hardStateChanged = false;
  #readIds = 0;
  #sendNow: Message[] = [];
  #sendAfterHardState: Message[] = [];
  #sendAfterLog: Message[] = [];
  #installing: SnapshotMeta | undefined;

  constructor(init: RaftInit, time: Time) {
    const { self, config, hardState, log, snapshot, bootstrap } = init;
    this.self = self;
    this.config = config;
    this.incarnation = init.incarnation;
    this.random = new SeededRandom(init.seed);
    this.nowMs = time.monotonicMs;
    this.wallMs = time.wallMs;
    this.#term = hardState.term;
    this.#votedFor = hardState.votedFor;
    this.#commitIndex = recoveredCommitIndex(init);
    this.#handedCommitIndex = this.#commitIndex;
    this.appliedIndex = init.appliedIndex;
    this.snapshot = snapshot;
    this.log = new RaftLog(config, log);
    const first = snapshot?.configuration ?? { index: 0, configuration: bootstrap };
    this.configurations = new ConfigurationHistory(first, log.configurations);
    this.durability = new Durability(log.lastIndex);
  }

  get term(): Term {
    return this.#term;
  }

  get votedFor(): VoterId | undefined {
    return this.#votedFor;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  get configuration(): Configuration {
    return this.configurations.latest.configuration;
  }

  get isVoter(): boolean {
    return isVoter(this.configuration, this.self);
  }

  /** Term and vote as they are now have been handed out and would survive a crash. */
  get isHardStateDurable(): boolean {
    return !this.#hardStateChanged && this.durability.isHardStateDurable;
  }

  setTime({ monotonicMs, wallMs }: Time): void {
    this.nowMs = Math.max(this.nowMs, monotonicMs);
    this.wallMs = wallMs;
  }

  nextReadId(): number {
    return ++this.#readIds;
  }

  /** A later term begins: nobody has this node's vote in it yet (RAFT-10). */
  enterTerm(term: Term): void {
    invariant(term > this.#term, 'RAFT-10', 'the term does not grow', this.#term, term);
    this.#term = term;
    this.#votedFor = undefined;
    this.#hardStateChanged = true;
  }

  /** The one vote of this term (RAFT-6). */
  vote(candidate: VoterId): void {
    if (this.#votedFor === candidate) return;
    invariant(this.#votedFor === undefined, 'RAFT-6', 'a second vote in one term', this.#term);
    this.#votedFor = candidate;
    this.#hardStateChanged = true;
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#commitIndex) return;
    invariant(index <= this.log.lastIndex, 'RAFT-4', 'committed entries are not in the log', index, this.log.lastIndex);
    this.#commitIndex = Math.min(index, this.log.lastIndex);
  }

  /** Puts an entry of a leader's log at the end of this one. Its configuration is in force from here on (RAFT-12). */
  append(entry: Entry): void {
    this.log.append(entry);
    const { index, configuration } = entry;
    if (configuration !== undefined) this.configurations.append({ index, configuration });
  }

  truncate(after: LogIndex): void {
    invariant(this.role !== 'leader', 'RAFT-2', 'a leader truncates its log', after);
    invariant(after >= this.#commitIndex, 'RAFT-4', 'committed entries are truncated', after, this.#commitIndex);
    this.log.truncate(after);
    this.configurations.truncate(after);
    this.durability.truncated(after);
  }

  /** A received snapshot becomes everything that this node has (RAFT-17). */
  install(snapshot: SnapshotMeta): void {
    invariant(snapshot.index > this.#commitIndex, 'RAFT-17', 'a snapshot goes back', snapshot.index, this.#commitIndex);
    this.durability.truncated(0);
    this.log.reset(snapshot.index, snapshot.term);
    this.configurations.reset(snapshot.configuration);
    this.#commitIndex = snapshot.index;
    this.snapshot = snapshot;
    this.#installing = snapshot;
  }

  /** A new entry of this leader. */
  newEntry(kind: EntryKind, proposal: Proposal | undefined, configuration: Configuration | undefined): Entry {
    const records = proposal?.records ?? NO_RECORDS;
    return {
      index: this.log.lastIndex + 1,
      term: this.#term,
      kind,
      records,
      id: proposal?.id,
      configuration,
      timestampMs: this.wallMs,
      sizeBytes: entrySizeBytes(records, configuration),
    };
  }

  /** Promises nothing that a crash could break. */
  send(message: Message): void {
    this.#sendNow.push(message);
  }

  /** Promises that this node knows the term: waits until term and vote are durable. */
  sendAfterHardState(message: Message): void {
    this.#sendAfterHardState.push(message);
  }

  /** Promises what the log holds now: waits until all of it is durable, and term and vote. */
  sendAfterLog(message: Message): void {
    this.#sendAfterLog.push(message);
  }

  /** Ends the turn: what is to be made durable, and every message, become effects (RAFT-9). */
  flush(): void {
    const hasContent = this.#hardStateChanged || this.#installing !== undefined || this.log.hasUnhanded;
    const now = this.#sendNow;
    const later: Message[] = [];
    (this.isHardStateDurable ? now : later).push(...this.#sendAfterHardState);
    (hasContent || !this.durability.isIdle ? later : now).push(...this.#sendAfterLog);
    if (now.length > 0) this.effects.push({ kind: 'send', messages: now });
    if (hasContent || later.length > 0) this.#persist(later);
    this.#sendNow = [];
    this.#sendAfterHardState = [];
    this.#sendAfterLog = [];
  }

  #persist(messages: readonly Message[]): void {
    const { truncateAfter, entries } = this.log.hand();
    const hasContent = entries.length > 0 || truncateAfter !== undefined || this.#installing !== undefined;
    // The commit index rides along with what is written anyhow.
    const withHardState = this.#hardStateChanged || (hasContent && this.#commitIndex > this.#handedCommitIndex);
    const hardState = withHardState ? { term: this.#term, votedFor: this.#votedFor, commitIndex: this.#commitIndex } : undefined;
    const persistId = this.durability.begin(this.log.lastIndex, this.#hardStateChanged, this.nowMs);
    const installSnapshot = this.#installing;
    this.effects.push({ kind: 'persist', persistId, hardState, installSnapshot, truncateAfter, entries, messages });
    if (withHardState) this.#handedCommitIndex = this.#commitIndex;
    this.#hardStateChanged = false;
    this.#installing = undefined;
  }
}
