import { int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The epoch that the target assignment of a consumer group was computed for. */
export const consumerGroupTargetAssignmentMetadataRecord = coordinatorRecord({
  type: 6,
  name: 'ConsumerGroupTargetAssignmentMetadata',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    assignmentEpoch: int32(),
    assignmentTimestamp: int64({ tag: 0, default: 0n, ignorable: true }),
  },
});
