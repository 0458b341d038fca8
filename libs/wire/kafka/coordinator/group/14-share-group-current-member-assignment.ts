import { array, int32, int8, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
};

/** What a member of a share group is assigned now (KIP-932). */
export const shareGroupCurrentMemberAssignmentRecord = coordinatorRecord({
  type: 14,
  name: 'ShareGroupCurrentMemberAssignment',
  key: {
    groupId: string(),
    memberId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions: array(topicPartitions),
  },
});
