import { Applier } from './applier';
import { Compaction } from './compaction';
import type { Consensus } from './consensus';
import { RaftContext } from './context';
import { Elections } from './elections';
import { acceptAppend, acceptHeartbeat, rejectStale } from './follower';
import type { Input, ProposeInput } from './inputs';
import { invariant } from './invariant';
import { Leader } from './leader';
import { entrySizeBytes } from './limits';
import type { ForwardProposals, Message, ProposeOutcome, ReadRequest } from './messages';
import { answerRead } from './read-rounds';
import { SnapshotReceiver } from './snapshot-receiver';
import type { Effect, LeadershipEffect } from './effects';
import type { LogIndex, NodeState, RaftInit, RaftStatus, Term, Time, VoterId } from './types';

const NOT_LEADER = { kind: 'refused', reason: 'not-leader' } as const;
const NOTHING_IN_USE = { lowestIndex: Infinity, ids: [] };

/**
 * Raft (Ongaro and Ousterhout 2014; Ongaro's thesis) as a value that is stepped; the rules are in docs/spec/raft.md. This class
 * takes the inputs apart by term and role; what a role does is in elections, follower, leader and the parts that they use.
 */
export class Raft implements Consensus {
  readonly #context: RaftContext;
  readonly #elections: Elections;
  readonly #receiver: SnapshotReceiver;
  readonly #applier: Applier;
  readonly #compaction: Compaction;
  /** While this node leads. */
  #leader: Leader | undefined;
  #told: { readonly term: Term; readonly leaderId: VoterId | undefined };

  /** Throws RaftInvariantError if what was recovered cannot be one node's state. */
  constructor(init: RaftInit, time: Time) {
    this.#context = new RaftContext(init, time);
    this.#elections = new Elections(this.#context, {
      becomeLeader: () => this.#becomeLeader(),
      becomeFollower: (term, leaderId) => this.#becomeFollower(term, leaderId),
    });
    this.#receiver = new SnapshotReceiver(this.#context);
    this.#applier = new Applier(this.#context);
    this.#compaction = new Compaction(this.#context);
    this.#told = { term: this.#context.term, leaderId: undefined };
  }

  get nextDeadlineMs(): number {
    return this.#leader?.nextDeadlineMs ?? this.#elections.deadlineMs;
  }

  get status(): RaftStatus {
    const { self, term, leaderId, votedFor, commitIndex, appliedIndex, log, durability, snapshot, configurations } =
      this.#context;
    return {
      self,
      nodeState: this.#nodeState,
      term,
      leaderId,
      votedFor,
      commitIndex,
      appliedIndex,
      lastIndex: log.lastIndex,
      durableIndex: durability.durableIndex,
      snapshotIndex: snapshot?.index ?? 0,
      baseIndex: log.baseIndex,
      configuration: configurations.latest,
      transferTarget: this.#leader?.handover.target,
      peers: this.#leader?.peers ?? [],
    };
  }

  step(inputs: readonly Input[], time: Time): readonly Effect[] {
    const context = this.#context;
    context.setTime(time);
    for (const input of inputs) this.#handle(input);
    if (this.#leader?.settle() === false) this.#becomeFollower(context.term, undefined);
    context.flush();
    this.#tellLeadership();
    // Before further entries are applied: the state machine is at exactly the applied index only now.
    if (this.#applier.isIdle) this.#compaction.pump();
    this.#applier.pump();
    context.log.evict(Math.min(context.commitIndex, context.durability.durableIndex));
    const { effects } = context;
    context.effects = [];
    return effects;
  }

  get #nodeState(): NodeState {
    switch (this.#context.role) {
      case 'leader':
        return 'Leader';
      case 'candidate':
      case 'pre-candidate':
        return 'Candidate';
      case 'follower':
        return this.#context.isVoter ? 'Follower' : 'Learner';
    }
  }

  #handle(input: Input): void {
    switch (input.kind) {
      case 'tick':
        return this.#tick();
      case 'message':
        return this.#receive(input.message);
      case 'propose':
        return this.#propose(input);
      case 'read-index':
        return this.#readIndex(input.requestId);
      case 'persisted':
        this.#context.durability.persisted(input.persistId);
        return this.#elections.hardStatePersisted();
      case 'applied':
        return this.#applier.applied(input.index);
      case 'entries-read':
        if (!this.#applier.entriesRead(input.readId, input.entries)) this.#leader?.entriesRead(input);
        return;
      case 'snapshot-taken':
        return this.#compaction.taken(input.snapshotId, input.taken, this.#leader?.snapshotsInUse ?? NOTHING_IN_USE);
      case 'snapshot-chunk-read':
        return this.#leader?.chunkRead(input);
      case 'snapshot-chunk-written':
        return this.#receiver.written(input.writeId, input.written);
      case 'peer-refused':
        this.#elections.peerRefused(input.peer);
        return this.#leader?.unreachable(input.peer);
      case 'peer-unreachable':
        return this.#leader?.unreachable(input.peer);
      case 'transfer-leadership':
        if (this.#leader !== undefined) return this.#leader.transfer(input.requestId, input.to);
        this.#context.effects.push({ kind: 'transfer-result', requestId: input.requestId, outcome: NOT_LEADER });
        return;
      case 'change-membership': {
        if (this.#leader !== undefined) return this.#leader.changeMembership(input);
        const outcome = { ...NOT_LEADER, message: 'this node does not lead' };
        this.#context.effects.push({ kind: 'membership-result', requestId: input.requestId, outcome });
      }
    }
  }

  #tick(): void {
    if (this.#leader?.tick() === false) this.#becomeFollower(this.#context.term, undefined);
    this.#elections.tick();
  }

  #receive(message: Message): void {
    const context = this.#context;
    // A wiped disk is another member: what was meant for the one before is not for this one.
    if (message.to !== context.self) return;
    if (message.kind === 'vote-request') return this.#elections.request(message);
    if (message.term > context.term) this.#becomeFollower(message.term, undefined);
    switch (message.kind) {
      case 'append':
      case 'heartbeat':
      case 'snapshot-chunk':
        return this.#receiveFromLeader(message);
      case 'vote-response':
        return this.#elections.response(message);
      case 'forward-proposals':
        return this.#takeForwarded(message);
      case 'read-request':
        return this.#takeRead(message);
      case 'forward-result':
        if (message.incarnation !== context.incarnation) return;
        context.effects.push({ kind: 'propose-result', requestId: message.requestId, outcome: message.outcome });
        return;
      case 'read-response':
        // Any term will do: it was confirmed after this read was asked for (RAFT-14).
        if (message.incarnation !== context.incarnation) return;
        context.effects.push({ kind: 'read-result', requestId: message.requestId, outcome: message.outcome });
        return;
      default:
        // What belongs to a term that is over promises nothing in this one.
        if (message.term === context.term) this.#receiveInTerm(message);
    }
  }

  #receiveFromLeader(message: Extract<Message, { kind: 'append' | 'heartbeat' | 'snapshot-chunk' }>): void {
    const context = this.#context;
    if (message.term < context.term) {
      rejectStale(context, message.from, message.kind === 'append' ? message.previousIndex : 0);
      return;
    }
    invariant(this.#leader === undefined, 'RAFT-1', 'another node leads the term that this node leads', context.term);
    if (this.#leader !== undefined) return;
    context.role = 'follower';
    this.#elections.heardLeader(message.from);
    if (message.kind === 'append') acceptAppend(context, message);
    else if (message.kind === 'heartbeat') acceptHeartbeat(context, message);
    else this.#receiver.chunk(message);
  }

  #receiveInTerm(
    message: Extract<
      Message,
      { kind: 'append-accepted' | 'append-rejected' | 'heartbeat-response' | 'snapshot-progress' | 'timeout-now' }
    >,
  ): void {
    switch (message.kind) {
      case 'append-accepted':
        return this.#leader?.accepted(message);
      case 'append-rejected':
        return this.#leader?.rejected(message);
      case 'heartbeat-response':
        return this.#leader?.heartbeatAnswered(message);
      case 'snapshot-progress':
        return this.#leader?.snapshotProgress(message);
      case 'timeout-now':
        return this.#elections.timeoutNow();
    }
  }

  #propose({ requestId, proposals, forward }: ProposeInput): void {
    const { self, term, leaderId, incarnation, config, effects } = this.#context;
    let outcome: ProposeOutcome = NOT_LEADER;
    if (this.#leader !== undefined) outcome = this.#leader.propose(proposals);
    else if (proposals.some(({ records }) => entrySizeBytes(records) > config.entryBytesMax)) {
      outcome = { kind: 'refused', reason: 'too-large' };
    } else if (forward && leaderId !== undefined) {
      this.#context.send({ kind: 'forward-proposals', from: self, to: leaderId, term, requestId, incarnation, proposals });
      outcome = { kind: 'forwarded', to: leaderId };
    }
    effects.push({ kind: 'propose-result', requestId, outcome });
  }

  /** Handed on no further: whoever forwards asks again if this node does not lead. */
  #takeForwarded({ from, requestId, incarnation, proposals }: ForwardProposals): void {
    const outcome = this.#leader?.propose(proposals) ?? NOT_LEADER;
    const { self, term } = this.#context;
    this.#context.send({ kind: 'forward-result', from: self, to: from, term, requestId, incarnation, outcome });
  }

  #readIndex(requestId: number): void {
    const { self, term, leaderId, incarnation } = this.#context;
    const read = { requestId, from: self, incarnation };
    if (this.#leader !== undefined) this.#leader.read(read);
    else if (leaderId === undefined) answerRead(this.#context, read, NOT_LEADER);
    else this.#context.send({ kind: 'read-request', from: self, to: leaderId, term, requestId, incarnation });
  }

  #takeRead({ from, requestId, incarnation }: ReadRequest): void {
    const read = { requestId, from, incarnation };
    if (this.#leader !== undefined) this.#leader.read(read);
    else answerRead(this.#context, read, NOT_LEADER);
  }

  #becomeLeader(): void {
    const context = this.#context;
    invariant(context.votedFor === context.self, 'RAFT-6', 'a leader without its own vote', context.term);
    context.role = 'leader';
    context.leaderId = context.self;
    this.#elections.won();
    this.#receiver.drop();
    this.#leader = new Leader(context);
  }

  #becomeFollower(term: Term, leaderId: VoterId | undefined): void {
    const context = this.#context;
    const led = this.#leader !== undefined;
    this.#leader?.resign();
    this.#leader = undefined;
    if (term > context.term) {
      context.enterTerm(term);
      this.#elections.termChanged();
    }
    context.role = 'follower';
    context.leaderId = leaderId;
    // Only for who had no timer: a stale candidate must not keep others from campaigning (paper 5.2).
    if (led) this.#elections.restartTimer();
  }

  #tellLeadership(): void {
    const { term, leaderId, effects } = this.#context;
    if (term === this.#told.term && leaderId === this.#told.leaderId) return;
    this.#told = { term, leaderId };
    const termStartIndex: LogIndex | undefined = this.#leader?.termStartIndex;
    const effect: LeadershipEffect = { kind: 'leadership', term, leaderId, leads: this.#leader !== undefined, termStartIndex };
    effects.push(effect);
  }
}
