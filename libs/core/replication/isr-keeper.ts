import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '../types/ids';
import type { ReplicaContext } from './context';
import type { AlterPartitionEffect } from './effects';
import type { FollowerProgress } from './follower-progress';
import type { AlterPartitionOutcome } from './inputs';
import { IsrState } from './isr-state';
import type { IsrMember } from './types';

/** The controller does not look at the incarnation: the member is in the ISR already, and this leader has not heard of it yet. */
const UNCHECKED_EPOCH = -1 as BrokerEpoch;

/** Proposals that were not and will not be carried out (Partition.handleAlterPartitionError). */
const NOT_CARRIED_OUT: ReadonlySet<ErrorCode> = new Set([ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED]);

/** The controller knows more than this leader: what it knows is on its way as metadata, and asking again is of no use. */
const OVERTAKEN: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.INVALID_UPDATE_VERSION,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.NEW_LEADER_ELECTED,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INVALID_REQUEST,
]);

/** Decides who is to join and to leave the ISR, and sees proposals through (REPL-5 to REPL-8). One is under way at a time. */
export class IsrKeeper {
  readonly #state: IsrState;
  /** After a refusal nothing is proposed before this. */
  #pauseUntilMs = -Infinity;

  constructor(
    private readonly context: ReplicaContext,
    private readonly leaderEpoch: LeaderEpoch,
    private readonly epochStartOffset: Offset,
  ) {
    const { isr, partitionEpoch } = context.metadata;
    this.#state = new IsrState(isr, partitionEpoch);
  }

  get committed(): readonly NodeId[] {
    return this.#state.committed;
  }

  get maximal(): readonly NodeId[] {
    return this.#state.maximal;
  }

  /** How far the follower is, by what the partition's durability asks. */
  endOf(follower: FollowerProgress): Offset {
    return this.context.metadata.durability === 'fsync' ? follower.durableEnd : follower.writtenEnd;
  }

  adopt(isr: readonly NodeId[], partitionEpoch: number): void {
    this.#state.adopt(isr, partitionEpoch);
  }

  /**
   * It is caught up and could be proposed soon: the high watermark waits for it, since a leader that is written to without a pause would
   * otherwise always be ahead. Only while its stream is open; Kafka waits also for one that is gone.
   */
  isAboutToJoin(follower: FollowerProgress): boolean {
    return follower.isStreaming && this.#isCaughtUp(follower) && this.#isEligible(follower);
  }

  /** Proposes who may join. Returns whether the maximal ISR changed. */
  proposeJoiners(followers: readonly FollowerProgress[]): boolean {
    if (this.#state.proposal !== undefined || this.context.nowMs < this.#pauseUntilMs) return false;
    let joiners: NodeId[] | undefined;
    for (const follower of followers) {
      if (follower.isInMaximalIsr || !this.#mayJoin(follower)) continue;
      joiners ??= [];
      joiners.push(follower.id);
    }
    if (joiners === undefined) return false;
    // It is at the high watermark, perhaps not at the log's end: it has the usual time to get there, or it would leave at once.
    for (const follower of followers) if (joiners.includes(follower.id)) follower.caughtUpMs = this.context.nowMs;
    this.#propose([...this.committed, ...joiners], followers);
    return true;
  }

  /** Proposes to leave out who lags, and asks again where a proposal was not answered. */
  tick(followers: readonly FollowerProgress[]): void {
    const { nowMs, config } = this.context;
    const { proposal } = this.#state;
    if (proposal !== undefined) {
      if (nowMs < proposal.retryAtMs) return;
      proposal.isUncertain = true;
      proposal.retryAtMs = nowMs + config.alterPartitionRetryMs;
      this.context.emit(proposal.effect);
      return;
    }
    if (nowMs < this.#pauseUntilMs) return;
    const lagging = followers.filter((follower) => follower.isInMaximalIsr && !this.#isCaughtUp(follower)).map(({ id }) => id);
    if (lagging.length === 0) return;
    this.#propose(
      this.committed.filter((id) => !lagging.includes(id)),
      followers,
    );
  }

  /** Returns whether the maximal ISR may have changed. */
  answered(proposalId: number, outcome: AlterPartitionOutcome): boolean {
    const { nowMs, config } = this.context;
    // What is committed is true, whatever it answers.
    if (outcome.kind === 'committed') {
      return outcome.leaderEpoch === this.leaderEpoch && this.#state.adopt(outcome.isr, outcome.partitionEpoch);
    }
    const { proposal } = this.#state;
    if (proposal?.effect.proposalId !== proposalId) return false;
    if (outcome.kind === 'refused' && OVERTAKEN.has(outcome.errorCode)) {
      proposal.retryAtMs = Infinity;
      return false;
    }
    if (outcome.kind === 'unknown' || !NOT_CARRIED_OUT.has(outcome.errorCode)) {
      proposal.isUncertain = true;
      proposal.retryAtMs = nowMs + config.alterPartitionRetryMs;
      return false;
    }
    this.#pauseUntilMs = nowMs + config.alterPartitionRetryMs;
    if (proposal.isUncertain) this.#withdraw();
    else this.#state.rollBack();
    return true;
  }

  /**
   * One sending was refused, another may still be under way to the controller and be carried out later. The committed ISR, proposed
   * anew, moves the partition epoch on, so that it will not be; until then whom it adds counts as a member.
   */
  #withdraw(): void {
    const { context } = this;
    const newIsr = this.committed.map((nodeId): IsrMember => ({ nodeId, brokerEpoch: UNCHECKED_EPOCH }));
    const effect = this.#effect(newIsr);
    this.#state.replace(effect, context.nowMs + context.config.alterPartitionRetryMs);
    context.emit(effect);
  }

  #propose(members: readonly NodeId[], followers: readonly FollowerProgress[]): void {
    const { context } = this;
    const newIsr = members.map((nodeId): IsrMember => {
      if (nodeId === context.self) return { nodeId, brokerEpoch: context.brokerEpoch };
      return { nodeId, brokerEpoch: followers.find(({ id }) => id === nodeId)?.brokerEpoch ?? UNCHECKED_EPOCH };
    });
    const effect = this.#effect(newIsr);
    this.#state.propose(effect, context.nowMs + context.config.alterPartitionRetryMs);
    context.emit(effect);
  }

  #effect(newIsr: readonly IsrMember[]): AlterPartitionEffect {
    const proposalId = this.context.nextProposalId();
    const { partitionEpoch } = this.#state;
    return { kind: 'alter-partition', proposalId, leaderEpoch: this.leaderEpoch, partitionEpoch, newIsr };
  }

  /** it has all that is committed and all that was there when this epoch began. */
  #mayJoin(follower: FollowerProgress): boolean {
    if (!follower.isStreaming) return false;
    const end = this.endOf(follower);
    return end >= this.context.highWatermark && end >= this.epochStartOffset && this.#isEligible(follower);
  }

  /** Its incarnation is the one that the metadata knows, and is neither fenced nor shutting down (KIP-841, KIP-903); its log takes records. */
  #isEligible({ id, brokerEpoch }: FollowerProgress): boolean {
    const { brokers, metadata } = this.context;
    if (metadata.failedReplicas.includes(id)) return false;
    return brokers.registeredEpochOf(id) === brokerEpoch && brokers.mayJoinIsr(id);
  }

  #isCaughtUp(follower: FollowerProgress): boolean {
    const { log, nowMs, config } = this.context;
    return this.endOf(follower) >= log.endOffset || nowMs - follower.caughtUpMs <= config.replicaLagTimeMaxMs;
  }
}
