import { decidesAlone, isJoint, leaveJoint, majorityValue } from './configuration';
import type { RaftContext } from './context';
import type { MembershipOutcome } from './effects';
import { furthest, Handover, tellToCampaign } from './handover';
import type { ChangeMembershipInput, EntriesReadInput, SnapshotChunkReadInput } from './inputs';
import { entrySizeBytes } from './limits';
import type { SnapshotsInUse } from './compaction';
import { planMembership, promotedBy } from './membership-plan';
import type { AppendAccepted, AppendRejected, HeartbeatResponse, ProposeOutcome, SnapshotProgress } from './messages';
import { Progress } from './progress';
import type { WaitingRead } from './read-rounds';
import { ReadRounds } from './read-rounds';
import { Replication } from './replication';
import { SnapshotSender } from './snapshot-sender';
import type { Configuration, LogIndex, PeerStatus, Proposal, VoterId } from './types';

/** What a leader does in one term (paper figure 2, "Leaders"). Made when an election is won, thrown away when the term is over. */
export class Leader {
  /** Index of the entry that begins the term. */
  readonly termStartIndex: LogIndex;
  readonly handover: Handover;
  readonly reads: ReadRounds;
  /** Those of the configuration, and those that just left it. */
  #peers: Progress[] = [];
  readonly #replication: Replication;
  readonly #snapshots: SnapshotSender;
  #heartbeatDeadlineMs: number;
  #uncommittedBytes = 0;
  #changeRequestId: number | undefined;

  constructor(private readonly context: RaftContext) {
    this.handover = new Handover(context);
    this.reads = new ReadRounds(context);
    this.#snapshots = new SnapshotSender(context);
    this.#replication = new Replication(context, this.#snapshots);
    this.#heartbeatDeadlineMs = context.nowMs + context.config.heartbeatIntervalMs;
    this.#syncPeers();
    this.termStartIndex = context.log.lastIndex + 1;
    // The voters that a cluster was bootstrapped with enter the log here, so that nodes which join later learn of them.
    const { index, configuration } = context.configurations.latest;
    if (index === 0) this.#append('configuration', undefined, configuration);
    else this.#append('noop', undefined, undefined);
  }

  get nextDeadlineMs(): number {
    return Math.min(this.#heartbeatDeadlineMs, this.handover.deadlineMs);
  }

  get peers(): readonly PeerStatus[] {
    const { nowMs } = this.context;
    return this.#peers.map(({ id, state, matchIndex, nextIndex, heardMs }) => {
      return { id, state, matchIndex, nextIndex, silentMs: nowMs - heardMs };
    });
  }

  get snapshotsInUse(): SnapshotsInUse {
    const metas = this.#peers.flatMap(({ snapshot }) => (snapshot === undefined ? [] : [snapshot.meta]));
    return { lowestIndex: Math.min(...metas.map(({ index }) => index)), ids: metas.map(({ id }) => id) };
  }

  /** Returns false when the leader can no longer say that it leads: a majority is silent (thesis 6.2), or its disk is while others could lead (J-9). */
  tick(): boolean {
    const { nowMs, config, durability, self, configuration } = this.context;
    this.handover.tick();
    if (nowMs < this.#heartbeatDeadlineMs) return true;
    const heardMs = majorityValue(configuration, (id) => (id === self ? nowMs : (this.#peer(id)?.heardMs ?? -Infinity)));
    if (nowMs - heardMs >= config.electionTimeoutMaxMs) return false;
    if (!decidesAlone(configuration, self) && durability.pendingMs(nowMs) >= config.electionTimeoutMaxMs) return false;
    this.#heartbeatDeadlineMs = nowMs + config.heartbeatIntervalMs;
    this.#peers = this.#peers.filter((peer) => !this.#hasDeparted(peer));
    for (const peer of this.#peers) {
      this.#snapshots.releaseIfSilent(peer);
      this.#heartbeat(peer);
    }
    return true;
  }

  propose(proposals: readonly Proposal[]): ProposeOutcome {
    const { context } = this;
    const { entryBytesMax, uncommittedBytesMax, windowBytesMax } = context.config;
    if (this.handover.target !== undefined) return { kind: 'refused', reason: 'transferring' };
    let bytes = 0;
    for (const { records } of proposals) {
      const sizeBytes = entrySizeBytes(records);
      if (sizeBytes > entryBytesMax) return { kind: 'refused', reason: 'too-large' };
      bytes += sizeBytes;
    }
    // With nothing under way even the largest passes, so that no proposal waits for ever. Followers may commit what this
    // node's own disk has not written yet; that stays in memory too.
    const uncommitted = this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > uncommittedBytesMax;
    if (uncommitted || context.log.windowBytes > windowBytesMax + uncommittedBytesMax) return { kind: 'refused', reason: 'busy' };
    const firstIndex = context.log.lastIndex + 1;
    for (const proposal of proposals) this.#append('records', proposal, undefined);
    return { kind: 'appended', term: context.term, firstIndex };
  }

  read(read: WaitingRead): void {
    this.reads.add(read);
  }

  transfer(requestId: number, to: VoterId | undefined): void {
    this.handover.begin(requestId, to, this.#peers);
  }

  changeMembership({ requestId, changes }: ChangeMembershipInput): void {
    const { context } = this;
    if (this.handover.target !== undefined)
      return this.#refuseChange(requestId, 'transferring', 'leadership is being handed over');
    if (this.#isChanging) {
      return this.#refuseChange(
        requestId,
        'change-in-progress',
        'another change, or the first entry of this term, is not committed yet',
      );
    }
    const plan = planMembership(context.configuration, changes);
    if (plan.kind === 'invalid') return this.#refuseChange(requestId, 'invalid', plan.message);
    const lagging = promotedBy(context.configuration, plan.configuration).find((id) => !this.#isCaughtUp(id));
    if (lagging !== undefined)
      return this.#refuseChange(requestId, 'not-caught-up', `${lagging} has not caught up with the log yet`);
    this.#changeRequestId = requestId;
    this.#append('configuration', undefined, plan.configuration);
  }

  accepted({ from, matchIndex }: AppendAccepted): void {
    const peer = this.#heard(from);
    if (peer !== undefined) this.#replication.accepted(peer, matchIndex);
  }

  rejected(message: AppendRejected): void {
    const peer = this.#heard(message.from);
    if (peer !== undefined) this.#replication.rejected(peer, message);
  }

  heartbeatAnswered({ from, round }: HeartbeatResponse): void {
    const peer = this.#heard(from);
    if (peer === undefined) return;
    peer.ackedRound = Math.max(peer.ackedRound, round);
    this.#replication.heartbeatAnswered(peer);
    this.handover.heartbeatAnswered(peer);
  }

  snapshotProgress(message: SnapshotProgress): void {
    const peer = this.#heard(message.from);
    if (peer !== undefined) this.#snapshots.progress(peer, message);
  }

  entriesRead({ readId, entries }: EntriesReadInput): void {
    this.#peers.some((peer) => this.#replication.entriesRead(peer, readId, entries));
  }

  chunkRead({ readId, chunk }: SnapshotChunkReadInput): void {
    this.#peers.some((peer) => this.#snapshots.chunkRead(peer, readId, chunk));
  }

  unreachable(id: VoterId): void {
    this.handover.unreachable(id);
    const peer = this.#peer(id);
    if (peer !== undefined) this.#replication.unreachable(peer);
  }

  /** Ends a turn: commits what a majority has, and sends what there is to send. Returns false if the leader is out of the configuration. */
  settle(): boolean {
    this.#advanceCommit();
    if (this.reads.isUnderWay) this.#confirmReads();
    const begun = this.reads.begin();
    if (begun) this.#confirmReads();
    this.handover.pump(this.#peers);
    for (const peer of this.#peers) {
      this.#replication.pump(peer);
      const news = Math.min(peer.matchIndex, this.context.commitIndex) > peer.commitSent;
      if (news || (begun && this.reads.isUnderWay)) this.#heartbeat(peer);
    }
    const { index, configuration } = this.context.configurations.latest;
    const isOpen = Math.max(index, this.termStartIndex) > this.context.commitIndex || isJoint(configuration);
    if (isOpen || configuration.voters.includes(this.context.self)) return true;
    // Its successors know the entry that removes it; the furthest of them need not wait for a timeout (thesis 4.2.2).
    const successor = furthest(this.context, this.#peers);
    if (successor?.matchIndex === this.context.log.lastIndex) tellToCampaign(this.context, successor);
    return false;
  }

  /** The term is over: nobody here waits for an answer any more. */
  resign(): void {
    this.reads.refuseAll();
    this.handover.resigned();
    this.#answerChange({ kind: 'unknown' });
  }

  /**
   * An entry is committed when a majority has it durably, this node only if it is a voter and wrote it itself (RAFT-20), and
   * when it is of this term: one of an earlier term may still be replaced, however many have it (paper 5.4.2, figure 8; RAFT-8).
   */
  #advanceCommit(): void {
    const { context } = this;
    const { self, durability, log, term, configuration } = context;
    const own = durability.durableIndex;
    const index = majorityValue(configuration, (id) => (id === self ? own : (this.#peer(id)?.matchIndex ?? 0)));
    if (index <= context.commitIndex || log.termAt(index) !== term) return;
    for (let at = Math.max(context.commitIndex + 1, this.termStartIndex); at <= index; at++) {
      this.#uncommittedBytes -= log.entryAt(at)?.sizeBytes ?? 0;
    }
    context.commitTo(index);
    this.#configurationCommitted();
  }

  #configurationCommitted(): void {
    const { index, configuration } = this.context.configurations.latest;
    if (index > this.context.commitIndex) return;
    // Whoever began the change, this leader ends it (paper section 6).
    if (isJoint(configuration)) this.#append('configuration', undefined, leaveJoint(configuration));
    else this.#answerChange({ kind: 'done', index });
  }

  #confirmReads(): void {
    const { self, configuration } = this.context;
    const { round } = this.reads;
    this.reads.confirm(majorityValue(configuration, (id) => (id === self ? round : (this.#peer(id)?.ackedRound ?? 0))));
  }

  /** One change at a time, and none before an entry of this term is committed: only then every earlier change is known (RAFT-12). */
  get #isChanging(): boolean {
    const { configurations, commitIndex } = this.context;
    const { index, configuration } = configurations.latest;
    return index > commitIndex || isJoint(configuration) || this.termStartIndex > commitIndex;
  }

  #isCaughtUp(id: VoterId): boolean {
    const { nowMs, config, commitIndex } = this.context;
    const peer = this.#peer(id);
    if (peer === undefined || nowMs - peer.heardMs >= config.electionTimeoutMaxMs) return false;
    return peer.state === 'replicate' && commitIndex - peer.matchIndex <= config.maxPayloadEntries;
  }

  #append(
    kind: 'noop' | 'records' | 'configuration',
    proposal: Proposal | undefined,
    configuration: Configuration | undefined,
  ): void {
    const entry = this.context.newEntry(kind, proposal, configuration);
    this.context.append(entry);
    this.#uncommittedBytes += entry.sizeBytes;
    if (configuration !== undefined) this.#syncPeers();
  }

  /** The peers are those of the configuration in force; one that left it is still sent the entry that says so. */
  #syncPeers(): void {
    const { self, log, nowMs, config, configuration, configurations } = this.context;
    const { members } = configuration;
    for (const { id } of members) {
      const known = this.#peer(id);
      if (known !== undefined) known.departIndex = undefined;
      else if (id !== self)
        this.#peers.push(new Progress(id, log.lastIndex + 1, nowMs, config.inflightAppendsMax, config.inflightBytesMax));
    }
    for (const peer of this.#peers) {
      if (peer.departIndex !== undefined || members.some(({ id }) => id === peer.id)) continue;
      peer.departIndex = configurations.latest.index;
      peer.departDeadlineMs = nowMs + config.electionTimeoutMaxMs;
    }
  }

  #hasDeparted({ departIndex, departDeadlineMs, commitSent }: Progress): boolean {
    return departIndex !== undefined && (commitSent >= departIndex || this.context.nowMs >= departDeadlineMs);
  }

  #heartbeat(peer: Progress): void {
    const { self, term } = this.context;
    const commitIndex = Math.min(peer.matchIndex, this.context.commitIndex);
    peer.commitSent = Math.max(peer.commitSent, commitIndex);
    this.context.send({ kind: 'heartbeat', from: self, to: peer.id, term, round: this.reads.round, commitIndex });
  }

  #heard(id: VoterId): Progress | undefined {
    const peer = this.#peer(id);
    if (peer !== undefined) peer.heardMs = this.context.nowMs;
    return peer;
  }

  #peer(id: VoterId): Progress | undefined {
    for (const peer of this.#peers) if (peer.id === id) return peer;
    return undefined;
  }

  #refuseChange(
    requestId: number,
    reason: 'transferring' | 'change-in-progress' | 'not-caught-up' | 'invalid',
    message: string,
  ): void {
    const outcome: MembershipOutcome = { kind: 'refused', reason, message };
    this.context.effects.push({ kind: 'membership-result', requestId, outcome });
  }

  #answerChange(outcome: MembershipOutcome): void {
    if (this.#changeRequestId === undefined) return;
    this.context.effects.push({ kind: 'membership-result', requestId: this.#changeRequestId, outcome });
    this.#changeRequestId = undefined;
  }
}
