import { api } from '../schema/api';
import { array, int16, int32, string, struct, uuid } from '../schema/field';

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
};

/**
 * Joins, keeps up and leaves a share group (KIP-932).
 * Member epoch 0 joins, -1 leaves.
 */
export const shareGroupHeartbeat = api({
  key: 76,
  name: 'ShareGroupHeartbeat',
  versions: '1',
  flexible: '0+',
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    rackId: string({ nullable: true, default: null }),
    subscribedTopicNames: array(string(), { nullable: true, default: null }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, default: null }),
    memberId: string({ nullable: true, default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: array(topicPartitions),
      },
      { nullable: true, default: null },
    ),
  },
});
