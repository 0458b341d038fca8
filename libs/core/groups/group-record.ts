import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId } from '../types/ids';

/** An offset as it was committed. */
export interface CommittedOffset {
  readonly offset: Offset;
  /** -1: the client did not say. */
  readonly leaderEpoch: LeaderEpoch | -1;
  readonly metadata: string;
  readonly commitTimestampMs: TimestampMs;
  /** Set by OffsetCommit v2-v4 with a retention of its own; else the broker's retention counts. */
  readonly expireTimestampMs: TimestampMs | undefined;
  /** ZERO_TOPIC_ID where the commit did not know it. */
  readonly topicId: TopicId;
}

/** A member as a finished generation stores it. */
export interface StoredMember {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** The member's metadata for the generation's protocol. */
  readonly subscription: Uint8Array;
  readonly assignment: Uint8Array;
}

/** One generation of a group: with members and their assignment, or empty. */
export interface StoredGroup {
  /** Empty for groups that nobody ever joined. */
  readonly protocolType: string;
  readonly generationId: number;
  readonly protocol: string | undefined;
  readonly leader: string | undefined;
  /** When the group entered the state that is stored; -1: not known (older formats). */
  readonly stateTimestampMs: TimestampMs | -1;
  readonly members: readonly StoredMember[];
}

/** What the log of a coordinator says. Each record carries the whole value of its key, so that replaying one twice does nothing. */
export type GroupRecord =
  | {
      readonly kind: 'offset-committed';
      readonly groupId: string;
      readonly topic: string;
      readonly partition: PartitionIndex;
      readonly committed: CommittedOffset;
    }
  | { readonly kind: 'offset-removed'; readonly groupId: string; readonly topic: string; readonly partition: PartitionIndex }
  | { readonly kind: 'group-stored'; readonly groupId: string; readonly group: StoredGroup }
  | { readonly kind: 'group-removed'; readonly groupId: string };
