import { array, int32, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const taskIds = {
  subtopologyId: string(),
  partitions: array(int32()),
};

/** The tasks that the target assignment of a streams group gives to a member (KIP-1071). */
export const streamsGroupTargetAssignmentMemberRecord = coordinatorRecord({
  type: 21,
  name: 'StreamsGroupTargetAssignmentMember',
  key: {
    groupId: string(),
    memberId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    activeTasks: array(taskIds),
    standbyTasks: array(taskIds),
    warmupTasks: array(taskIds),
  },
});
