import { array, bytes, int32, string, struct } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/**
 * A member of a consumer group: its subscription, and what it said as a member of the classic protocol while a group is
 * migrated.
 */
export const consumerGroupMemberMetadataRecord = coordinatorRecord({
  type: 5,
  name: 'ConsumerGroupMemberMetadata',
  key: {
    groupId: string(),
    memberId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    instanceId: string({ nullable: true }),
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullable: true }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullable: true }),
    classicMemberMetadata: struct(
      {
        sessionTimeoutMs: int32(),
        supportedProtocols: array({
          name: string(),
          metadata: bytes(),
        }),
      },
      { nullable: true, tag: 0 },
    ),
  },
});
