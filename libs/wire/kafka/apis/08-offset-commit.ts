import { api } from '../schema/api';
import { array, int16, int32, int64, string, uuid } from '../schema/field';

/**
 * Commits offsets of a group, with metadata, from members and from standalone consumers.
 * v2 to v4 carry a retention time, v6 leader epochs, v7 static members (KIP-345), v9 serves KIP-848 groups, v10 names
 * topics by id.
 */
export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ default: -1, ignorable: true }),
    memberId: string({ ignorable: true }),
    groupInstanceId: string({ versions: '7+', nullable: true, default: null }),
    retentionTimeMs: int64({ versions: '2-4', default: -1n, ignorable: true }),
    topics: array({
      name: string({ versions: '0-9', ignorable: true }),
      topicId: uuid({ versions: '10+', ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: '6+', default: -1, ignorable: true }),
        committedMetadata: string({ nullable: true }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', ignorable: true }),
    topics: array({
      name: string({ versions: '0-9', ignorable: true }),
      topicId: uuid({ versions: '10+', ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
});
