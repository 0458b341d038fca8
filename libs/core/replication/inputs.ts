import type { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '../types/ids';
import type { EpochStart, ReplicaMetadata, SessionKey } from './types';

/**
 * A follower's first word to the leader of an epoch, and after everything that breaks its session: how far its log goes, and
 * which epochs wrote it (KIP-101, KIP-279, in one round trip).
 */
export interface Hello extends SessionKey {
  readonly startOffset: Offset;
  readonly endOffset: Offset;
  readonly writtenEndOffset: Offset;
  readonly durableEndOffset: Offset;
  /** The newest ones, at most HELLO_EPOCHS_MAX, oldest first. */
  readonly epochs: readonly EpochStart[];
  /** No older epoch was left out. */
  readonly isWholeHistory: boolean;
}

/** What a follower has; the leader uses the end that the partition's durability asks for. */
export interface Ack extends SessionKey {
  readonly startOffset: Offset;
  readonly writtenEndOffset: Offset;
  readonly durableEndOffset: Offset;
}

/** Whole batches for a follower, or none: then it only tells how far the leader is. */
export interface Push extends SessionKey {
  /** Where the follower's log has to end. */
  readonly previousOffset: Offset;
  /** The epoch that wrote the record before; -1 where the leader no longer knows. */
  readonly previousEpoch: number;
  /** Of the first batch: before `previousOffset` only where the leader's log begins within that batch. */
  readonly baseOffset: Offset;
  /** One past the last batch; equals `previousOffset` where there is none. */
  readonly endOffset: Offset;
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
}

/** The answer to a hello whose log does not continue the leader's: cut to it (KIP-101), or start anew there. Then say hello again. */
export interface Diverging extends SessionKey {
  readonly kind: 'truncate' | 'start-at';
  readonly offset: Offset;
}

export interface Refused extends SessionKey {
  readonly errorCode: ErrorCode;
}

/** The controller's verdict on an ISR proposal. */
export type AlterPartitionOutcome =
  | {
      readonly kind: 'committed';
      readonly isr: readonly NodeId[];
      readonly leaderEpoch: LeaderEpoch;
      readonly partitionEpoch: number;
    }
  | { readonly kind: 'refused'; readonly errorCode: ErrorCode }
  /** No answer, or one that does not say whether it took effect. */
  | { readonly kind: 'unknown' };

/** What a host steps a replica with. Inputs are read during the step and not kept, so a host may use one object many times. */
export type ReplicaInput =
  /** The metadata of the partition changed, or is heard of for the first time. */
  | { readonly kind: 'metadata'; readonly metadata: ReplicaMetadata }
  /** Something in `BrokerFacts` changed that concerns a replica of the partition. */
  | { readonly kind: 'brokers-changed' }
  /** The log was appended to, or is written or durable further, or its start moved, or it failed. */
  | { readonly kind: 'log-changed' }
  /** The truncation or the fresh start that was asked for is durable (S-3). */
  | { readonly kind: 'truncated' }
  /** The host is ready to drop the log, which failed: its facts are those of no log from now on. Done only where nothing is in the way (`anewObstacle`). */
  | { readonly kind: 'begin-anew' }
  /** Time passed. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'peer-connected'; readonly peer: NodeId }
  /** The stream to or from the peer ended: what was under way on it may be lost. */
  | { readonly kind: 'peer-disconnected'; readonly peer: NodeId }
  | { readonly kind: 'hello'; readonly from: NodeId; readonly hello: Hello }
  | { readonly kind: 'ack'; readonly from: NodeId; readonly ack: Ack }
  /** Batches for a follower were read from `fromOffset` on, to be sent now if its session still wants them. */
  | {
      readonly kind: 'batches-read';
      readonly to: NodeId;
      readonly sessionId: number;
      readonly fromOffset: Offset;
      readonly baseOffset: Offset;
      readonly endOffset: Offset;
    }
  | { readonly kind: 'push'; readonly from: NodeId; readonly push: Push }
  | { readonly kind: 'diverging'; readonly from: NodeId; readonly diverging: Diverging }
  | { readonly kind: 'refused'; readonly from: NodeId; readonly refused: Refused }
  | { readonly kind: 'alter-partition'; readonly proposalId: number; readonly outcome: AlterPartitionOutcome };

/** An incarnation of the broker begins with this for each of its replicas. */
export interface ReplicaInit {
  readonly self: NodeId;
  /** Of the registration of this incarnation. */
  readonly brokerEpoch: BrokerEpoch;
  /** The last high watermark that is remembered: never more than was true. The log start where none is. */
  readonly highWatermark: Offset;
}
