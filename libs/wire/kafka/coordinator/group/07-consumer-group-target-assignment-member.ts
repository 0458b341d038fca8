import { array, int32, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** What the target assignment of a consumer group gives to a member. */
export const consumerGroupTargetAssignmentMemberRecord = coordinatorRecord({
  type: 7,
  name: 'ConsumerGroupTargetAssignmentMember',
  key: {
    groupId: string(),
    memberId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    topicPartitions: array({
      topicId: uuid(),
      partitions: array(int32()),
    }),
  },
});
