import { api } from '../schema/api';
import { array, int16, int32, string, struct, uuid } from '../schema/field';

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
};

/**
 * Joins, keeps up and leaves a consumer group of the new protocol (KIP-848): one request for what JoinGroup, SyncGroup,
 * Heartbeat and LeaveGroup do.
 * Member epoch 0 joins, -1 leaves, -2 leaves as a static member. v1 takes a regular expression and a member id made by
 * the client (KIP-1082).
 */
export const consumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: true, default: null }),
    rackId: string({ nullable: true, default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: true, default: null }),
    subscribedTopicRegex: string({ versions: '1+', nullable: true, default: null }),
    serverAssignor: string({ nullable: true, default: null }),
    topicPartitions: array(
      {
        topicId: uuid(),
        partitions: array(int32()),
      },
      { nullable: true, default: null },
    ),
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
