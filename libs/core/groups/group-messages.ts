/**
 * What a coordinator is asked and what it answers. The shapes are those of streamline.storage.v1.GroupService, so that a
 * host passes its messages through; error codes are Kafka's, of the newest API versions.
 */
export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinCommand {
  readonly groupId: string;
  /** Empty: a new member. */
  readonly memberId: string;
  readonly groupInstanceId?: string | undefined;
  readonly protocolType: string;
  readonly protocols: readonly GroupProtocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly clientId: string;
  readonly clientHost: string;
  /** JoinGroup v4+: a new dynamic member first gets its id with MEMBER_ID_REQUIRED (KIP-394). */
  readonly requireKnownMemberId: boolean;
  /** JoinGroup v9+: a static leader that comes back is told to skip the assignment (KIP-814). */
  readonly supportsSkipAssignment: boolean;
}

export interface JoinAnswer {
  errorCode: number;
  generationId: number;
  protocolType?: string | undefined;
  protocolName?: string | undefined;
  leader: string;
  memberId: string;
  skipAssignment: boolean;
  /** Filled for the leader only. */
  members: { memberId: string; groupInstanceId?: string | undefined; metadata: Uint8Array }[];
}

export interface SyncCommand {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId?: string | undefined;
  readonly protocolType?: string | undefined;
  readonly protocolName?: string | undefined;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface SyncAnswer {
  errorCode: number;
  protocolType?: string | undefined;
  protocolName?: string | undefined;
  assignment: Uint8Array;
}

export interface HeartbeatCommand {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId?: string | undefined;
}

export interface LeaveCommand {
  readonly groupId: string;
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId?: string | undefined }[];
}

export interface LeaveAnswer {
  errorCode: number;
  members: { memberId: string; groupInstanceId?: string | undefined; errorCode: number }[];
}

export interface CommitCommand {
  readonly groupId: string;
  /** -1: from outside the group's membership. */
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId?: string | undefined;
  /** -1: the broker's retention. */
  readonly retentionTimeMs: number;
  readonly offsets: readonly {
    readonly topic: string;
    readonly topicId: string;
    readonly partition: number;
    readonly offset: number;
    readonly leaderEpoch: number;
    readonly metadata?: string | undefined;
  }[];
  /** OffsetCommit's version: it decides how an unknown group is reported. */
  readonly apiVersion: number;
}

export interface CommitAnswer {
  /** In the order of the command's offsets. */
  errorCodes: number[];
}

export interface OffsetTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export interface FetchOffsetsCommand {
  readonly groupId: string;
  readonly topics: readonly OffsetTopic[];
  readonly allTopics: boolean;
}

export interface FetchedOffset {
  topic: string;
  topicId: string;
  partition: number;
  offset: number;
  leaderEpoch: number;
  metadata: string;
  errorCode: number;
}

export interface FetchOffsetsAnswer {
  errorCode: number;
  offsets: FetchedOffset[];
}

export interface DeleteOffsetsCommand {
  readonly groupId: string;
  readonly topics: readonly OffsetTopic[];
}

export interface DeleteOffsetsAnswer {
  errorCode: number;
  offsets: { topic: string; partition: number; errorCode: number }[];
}

export interface DescribedGroup {
  errorCode: number;
  errorMessage?: string | undefined;
  groupId: string;
  state: string;
  protocolType: string;
  protocol: string;
  members: {
    memberId: string;
    groupInstanceId?: string | undefined;
    clientId: string;
    clientHost: string;
    metadata: Uint8Array;
    assignment: Uint8Array;
  }[];
}

export interface ListedGroup {
  groupId: string;
  protocolType: string;
  state: string;
  type: string;
}

export interface DeletedGroup {
  groupId: string;
  errorCode: number;
}
