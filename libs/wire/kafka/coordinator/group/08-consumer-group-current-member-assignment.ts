import { array, int32, int8, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
  assignmentEpochs: array(int32(), { nullable: true, tag: 0 }),
};

/** What a member of a consumer group owns now and has still to give back. */
export const consumerGroupCurrentMemberAssignmentRecord = coordinatorRecord({
  type: 8,
  name: 'ConsumerGroupCurrentMemberAssignment',
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
    partitionsPendingRevocation: array(topicPartitions),
  },
});
