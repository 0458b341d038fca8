import { array, int32, int8, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const taskIds = {
  subtopologyId: string(),
  partitions: array(int32()),
  assignmentEpochs: array(int32(), { nullable: true, tag: 0 }),
};

/** The tasks that a member of a streams group owns now and has still to give back (KIP-1071). */
export const streamsGroupCurrentMemberAssignmentRecord = coordinatorRecord({
  type: 22,
  name: 'StreamsGroupCurrentMemberAssignment',
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
    activeTasks: array(taskIds),
    standbyTasks: array(taskIds),
    warmupTasks: array(taskIds),
    activeTasksPendingRevocation: array(taskIds),
    standbyTasksPendingRevocation: array(taskIds),
    warmupTasksPendingRevocation: array(taskIds),
  },
});
