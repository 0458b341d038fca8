import type { BrokerEpoch, NodeId, Offset } from '../types/ids';
import type { AckDueEffect, PushClass, PushDueEffect } from './effects';
import type { Hello } from './inputs';
import { earlier } from './types';

/** Nothing is known of how far the follower is. */
export const UNKNOWN_END = -1 as Offset;
const NO_EPOCH = -1 as BrokerEpoch;

/** What the leader of an epoch knows of one follower, and how far it has sent. */
export class FollowerProgress {
  /** Of the incarnation that said hello last. */
  brokerEpoch = NO_EPOCH;
  sessionId = -1;
  /** The follower's log continues this one, and there is a stream to it. */
  isStreaming = false;
  /** What is sent next. */
  nextOffset = 0 as Offset;
  startOffset = 0 as Offset;
  /** Known to be there, and to be this log's records: written, and durable. Only grows within a session. */
  writtenEnd = UNKNOWN_END;
  durableEnd = UNKNOWN_END;
  /** The committed ISR or one that is proposed has it. */
  isInMaximalIsr = false;
  /** The metadata says that its log failed, or that its broker has no space. */
  hasFailed = false;
  /** It had everything that the leader had at this time. */
  caughtUpMs = -Infinity;
  /** When it has this offset, it had everything at `markMs`. */
  markEnd = 0 as Offset;
  markMs = 0;
  /** The last that was pushed to it. */
  sentHighWatermark = -1 as Offset;
  sentLogStart = -1 as Offset;
  /** Set from the `push-due` effect until the push. */
  due: PushClass | undefined;
  readonly pushDue: Readonly<Record<PushClass, PushDueEffect>>;

  constructor(readonly id: NodeId) {
    this.pushDue = {
      tail: { kind: 'push-due', to: id, pushClass: 'tail' },
      'catch-up': { kind: 'push-due', to: id, pushClass: 'catch-up' },
      announce: { kind: 'push-due', to: id, pushClass: 'announce' },
    };
  }

  /** A later incarnation or session than the one that is known. */
  isNews(brokerEpoch: BrokerEpoch, sessionId: number): boolean {
    return brokerEpoch > this.brokerEpoch || (brokerEpoch === this.brokerEpoch && sessionId > this.sessionId);
  }

  /**
   * The follower says hello: the session before is over. A new incarnation may have less than the one before it had, and so may one of
   * which the log begins anew (REPL-21): it has no more than it says. Whoever is not in the ISR any more counts as caught up only by what it
   * has in this session, or the high watermark would wait until it has everything that it missed (Kafka's Replica.resetReplicaState forgets
   * it for the same reason).
   */
  greet({ brokerEpoch, sessionId, writtenEndOffset, durableEndOffset }: Hello): void {
    if (!this.isInMaximalIsr) this.caughtUpMs = this.markMs = -Infinity;
    const isSame = brokerEpoch === this.brokerEpoch;
    this.writtenEnd = isSame ? earlier(this.writtenEnd, writtenEndOffset) : UNKNOWN_END;
    this.durableEnd = isSame ? earlier(this.durableEnd, durableEndOffset) : UNKNOWN_END;
    this.brokerEpoch = brokerEpoch;
    this.sessionId = sessionId;
    this.endSession();
  }

  /** What is sent and not acknowledged may be lost. */
  endSession(): void {
    this.isStreaming = false;
    this.due = undefined;
    this.sentHighWatermark = -1 as Offset;
    this.sentLogStart = -1 as Offset;
  }

  /** Takes over how far the follower is; answers that come late never move it back. */
  acknowledge(writtenEnd: Offset, durableEnd: Offset): void {
    if (writtenEnd > this.writtenEnd) this.writtenEnd = writtenEnd;
    if (durableEnd > this.durableEnd) this.durableEnd = durableEnd;
  }

  /** Its stable end is at `end`, the leader's log ends at `leaderEnd` (Kafka's Replica.updateFetchState, with sends for fetches). */
  noteCaughtUp(end: Offset, leaderEnd: Offset, nowMs: number): void {
    if (end >= leaderEnd) this.caughtUpMs = nowMs;
    else if (end >= this.markEnd) this.caughtUpMs = Math.max(this.caughtUpMs, this.markMs);
    else return;
    this.markEnd = leaderEnd;
    this.markMs = nowMs;
  }
}

/** One object a leader, since acknowledgements are the most frequent of all effects. */
export function ackDueTo(to: NodeId): AckDueEffect {
  return { kind: 'ack-due', to };
}
