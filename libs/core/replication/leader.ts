import { ErrorCode } from '../types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '../types/ids';
import { NO_LOG, anewObstacle } from './begin-anew';
import type { ReplicaContext } from './context';
import { agreementOf, epochBefore } from './divergence';
import type { PushClass } from './effects';
import { FollowerProgress } from './follower-progress';
import type { Ack, AlterPartitionOutcome, Hello, Push, Refused, ReplicaInput } from './inputs';
import { invariant } from './invariant';
import { IsrKeeper } from './isr-keeper';
import type { ReplicaMetadata } from './types';
import { effectiveMinIsr } from './types';

/** What a leader's host has to read for a follower, and for which of its sessions. */
export interface PushTarget {
  readonly sessionId: number;
  readonly fromOffset: Offset;
}

/** A replica while it leads one epoch: sends its log to the followers, commits what the in-sync ones have (REPL-2), keeps the ISR. */
export class Leader {
  readonly epoch: LeaderEpoch;
  /** Where the log ended when this epoch began: the high watermark is certain once it is here (KIP-207). */
  readonly epochStartOffset: Offset;
  readonly #isr: IsrKeeper;
  #followers: FollowerProgress[] = [];
  /** The log's end and start when it was last looked at. */
  #seenEnd: Offset;
  #seenStart: Offset;

  constructor(private readonly context: ReplicaContext) {
    const { log, metadata } = context;
    this.epoch = metadata.leaderEpoch;
    this.epochStartOffset = log.endOffset;
    this.#seenEnd = log.endOffset;
    this.#seenStart = log.startOffset;
    this.#isr = new IsrKeeper(context, this.epoch, this.epochStartOffset);
    this.#syncFollowers(metadata);
    for (const follower of this.#followers) if (follower.isInMaximalIsr) follower.caughtUpMs = context.nowMs;
    context.emit({ kind: 'lead', leaderEpoch: this.epoch });
    this.#settle();
  }

  get followers(): readonly FollowerProgress[] {
    return this.#followers;
  }

  /** The in-sync replicas that the controller is known to have committed. */
  get committedIsr(): readonly NodeId[] {
    return this.#isr.committed;
  }

  /** Those, and whom it may have taken in meanwhile. */
  get maximalIsr(): readonly NodeId[] {
    return this.#isr.maximal;
  }

  /** True: acks=all is refused with NOT_ENOUGH_REPLICAS before anything is appended. */
  get isUnderMinIsr(): boolean {
    return this.#isr.committed.length < effectiveMinIsr(this.context.metadata);
  }

  /** The metadata of the same epoch changed. */
  update(metadata: ReplicaMetadata): void {
    this.#isr.adopt(metadata.isr, metadata.partitionEpoch);
    this.#syncFollowers(metadata);
    this.#sendAwayFailed(metadata);
    this.#settle();
  }

  brokersChanged(): void {
    this.#settle();
  }

  logChanged(): void {
    const { log, nowMs } = this.context;
    const { endOffset } = log;
    if (endOffset > this.#seenEnd) {
      for (const follower of this.#followers) {
        if (this.#isr.endOf(follower) >= this.#seenEnd) follower.noteCaughtUp(this.#seenEnd, this.#seenEnd, nowMs);
      }
      this.#seenEnd = endOffset;
      this.#wakeAll();
    } else if (log.startOffset > this.#seenStart) {
      this.#wakeAll();
    }
    this.#seenStart = log.startOffset;
    this.#advanceHighWatermark();
  }

  tick(): void {
    this.#isr.tick(this.#followers);
    this.#settle();
  }

  /** A follower's log, to be compared with this one before anything is sent (REPL-9, REPL-10). */
  hello(from: NodeId, hello: Hello): void {
    const { context } = this;
    const follower = this.#follower(from);
    if (follower === undefined) return this.refuse(from, hello, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    if (!follower.isNews(hello.brokerEpoch, hello.sessionId)) return;
    const registered = context.brokers.registeredEpochOf(from);
    if (registered !== undefined && hello.brokerEpoch < registered) {
      return this.refuse(from, hello, ErrorCode.STALE_BROKER_EPOCH);
    }
    // It drops its log behind the answer (REPL-21).
    if (hello.endOffset === NO_LOG && this.#isNeeded(follower)) return this.refuse(from, hello, ErrorCode.KAFKA_STORAGE_ERROR);
    follower.greet(hello);
    const agreement = agreementOf(context.log, hello, hello.isWholeHistory);
    if (agreement.kind !== 'agreed') return this.#diverge(follower, agreement.kind, agreement.offset);
    follower.isStreaming = true;
    follower.nextOffset = hello.endOffset;
    this.#acknowledge(follower, hello);
    // Even with nothing to send it learns that it was heard, and how far the leader is.
    if (follower.isStreaming) this.#wake(follower);
  }

  /** Its log counts, or may come to count by what is proposed. */
  #isNeeded({ id, isInMaximalIsr }: FollowerProgress): boolean {
    return isInMaximalIsr || anewObstacle(id, this.context.metadata) !== undefined;
  }

  ack(from: NodeId, ack: Ack): void {
    const follower = this.#follower(from);
    if (follower?.isStreaming !== true) return;
    // An earlier incarnation, session or epoch promises nothing in this one (REPL-12).
    if (ack.leaderEpoch !== this.epoch || ack.brokerEpoch !== follower.brokerEpoch || ack.sessionId !== follower.sessionId)
      return;
    invariant(ack.writtenEndOffset <= follower.nextOffset, 'REPL-12', 'a follower acknowledges more than was sent', from);
    this.#acknowledge(follower, ack);
  }

  /** What is to be read for the follower now; undefined where it is not ready for anything. */
  pushTo(to: NodeId): PushTarget | undefined {
    const follower = this.#follower(to);
    if (follower?.isStreaming !== true) return undefined;
    return { sessionId: follower.sessionId, fromOffset: follower.nextOffset };
  }

  batchesRead({ to, sessionId, fromOffset, baseOffset, endOffset }: Extract<ReplicaInput, { kind: 'batches-read' }>): void {
    const { context } = this;
    const { log, highWatermark } = context;
    const follower = this.#follower(to);
    if (follower?.isStreaming !== true || follower.sessionId !== sessionId || follower.nextOffset !== fromOffset) return;
    invariant(endOffset <= log.endOffset, 'REPL-11', 'batches were read beyond the end of the log', endOffset, log.endOffset);
    follower.nextOffset = endOffset;
    follower.due = undefined;
    follower.sentHighWatermark = highWatermark;
    follower.sentLogStart = log.startOffset;
    const push: Push = {
      leaderEpoch: this.epoch,
      brokerEpoch: follower.brokerEpoch,
      sessionId,
      previousOffset: fromOffset,
      previousEpoch: epochBefore(log, fromOffset),
      baseOffset,
      endOffset,
      highWatermark,
      logStartOffset: log.startOffset,
    };
    context.emit({ kind: 'send-push', to, push });
    this.#wake(follower);
  }

  peerDisconnected(peer: NodeId): void {
    this.#follower(peer)?.endSession();
  }

  /** The follower has heard of a later epoch: it takes nothing of this leader any more. */
  refused(from: NodeId, { leaderEpoch, brokerEpoch, sessionId }: Refused): void {
    const follower = this.#follower(from);
    if (leaderEpoch !== this.epoch || follower?.brokerEpoch !== brokerEpoch || follower.sessionId !== sessionId) return;
    follower.endSession();
  }

  alterPartition(proposalId: number, outcome: AlterPartitionOutcome): void {
    if (this.#isr.answered(proposalId, outcome)) this.#markMembers();
    this.#settle();
  }

  refuse(to: NodeId, hello: Hello, errorCode: ErrorCode): void {
    const { leaderEpoch, brokerEpoch, sessionId } = hello;
    this.context.emit({ kind: 'send-refused', to, refused: { leaderEpoch, brokerEpoch, sessionId, errorCode } });
  }

  #acknowledge(follower: FollowerProgress, { startOffset, writtenEndOffset, durableEndOffset }: Ack | Hello): void {
    follower.startOffset = startOffset;
    follower.acknowledge(writtenEndOffset, durableEndOffset);
    follower.noteCaughtUp(this.#isr.endOf(follower), this.context.log.endOffset, this.context.nowMs);
    this.#settle();
  }

  #settle(): void {
    this.#advanceHighWatermark();
    if (this.#isr.proposeJoiners(this.#followers)) this.#markMembers();
  }

  /** REPL-2: the least stable end of the maximal ISR and of those who are about to join it; it stands still under min ISR. */
  #advanceHighWatermark(): void {
    const { context } = this;
    if (this.isUnderMinIsr) return;
    let least = context.ownStableEnd;
    for (const follower of this.#followers) {
      if (least <= context.highWatermark) return;
      if (!follower.isInMaximalIsr && !this.#isr.isAboutToJoin(follower)) continue;
      const end = this.#isr.endOf(follower);
      if (end < least) least = end;
    }
    if (least <= context.highWatermark) return;
    context.raiseHighWatermark(least, this.acknowledgement());
    this.#wakeAll();
  }

  /** How acks=all ends whose batch the high watermark has passed. */
  acknowledgement(): ErrorCode {
    const isEnough = this.#isr.maximal.length >= effectiveMinIsr(this.context.metadata);
    return isEnough ? ErrorCode.NONE : ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND;
  }

  #wakeAll(): void {
    for (const follower of this.#followers) this.#wake(follower);
  }

  /** Says once that there is something for the follower, and again where it is more urgent than before. */
  #wake(follower: FollowerProgress): void {
    if (!follower.isStreaming) return;
    if (follower.nextOffset < this.context.log.startOffset) {
      return this.#diverge(follower, 'start-at', this.context.log.startOffset);
    }
    const pushClass = this.#dueFor(follower);
    if (pushClass === undefined || (follower.due !== undefined && follower.due !== 'announce')) return;
    if (follower.due === pushClass) return;
    follower.due = pushClass;
    this.context.emit(follower.pushDue[pushClass]);
  }

  #dueFor(follower: FollowerProgress): PushClass | undefined {
    const { log, highWatermark, metadata } = this.context;
    if (follower.nextOffset < log.endOffset) {
      const isThrottled = !follower.isInMaximalIsr && metadata.addingReplicas.includes(follower.id);
      return follower.nextOffset >= log.tailStartOffset && !isThrottled ? 'tail' : 'catch-up';
    }
    const isToldAll = follower.sentHighWatermark === highWatermark && follower.sentLogStart === log.startOffset;
    return isToldAll ? undefined : 'announce';
  }

  #diverge(follower: FollowerProgress, kind: 'truncate' | 'start-at', offset: Offset): void {
    const { id, brokerEpoch, sessionId } = follower;
    follower.endSession();
    this.context.emit({
      kind: 'send-diverging',
      to: id,
      diverging: { kind, offset, leaderEpoch: this.epoch, brokerEpoch, sessionId },
    });
  }

  #syncFollowers({ replicas, isr }: ReplicaMetadata): void {
    const { self } = this.context;
    invariant(isr.includes(self), 'REPL-5', 'the leader is not in the ISR', self);
    this.#followers = replicas.filter((id) => id !== self).map((id) => this.#follower(id) ?? new FollowerProgress(id));
    this.#markMembers();
  }

  /** Nothing more is sent to a log that failed; a broker that has no space is told, and says hello when it takes records again. */
  #sendAwayFailed({ failedReplicas }: ReplicaMetadata): void {
    const { epoch: leaderEpoch } = this;
    for (const follower of this.#followers) {
      const hasFailed = failedReplicas.includes(follower.id);
      if (hasFailed && !follower.hasFailed && follower.isStreaming) {
        const { id, brokerEpoch, sessionId } = follower;
        const refused: Refused = { leaderEpoch, brokerEpoch, sessionId, errorCode: ErrorCode.KAFKA_STORAGE_ERROR };
        follower.endSession();
        this.context.emit({ kind: 'send-refused', to: id, refused });
      }
      follower.hasFailed = hasFailed;
    }
  }

  #markMembers(): void {
    for (const follower of this.#followers) follower.isInMaximalIsr = this.#isr.maximal.includes(follower.id);
  }

  #follower(id: NodeId): FollowerProgress | undefined {
    for (const follower of this.#followers) if (follower.id === id) return follower;
    return undefined;
  }
}
