import { array, int32, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** What the target assignment of a share group gives to a member (KIP-932). */
export const shareGroupTargetAssignmentMemberRecord = coordinatorRecord({
  type: 13,
  name: 'ShareGroupTargetAssignmentMember',
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
