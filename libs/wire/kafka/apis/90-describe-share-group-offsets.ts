import { api } from '../schema/api';
import { array, int16, int32, int64, string, uuid } from '../schema/field';

/**
 * Describes the start offsets of share groups (KIP-932).
 * v1 adds the lag (KIP-1226).
 */
export const describeShareGroupOffsets = api({
  key: 90,
  name: 'DescribeShareGroupOffsets',
  versions: '0-1',
  flexible: '0+',
  request: {
    groups: array({
      groupId: string(),
      topics: array(
        {
          topicName: string(),
          partitions: array(int32()),
        },
        { nullable: true },
      ),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    groups: array({
      groupId: string(),
      topics: array({
        topicName: string(),
        topicId: uuid(),
        partitions: array({
          partitionIndex: int32(),
          startOffset: int64(),
          leaderEpoch: int32(),
          lag: int64({ versions: '1+', default: -1n, ignorable: true }),
          errorCode: int16(),
          errorMessage: string({ nullable: true, default: null }),
        }),
      }),
      errorCode: int16(),
      errorMessage: string({ nullable: true, default: null }),
    }),
  },
});
