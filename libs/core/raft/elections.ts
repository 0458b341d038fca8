import { decidesAlone, isVoter, majorityValue } from './configuration';
import type { RaftContext } from './context';
import { invariant } from './invariant';
import type { VoteRequest, VoteResponse } from './messages';
import type { Term, VoterId } from './types';

/** The changes of role that elections bring about; `Raft` carries them out. */
export interface RoleChanges {
  becomeLeader(): void;
  becomeFollower(term: Term, leaderId: VoterId | undefined): void;
}

/**
 * Elections (paper 5.2, 5.4) with pre-vote (thesis 9.6), leader stickiness (thesis 4.2.3) and its two ends: a transfer, and a
 * leader whose address refuses connections.
 */
export class Elections {
  /** When a node that does not lead campaigns unless it hears from a leader. */
  deadlineMs: number;
  #timeoutMs = 0;
  #heardLeaderMs = -Infinity;
  /** Of this term, remembered after it was given up. */
  #lastLeaderId: VoterId | undefined;
  /** The last leader whose address refused a connection: its process is gone. Remembered until a leader is heard. */
  #goneLeaderId: VoterId | undefined;
  /** Until when a learner may campaign, since a candidate needs what only its log has (RAFT-13). */
  #neededUntilMs = -Infinity;
  #votes = new Map<VoterId, boolean>();

  constructor(
    private readonly context: RaftContext,
    private readonly roles: RoleChanges,
  ) {
    this.deadlineMs = context.nowMs;
    this.#drawTimeout();
    // A node that decides alone has nobody to wait for.
    if (!decidesAlone(context.configuration, context.self)) this.restartTimer();
  }

  /** The current leader was heard from. */
  heardLeader(from: VoterId): void {
    const last = this.#lastLeaderId;
    invariant(last === undefined || last === from, 'RAFT-1', 'two leaders in one term', this.context.term);
    this.context.leaderId = from;
    this.#lastLeaderId = from;
    this.#goneLeaderId = undefined;
    this.#neededUntilMs = -Infinity;
    this.#heardLeaderMs = this.context.nowMs;
    this.restartTimer();
  }

  /** This node leads the term: whoever else says so is wrong (RAFT-1). */
  won(): void {
    this.#lastLeaderId = this.context.self;
    this.#goneLeaderId = undefined;
    this.#votes.clear();
  }

  /** A later term: what was known of the leader is past. */
  termChanged(): void {
    this.#lastLeaderId = undefined;
    this.#votes.clear();
    this.#drawTimeout();
  }

  restartTimer(): void {
    this.deadlineMs = this.context.nowMs + this.#timeoutMs;
  }

  tick(): void {
    const { context } = this;
    if (context.role === 'leader' || context.nowMs < this.deadlineMs) return;
    context.leaderId = undefined;
    this.#drawTimeout();
    this.restartTimer();
    if (this.#mayCampaign) this.#preCampaign();
    else if (context.role !== 'follower') this.roles.becomeFollower(context.term, undefined);
  }

  /**
   * ECONNREFUSED from a peer's address. Of the leader it means that no heartbeat can come: a pre-vote starts after a jitter. A vote
   * that was split meanwhile has begun a term without a leader: the next refused attempt asks again, after a while in which a vote
   * that is not split would be won, and no timeout is waited for.
   */
  peerRefused(peer: VoterId): void {
    const { role, nowMs, config, random } = this.context;
    const isSplit = peer === this.#goneLeaderId && this.#lastLeaderId === undefined;
    if (role === 'leader' || (peer !== this.#lastLeaderId && !isSplit)) return;
    this.#goneLeaderId = peer;
    const graceMs = role === 'candidate' ? config.refusedJitterMaxMs : 0;
    this.deadlineMs = Math.min(this.deadlineMs, nowMs + graceMs + random.between(0, config.refusedJitterMaxMs + 1));
  }

  /** The leader hands over (thesis 3.10): a real vote at once, marked so that it passes stickiness (RAFT-18). */
  timeoutNow(): void {
    if (this.context.role === 'leader' || !this.#mayCampaign) return;
    this.#campaign(true);
  }

  /** Term and vote became durable: only now the candidate's own vote counts (RAFT-6). */
  hardStatePersisted(): void {
    const { role, isHardStateDurable, votedFor, self } = this.context;
    if (role !== 'candidate' || !isHardStateDurable || votedFor !== self || this.#votes.has(self)) return;
    this.#votes.set(self, true);
    this.#count();
  }

  /** A vote is asked for, or would be: not while a leader lives as far as this node knows (RAFT-15). */
  request(message: VoteRequest): void {
    const { self, nowMs, config, configuration, log } = this.context;
    const isNeeded = configuration.learners.includes(self) && !log.isUpToDate(message.lastIndex, message.lastTerm);
    if (isNeeded && !this.#isSticky) this.#neededUntilMs = nowMs + 2 * config.electionTimeoutMaxMs;
    if (message.preVote) this.#preVoteRequest(message);
    else this.#voteRequest(message);
  }

  response(message: VoteResponse): void {
    const { context } = this;
    const { from, preVote, electionTerm, granted } = message;
    const awaited = preVote
      ? context.role === 'pre-candidate' && electionTerm === context.term + 1
      : context.role === 'candidate' && electionTerm === context.term;
    if (!awaited || this.#votes.has(from)) return;
    this.#votes.set(from, granted);
    this.#count();
  }

  /** A rehearsal: the answer says whether a vote would be granted, and nothing changes here, the timer neither. */
  #preVoteRequest({ from, electionTerm, lastIndex, lastTerm }: VoteRequest): void {
    const { context } = this;
    const granted = !this.#isSticky && electionTerm > context.term && context.log.isUpToDate(lastIndex, lastTerm);
    context.sendAfterHardState({
      kind: 'vote-response',
      from: context.self,
      to: from,
      term: context.term,
      preVote: true,
      electionTerm,
      granted,
    });
  }

  #voteRequest(message: VoteRequest): void {
    const { context } = this;
    const { from, term, electionTerm } = message;
    if (term > context.term) {
      // Not even the term is taken over: the candidate would otherwise depose a leader that others hear (thesis 4.2.3).
      if (this.#isSticky && !message.transfer) return;
      this.roles.becomeFollower(term, undefined);
    }
    const granted =
      term === context.term &&
      (context.votedFor === undefined || context.votedFor === from) &&
      context.log.isUpToDate(message.lastIndex, message.lastTerm);
    if (granted) {
      context.vote(from);
      context.role = 'follower';
      this.restartTimer();
    }
    const reply = { kind: 'vote-response', from: context.self, to: from, preVote: false, electionTerm, granted } as const;
    context.sendAfterLog({ ...reply, term: context.term });
  }

  #preCampaign(): void {
    const { context } = this;
    context.role = 'pre-candidate';
    this.#votes.clear();
    this.#votes.set(context.self, true);
    this.#requestVotes(true, context.term + 1, false);
    this.#count();
  }

  #campaign(transfer: boolean): void {
    const { context } = this;
    this.roles.becomeFollower(context.term + 1, undefined);
    context.role = 'candidate';
    context.vote(context.self);
    this.restartTimer();
    this.#requestVotes(false, context.term, transfer);
  }

  #requestVotes(preVote: boolean, electionTerm: Term, transfer: boolean): void {
    const { context } = this;
    const { self, term, log, configuration } = context;
    const { lastIndex, lastTerm } = log;
    for (const to of new Set([...configuration.voters, ...configuration.outgoingVoters])) {
      if (to === self) continue;
      const request = {
        kind: 'vote-request',
        from: self,
        to,
        term,
        preVote,
        electionTerm,
        lastIndex,
        lastTerm,
        transfer,
      } as const;
      if (preVote) context.sendAfterHardState(request);
      else context.sendAfterLog(request);
    }
  }

  #count(): void {
    const { context } = this;
    const votes = this.#votes;
    if (majorityValue(context.configuration, (id) => (votes.get(id) === true ? 1 : 0)) === 1) {
      if (context.role === 'pre-candidate') this.#campaign(false);
      else this.roles.becomeLeader();
    } else if (majorityValue(context.configuration, (id) => (votes.get(id) === false ? 0 : 1)) !== 1) {
      // Cannot be won any more: back to waiting, so that a leader elsewhere is heard as by any follower.
      context.role = 'follower';
    }
  }

  /**
   * Neither a learner nor a removed node (RAFT-13), nor one whose disk keeps it from promising anything. While its removal is
   * not committed a node may be the only one whose log lets it win, so it campaigns, without a vote of its own (thesis 4.2.2).
   * So does a learner while candidates ask it whose logs end before its own: they count it as a voter by a change that is not
   * committed, and may not win without it. It steps down once an entry of its term is committed.
   */
  get #mayCampaign(): boolean {
    const { self, configurations, commitIndex, durability, nowMs, config } = this.context;
    const counts =
      isVoter(configurations.latest.configuration, self) ||
      isVoter(configurations.at(commitIndex).configuration, self) ||
      nowMs < this.#neededUntilMs;
    return counts && durability.pendingMs(nowMs) < config.electionTimeoutMinMs;
  }

  /** A leader lives: this node leads, or heard from one within the shortest election timeout. */
  get #isSticky(): boolean {
    const { role, leaderId, nowMs, config } = this.context;
    if (role === 'leader') return true;
    return leaderId !== undefined && leaderId !== this.#goneLeaderId && nowMs - this.#heardLeaderMs < config.electionTimeoutMinMs;
  }

  #drawTimeout(): void {
    const { random, config } = this.context;
    this.#timeoutMs = random.between(config.electionTimeoutMinMs, config.electionTimeoutMaxMs);
  }
}
