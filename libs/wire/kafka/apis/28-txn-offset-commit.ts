import { api } from '../schema/api';
import { array, int16, int32, int64, string, uuid } from '../schema/field';

/**
 * Commits offsets as a part of a transaction (KIP-98).
 * v3 fences by member and generation (KIP-447), v5 serves transactions v2 (KIP-890), v6 names topics by id.
 */
export const txnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: '0-6',
  flexible: '3+',
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationIdOrMemberEpoch: int32({ versions: '3+', default: -1 }),
    memberId: string({ versions: '3+', default: '' }),
    groupInstanceId: string({ versions: '3+', nullable: true, default: null }),
    topics: array({
      name: string({ versions: '0-5', ignorable: true }),
      topicId: uuid({ versions: '6+', ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: '2+', default: -1, ignorable: true }),
        committedMetadata: string({ nullable: true }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string({ versions: '0-5', ignorable: true }),
      topicId: uuid({ versions: '6+', ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
});
