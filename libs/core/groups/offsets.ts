import { ErrorCode } from '../types/error-code';
import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId } from '../types/ids';
import { ZERO_TOPIC_ID } from '../types/ids';
import type { CommittedOffset } from './group-record';
import type {
  CommitAnswer,
  CommitCommand,
  DeleteOffsetsAnswer,
  DeleteOffsetsCommand,
  FetchedOffset,
  FetchOffsetsAnswer,
  FetchOffsetsCommand,
} from './group-messages';
import type { GroupState, Turn } from './group-state';
import { exists, hasRoomForGroup } from './group-state';
import { CONSUMER_PROTOCOL_TYPE } from './live-group';
import { validateMember } from './membership';
import { expectHeartbeat } from './rebalance';

/** From this version on OffsetCommit says that a group is unknown; before, that the generation is. */
const UNKNOWN_GROUP_SAID_FROM_VERSION = 9;

/** Takes an OffsetCommit. Topic names, ids and partitions were checked by the gateway; one bad offset does not stop the others. */
export function commit(state: GroupState, turn: Turn, command: CommitCommand): CommitAnswer {
  const refusal = validateCommit(state, turn, command);
  if (refusal !== ErrorCode.NONE) return { errorCodes: command.offsets.map(() => refusal) };
  const { groupId, retentionTimeMs } = command;
  const nowMs = turn.now.wallMs;
  const expireTimestampMs = retentionTimeMs < 0 ? undefined : ((nowMs + retentionTimeMs) as TimestampMs);
  const errorCodes = command.offsets.map((asked) => {
    const metadata = asked.metadata ?? '';
    if (metadata.length > state.config.offsetMetadataMaxBytes) return ErrorCode.OFFSET_METADATA_TOO_LARGE;
    const committed: CommittedOffset = {
      offset: asked.offset as Offset,
      metadata,
      commitTimestampMs: nowMs,
      expireTimestampMs,
      // The one stored format that has a retention of its own has neither epoch nor topic id.
      leaderEpoch: expireTimestampMs === undefined ? (asked.leaderEpoch as LeaderEpoch) : -1,
      topicId: expireTimestampMs === undefined && asked.topicId !== '' ? (asked.topicId as TopicId) : ZERO_TOPIC_ID,
    };
    const partition = asked.partition as PartitionIndex;
    turn.records.push({ kind: 'offset-committed', groupId, topic: asked.topic, partition, committed });
    return ErrorCode.NONE;
  });
  return { errorCodes };
}

/** Who may commit: members of the current generation, and anyone while the group has no members. */
function validateCommit(state: GroupState, turn: Turn, command: CommitCommand): number {
  const { groupId, memberId, groupInstanceId, generationId } = command;
  if (!exists(state, groupId) && generationId >= 0) {
    return command.apiVersion >= UNKNOWN_GROUP_SAID_FROM_VERSION ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
  }
  if (!hasRoomForGroup(state, groupId)) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  const group = state.live.get(groupId);
  if (generationId < 0 && (group === undefined || group.state === 'Empty')) return ErrorCode.NONE;
  if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  const found = validateMember(group, memberId, groupInstanceId);
  if (typeof found === 'number') return found;
  if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  if (group.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
  expectHeartbeat(state, turn, groupId, memberId, found.sessionTimeoutMs);
  return ErrorCode.NONE;
}

/** Answers an OffsetFetch: what is committed, or offset -1. An unknown group has committed nothing. */
export function fetchOffsets(state: GroupState, command: FetchOffsetsCommand): FetchOffsetsAnswer {
  const entry = state.image.groups.get(command.groupId);
  const offsets: FetchedOffset[] = [];
  if (command.allTopics) {
    for (const [topic, partitions] of entry?.offsets ?? []) {
      for (const [partition, committed] of partitions) {
        const topicId = committed.topicId === ZERO_TOPIC_ID ? '' : committed.topicId;
        offsets.push(fetched(topic, topicId, partition, committed));
      }
    }
    return { errorCode: ErrorCode.NONE, offsets };
  }
  for (const { topic, topicId, partitions } of command.topics) {
    const known = entry?.offsets.get(topic);
    for (const partition of partitions) {
      const committed = known?.get(partition as PartitionIndex);
      const isOfTopic = committed !== undefined && isSameTopic(committed.topicId, topicId);
      offsets.push(fetched(topic, topicId, partition, isOfTopic ? committed : undefined));
    }
  }
  return { errorCode: ErrorCode.NONE, offsets };
}

function fetched(topic: string, topicId: string, partition: number, committed: CommittedOffset | undefined): FetchedOffset {
  return {
    topic,
    topicId,
    partition,
    offset: committed?.offset ?? -1,
    leaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode: ErrorCode.NONE,
  };
}

/** An offset of a topic that was deleted and created anew under its name is none of the new topic's. */
function isSameTopic(committedId: string, askedId: string): boolean {
  return committedId === ZERO_TOPIC_ID || askedId === ZERO_TOPIC_ID || askedId === '' || committedId === askedId;
}

/** Takes an OffsetDelete (KIP-496): of an empty group, or of a consumer group for topics that it does not subscribe to. */
export function deleteOffsets(state: GroupState, turn: Turn, command: DeleteOffsetsCommand): DeleteOffsetsAnswer {
  const { groupId } = command;
  if (groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID, offsets: [] };
  if (!exists(state, groupId)) return { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, offsets: [] };
  const group = state.live.get(groupId);
  const isActive = group !== undefined && group.state !== 'Empty';
  if (isActive && group.protocolType !== CONSUMER_PROTOCOL_TYPE) return { errorCode: ErrorCode.NON_EMPTY_GROUP, offsets: [] };
  const offsets: DeleteOffsetsAnswer['offsets'] = [];
  for (const { topic, partitions } of command.topics) {
    const isSubscribed = isActive && group.isSubscribedTo(topic);
    for (const partition of new Set(partitions)) {
      const errorCode = isSubscribed ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE;
      offsets.push({ topic, partition, errorCode });
      if (isSubscribed || state.image.offset(groupId, topic, partition as PartitionIndex) === undefined) continue;
      turn.records.push({ kind: 'offset-removed', groupId, topic, partition: partition as PartitionIndex });
    }
  }
  return { errorCode: ErrorCode.NONE, offsets };
}

/** A topic is gone: so are its offsets, in every group. Offsets of a newer topic of the same name stay. */
export function removeTopicOffsets(state: GroupState, turn: Turn, topic: string, topicId: TopicId): void {
  for (const [groupId, entry] of state.image.groups) {
    for (const [partition, committed] of entry.offsets.get(topic) ?? []) {
      if (isSameTopic(committed.topicId, topicId)) turn.records.push({ kind: 'offset-removed', groupId, topic, partition });
    }
  }
}
