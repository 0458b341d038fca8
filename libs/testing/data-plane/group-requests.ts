import type { CommitOffsetsRequest, FetchOffsetsRequest } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';

const COMMIT_VERSION = 8;

export interface OffsetToCommit {
  readonly topic: string;
  readonly place: number;
  readonly offset: number;
}

export function commitRequest(
  groupId: string,
  generationId: number,
  memberId: string,
  { topic, place, offset }: OffsetToCommit,
): CommitOffsetsRequest {
  const offsets = [{ topic, topicId: '', partition: place, offset, leaderEpoch: -1, metadata: '' }];
  return { groupId, generationId, memberId, retentionTimeMs: -1, offsets, apiVersion: COMMIT_VERSION, timeoutMs: 0 };
}

export function fetchOffsetsRequest(groupId: string, topic: string, place: number): FetchOffsetsRequest {
  const topics = [{ topic, topicId: '', partitions: [place] }];
  return { groupId, topics, allTopics: false, requireStable: true, memberId: '', memberEpoch: -1 };
}
