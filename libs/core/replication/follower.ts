import type { LeaderEpoch, NodeId, Offset } from '../types/ids';
import { HELLO_EPOCHS_MAX } from './config';
import type { ReplicaContext } from './context';
import { epochBefore } from './divergence';
import type { AckDueEffect } from './effects';
import { ackDueTo } from './follower-progress';
import type { Ack, Diverging, Hello, Push, Refused } from './inputs';
import type { SessionKey } from './types';
import { earlier, stableEnd } from './types';

type Told = Pick<Ack, 'startOffset' | 'writtenEndOffset' | 'durableEndOffset'>;

const NOTHING_TOLD: Told = {
  startOffset: -1 as Offset,
  writtenEndOffset: -1 as Offset,
  durableEndOffset: -1 as Offset,
};

type SessionState =
  /** Waits for a stream, or after a refusal. */
  | 'waiting'
  /** Hello was said. */
  | 'greeting'
  /** The log was compared and continues the leader's: pushes are taken, and acknowledged. */
  | 'streaming'
  /** The log is being cut. */
  | 'truncating';

/** A replica while it follows the leader of one epoch. */
export class Follower {
  readonly leader: NodeId;
  readonly epoch: LeaderEpoch;
  #state: SessionState = 'waiting';
  #sessionId = 0;
  /** When hello is said again, unless something comes first. */
  #deadlineMs = Infinity;
  /** What the leader was told last: both ends, since durability may begin to ask for the other one. */
  #told: Told = NOTHING_TOLD;
  /** How far the leader was committed, as it said in this session: last, and at the last tick. */
  #leaderHighWatermark: number = Infinity;
  #markedHighWatermark: number = Infinity;
  #isCaughtUp = false;
  readonly #ackDue: AckDueEffect;

  constructor(
    private readonly context: ReplicaContext,
    leader: NodeId,
    epoch: LeaderEpoch,
  ) {
    this.leader = leader;
    this.epoch = epoch;
    this.#ackDue = ackDueTo(leader);
    if (context.connected.has(leader)) this.#greet();
  }

  get state(): SessionState {
    return this.#state;
  }

  get isTruncating(): boolean {
    return this.#state === 'truncating';
  }

  /** At the last tick it had, as durable as the partition asks, what the leader had committed by the one before. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** What the leader is to be told now; undefined where it was not asked yet, and nothing may be promised. */
  ack(): Ack | undefined {
    if (this.#state !== 'streaming') return undefined;
    const { writtenEndOffset, durableEndOffset, startOffset } = this.context.log;
    const ack = { ...this.#key(), writtenEndOffset, durableEndOffset, startOffset };
    this.#told = ack;
    return ack;
  }

  /** The log changed, or what durability asks of it: acknowledges what is stable by now (REPL-12). */
  logChanged(): void {
    if (this.#state !== 'streaming') return;
    const { log, ownStableEnd, metadata } = this.context;
    const toldEnd = stableEnd(metadata.durability, this.#told);
    if (ownStableEnd > toldEnd || log.startOffset > this.#told.startOffset) this.context.emit(this.#ackDue);
  }

  tick(): void {
    this.#isCaughtUp = this.#state === 'streaming' && this.context.ownStableEnd >= this.#markedHighWatermark;
    this.#markedHighWatermark = this.#leaderHighWatermark;
    if (this.context.nowMs >= this.#deadlineMs && this.context.connected.has(this.leader)) this.#greet();
  }

  peerConnected(peer: NodeId): void {
    if (peer === this.leader && this.#state !== 'truncating') this.#greet();
  }

  peerDisconnected(peer: NodeId): void {
    if (peer !== this.leader) return;
    this.context.capHighWatermark();
    if (this.#state !== 'truncating') this.#state = 'waiting';
  }

  /** Takes whole batches where they continue this log, in the session that compared it with the leader's (REPL-10, REPL-11). */
  push(from: NodeId, push: Push): void {
    const { context } = this;
    if (!this.#isOfSession(from, push) || (this.#state !== 'greeting' && this.#state !== 'streaming')) return;
    const { log } = context;
    const isFirst = this.#state === 'greeting';
    this.#state = 'streaming';
    this.#deadlineMs = Infinity;
    this.#leaderHighWatermark = push.highWatermark;
    // What became stable behind the hello was not acknowledged: nobody was there to be told.
    if (isFirst) this.logChanged();
    const { previousOffset, baseOffset, endOffset } = push;
    // One that came before comes again.
    if (previousOffset < log.endOffset && endOffset <= log.endOffset) return;
    if (!this.#continues(push)) return this.#greet();
    if (endOffset > previousOffset) {
      if (baseOffset < previousOffset) context.emit({ kind: 'rebase', offset: baseOffset });
      context.emit({ kind: 'append' });
    }
    const highWatermark = earlier(push.highWatermark, endOffset);
    if (highWatermark > context.highWatermark) context.raiseHighWatermark(highWatermark);
    const start = earlier(push.logStartOffset, context.highWatermark);
    if (start > log.startOffset) context.emit({ kind: 'raise-log-start', offset: start });
  }

  diverging(from: NodeId, diverging: Diverging): void {
    const { context } = this;
    if (!this.#isOfSession(from, diverging) || (this.#state !== 'greeting' && this.#state !== 'streaming')) return;
    this.#state = 'truncating';
    this.#deadlineMs = Infinity;
    const { kind } = diverging;
    const offset = kind === 'truncate' ? earlier(diverging.offset, context.log.endOffset) : diverging.offset;
    context.emit({ kind, offset });
    // A fresh start is at the leader's log start, which is committed.
    if (kind === 'start-at' ? offset !== context.highWatermark : offset < context.highWatermark) this.#moveHighWatermark(offset);
  }

  /** The cut is durable: compare again. */
  truncated(): void {
    if (this.#state !== 'truncating') return;
    this.#state = 'waiting';
    if (this.context.connected.has(this.leader)) this.#greet();
  }

  refused(from: NodeId, refused: Refused): void {
    if (!this.#isOfSession(from, refused) || (this.#state !== 'greeting' && this.#state !== 'streaming')) return;
    this.#state = 'waiting';
    this.#deadlineMs = this.context.nowMs + this.context.config.helloBackoffMs;
  }

  #moveHighWatermark(offset: Offset): void {
    if (offset > this.context.highWatermark) this.context.raiseHighWatermark(offset);
    else this.context.resetHighWatermark(offset);
  }

  #greet(): void {
    const { context } = this;
    const { startOffset, endOffset, writtenEndOffset, durableEndOffset, epochs } = context.log;
    this.#state = 'greeting';
    this.#isCaughtUp = false;
    this.#leaderHighWatermark = this.#markedHighWatermark = Infinity;
    this.#sessionId = context.nextSessionId();
    this.#deadlineMs = context.nowMs + context.config.helloTimeoutMs;
    const hello: Hello = {
      ...this.#key(),
      startOffset,
      endOffset,
      writtenEndOffset,
      durableEndOffset,
      epochs: epochs.slice(-HELLO_EPOCHS_MAX),
      isWholeHistory: epochs.length <= HELLO_EPOCHS_MAX,
    };
    this.#told = hello;
    context.emit({ kind: 'send-hello', to: this.leader, hello });
  }

  #continues({ previousOffset, previousEpoch, baseOffset }: Push): boolean {
    const { log } = this.context;
    if (previousOffset !== log.endOffset) return false;
    const isEmpty = log.startOffset === log.endOffset;
    if (baseOffset < previousOffset && !isEmpty) return false;
    const ownEpoch = epochBefore(log, previousOffset);
    return ownEpoch < 0 || previousEpoch < 0 || ownEpoch === previousEpoch;
  }

  #isOfSession(from: NodeId, { leaderEpoch, brokerEpoch, sessionId }: SessionKey): boolean {
    return (
      from === this.leader &&
      leaderEpoch === this.epoch &&
      brokerEpoch === this.context.brokerEpoch &&
      sessionId === this.#sessionId
    );
  }

  #key(): SessionKey {
    return { leaderEpoch: this.epoch, brokerEpoch: this.context.brokerEpoch, sessionId: this.#sessionId };
  }
}
