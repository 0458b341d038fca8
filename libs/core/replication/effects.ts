import type { ErrorCode } from '../types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '../types/ids';
import type { Diverging, Hello, Push, Refused } from './inputs';
import type { IsrMember } from './types';

/**
 * What a host is to do, in this order. Nothing waits for the end of what stands before it, except where the effect says so.
 * Effects without numbers of their own are one object a replica or follower, so that a busy partition allocates none.
 */
export type ReplicaEffect =
  /** Begin the epoch in the log (durable before its first append is, S-3), then take appends and hellos. */
  | { readonly kind: 'lead'; readonly leaderEpoch: LeaderEpoch }
  /** Lead no longer: whoever waits for an acknowledgement or for records is answered with the error. */
  | { readonly kind: 'resign'; readonly errorCode: ErrorCode }
  /** Lead on, but serve nobody (REPL-20): whoever waits for an acknowledgement or for records is answered with the error. */
  | { readonly kind: 'suspend'; readonly errorCode: ErrorCode }
  /** Serve again: it is the same epoch. */
  | { readonly kind: 'resume'; readonly leaderEpoch: LeaderEpoch }
  /** The log failed: tell the controller, so that the replica leaves ISR and ELR (S-11). */
  | { readonly kind: 'offline' }
  | HighWatermarkEffect
  | PushDueEffect
  | AckDueEffect
  | { readonly kind: 'send-push'; readonly to: NodeId; readonly push: Push }
  | { readonly kind: 'send-hello'; readonly to: NodeId; readonly hello: Hello }
  | { readonly kind: 'send-diverging'; readonly to: NodeId; readonly diverging: Diverging }
  | { readonly kind: 'send-refused'; readonly to: NodeId; readonly refused: Refused }
  /** Append the batches of the push that was stepped. */
  | { readonly kind: 'append' }
  /** Cut the log to the offset; then step `truncated` when that is durable. */
  | { readonly kind: 'truncate'; readonly offset: Offset }
  /** Drop the whole log and begin at the offset; then step `truncated` when that is durable. */
  | { readonly kind: 'start-at'; readonly offset: Offset }
  /** The same within a push, ahead of its `append`: nothing is lost, and nothing waits for it. */
  | { readonly kind: 'rebase'; readonly offset: Offset }
  /** The leader's log begins here now: so does this one. */
  | { readonly kind: 'raise-log-start'; readonly offset: Offset }
  | AlterPartitionEffect;

/** Everything before the offset is committed. */
export interface HighWatermarkEffect {
  readonly kind: 'high-watermark';
  readonly offset: Offset;
  /** For acks=all that waits for what the offset passed: NONE, or NOT_ENOUGH_REPLICAS_AFTER_APPEND. */
  readonly errorCode: ErrorCode;
  /** It went back: a leader that was elected uncleanly had committed less, or the log begins anew. */
  readonly isReset: boolean;
}

/** Which budget a push is sent on. */
export type PushClass =
  /** New, and in memory. */
  | 'tail'
  /** To be read from segments, or for a replica that a reassignment adds: within the catch-up rate. */
  | 'catch-up'
  /** Nothing but how far the leader is; may wait a little for company. */
  | 'announce';

/** There is something for the follower; asked of the replica (`pushTo`) when there is room to send it. */
export interface PushDueEffect {
  readonly kind: 'push-due';
  readonly to: NodeId;
  readonly pushClass: PushClass;
}

/** The leader is to hear how far this log is: `ack` of the replica, when the next frame to it leaves. */
export interface AckDueEffect {
  readonly kind: 'ack-due';
  readonly to: NodeId;
}

/** Propose the ISR to the controller; its verdict is stepped as `alter-partition` with the id. Sent again, it has the same id. */
export interface AlterPartitionEffect {
  readonly kind: 'alter-partition';
  readonly proposalId: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: number;
  readonly newIsr: readonly IsrMember[];
}
