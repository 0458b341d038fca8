import type { Consensus } from '@streamline/core/raft/consensus';
import type { Effect, PersistEffect } from '@streamline/core/raft/effects';
import type { Input } from '@streamline/core/raft/inputs';
import type { Message } from '@streamline/core/raft/messages';
import type { Configuration, Entry, HardState, LogIndex, RaftInit, RaftStatus, Term, VoterId } from '@streamline/core/raft/types';
import { GhostLog } from './ghost-log';
import { recoverGhost } from './invariants/durability';
import { Violation } from './violation';

/** One turn of one member's core. */
export interface SeenStep {
  readonly member: MemberGhost;
  readonly inputs: readonly Input[];
  readonly effects: readonly Effect[];
  /** Of this life; undefined in its first turn. */
  readonly before: RaftStatus | undefined;
  readonly after: RaftStatus;
  readonly nextDeadlineMs: Consensus['nextDeadlineMs'];
  /** The member's monotonic clock in this turn. */
  readonly monotonicMs: number;
}

/** One entry as a member's state machine took it, or a snapshot that replaced the state. */
export interface SeenState {
  readonly member: MemberGhost;
  readonly index: LogIndex;
  /** Undefined for a snapshot. */
  readonly entry: Entry | undefined;
  /** Of the whole state. */
  readonly digest: number;
}

/**
 * Sees everything that happens at the borders of the nodes under test; checks one property and throws a Violation where it does
 * not hold. Ghosts are brought up to date before `stepped`, `durable` and `started` are called.
 */
export interface Invariant {
  /** A process begins with what recovery found; `digest` is of the state machine's own image. */
  started?(member: MemberGhost, init: RaftInit, digest: number): void;
  stopped?(member: MemberGhost): void;
  stepped?(step: SeenStep): void;
  /** The effect is durable, as the storage says. */
  durable?(member: MemberGhost, effect: PersistEffect): void;
  /** A message leaves the process. */
  sent?(member: MemberGhost, message: Message): void;
  /** A state machine moved on. */
  state?(seen: SeenState): void;
  /** An entry is committed for the first time anywhere, in the order of the log. */
  committed?(committed: CommittedEntry): void;
  /** A linearizable read was answered at the member: `floor` was committed anywhere when it was asked. */
  readReady?(member: MemberGhost, index: LogIndex, floor: LogIndex): void;
}

export interface CommittedEntry {
  readonly entry: Entry;
  /** The term of the leader that committed it. */
  readonly commitTerm: Term;
  readonly by: MemberGhost;
}

/** What one member (node id and directory) has done so far, told from outside. Outlives its processes, and its disk. */
export class MemberGhost {
  /** As the running process has it, durable or not. */
  log: GhostLog;
  durableLog: GhostLog;
  durableHardState: HardState = { term: 0, votedFor: undefined, commitIndex: 0 };
  /** Asked of the storage and not durable yet, oldest first. */
  pending: PersistEffect[] = [];
  /** After the last turn; undefined before the first turn of a life. */
  status: RaftStatus | undefined;
  isRunning = false;
  /** False once the disk is wiped, or refused because it is damaged: the member is gone for ever. */
  isIntact = true;
  /** Index of the newest snapshot whose installation is durable. */
  installedIndex: LogIndex = 0;
  appliedIndex: LogIndex = 0;
  /** Snapshots that it was asked to take, and those whose installation is durable. */
  readonly snapshotIds = new Set<string>();

  constructor(
    readonly id: VoterId,
    readonly bootstrap: RaftInit['bootstrap'],
  ) {
    this.log = new GhostLog({ index: 0, configuration: bootstrap });
    this.durableLog = this.log.copy();
  }

  get leads(): boolean {
    return this.isRunning && this.status?.nodeState === 'Leader';
  }

  becameDurable(effect: PersistEffect): void {
    this.durableLog.apply(effect);
    if (effect.hardState !== undefined) this.durableHardState = effect.hardState;
    if (effect.installSnapshot === undefined) return;
    this.installedIndex = effect.installSnapshot.index;
    this.snapshotIds.add(effect.installSnapshot.id);
  }
}

/** What the whole cluster has done so far; feeds the invariants. */
export class ClusterGhost {
  readonly members = new Map<VoterId, MemberGhost>();
  /** `committed[i]` has the index i + 1. */
  readonly committed: CommittedEntry[] = [];
  /** Durable votes: term, then who voted for whom. */
  readonly votes = new Map<Term, Map<VoterId, VoterId>>();
  /** Who led in a term. */
  readonly leaders = new Map<Term, VoterId>();
  #lastLeaderTerm: Term = 0;
  #invariants: readonly Invariant[] = [];

  watchWith(invariants: readonly Invariant[]): void {
    this.#invariants = invariants;
  }

  hasLeaderAfter(term: Term): boolean {
    return this.#lastLeaderTerm > term;
  }

  get commitIndex(): LogIndex {
    return this.committed.length;
  }

  memberOf(id: VoterId): MemberGhost {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`nobody started ${id}`);
    return member;
  }

  started(init: RaftInit, digest: number): MemberGhost {
    let member = this.members.get(init.self);
    if (member === undefined) {
      member = new MemberGhost(init.self, init.bootstrap);
      this.members.set(init.self, member);
    }
    recoverGhost(member, init);
    member.isRunning = true;
    member.status = undefined;
    member.appliedIndex = init.appliedIndex;
    this.#noteVote(member, member.durableHardState.term, member.durableHardState.votedFor);
    for (const invariant of this.#invariants) invariant.started?.(member, init, digest);
    return member;
  }

  stopped(member: MemberGhost): void {
    member.isRunning = false;
    for (const invariant of this.#invariants) invariant.stopped?.(member);
  }

  stepped(step: SeenStep): void {
    const { member, before, after, effects } = step;
    for (const effect of effects) {
      if (effect.kind === 'persist') {
        member.log.apply(effect);
        member.pending.push(effect);
      }
      if (effect.kind === 'take-snapshot') member.snapshotIds.add(effect.snapshot.id);
      if (effect.kind === 'leadership' && effect.leads && !this.leaders.has(effect.term)) {
        this.leaders.set(effect.term, member.id);
        this.#lastLeaderTerm = Math.max(this.#lastLeaderTerm, effect.term);
      }
    }
    member.status = after;
    for (const invariant of this.#invariants) invariant.stepped?.(step);
    this.#noteCommitted(member, before, after);
  }

  durable(member: MemberGhost, effect: PersistEffect): void {
    const first = member.pending.shift();
    if (first !== effect) throw new Violation('persist-before-send', `${member.id}: the writes became durable out of order`);
    member.becameDurable(effect);
    if (effect.hardState !== undefined) this.#noteVote(member, effect.hardState.term, effect.hardState.votedFor);
    for (const message of effect.messages) {
      // A turn that went on to a later term keeps only that: it closes the earlier one, so a vote in it is as good as durable.
      const isVote = message.kind === 'vote-response' && message.granted && !message.preVote;
      if (isVote && message.electionTerm < member.durableHardState.term) this.#noteVote(member, message.electionTerm, message.to);
    }
    for (const invariant of this.#invariants) invariant.durable?.(member, effect);
  }

  sent(member: MemberGhost, message: Message): void {
    for (const invariant of this.#invariants) invariant.sent?.(member, message);
  }

  applied(member: MemberGhost, entry: Entry, digest: number): void {
    for (const invariant of this.#invariants) invariant.state?.({ member, index: entry.index, entry, digest });
    member.appliedIndex = entry.index;
  }

  restored(member: MemberGhost, index: LogIndex, digest: number): void {
    for (const invariant of this.#invariants) invariant.state?.({ member, index, entry: undefined, digest });
    member.appliedIndex = index;
  }

  readReady(member: MemberGhost, index: LogIndex, floor: LogIndex): void {
    for (const invariant of this.#invariants) invariant.readReady?.(member, index, floor);
  }

  /** Whether the members hold a majority of both sides of the member's configuration. */
  static isQuorum(configuration: Configuration, has: (id: VoterId) => boolean): boolean {
    const isMajority = (voters: readonly VoterId[]): boolean => 2 * voters.filter(has).length > voters.length;
    const { voters, outgoingVoters } = configuration;
    return isMajority(voters) && (outgoingVoters.length === 0 || isMajority(outgoingVoters));
  }

  #noteVote(member: MemberGhost, term: Term, votedFor: VoterId | undefined): void {
    if (votedFor === undefined) return;
    let inTerm = this.votes.get(term);
    if (inTerm === undefined) this.votes.set(term, (inTerm = new Map()));
    if (!inTerm.has(member.id)) inTerm.set(member.id, votedFor);
  }

  #noteCommitted(member: MemberGhost, before: RaftStatus | undefined, after: RaftStatus): void {
    while (this.committed.length < after.commitIndex) {
      const index = this.committed.length + 1;
      const entry = member.log.entryAt(index);
      if (entry === undefined) {
        throw new Violation(
          'leader-completeness',
          `${member.id} takes ${index} for committed, which nobody committed and it has not`,
        );
      }
      const commitTerm = after.nodeState === 'Leader' || before === undefined ? after.term : before.term;
      const committed = { entry, commitTerm, by: member };
      this.committed.push(committed);
      for (const invariant of this.#invariants) invariant.committed?.(committed);
    }
  }
}
