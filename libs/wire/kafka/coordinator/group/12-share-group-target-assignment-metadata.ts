import { int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The epoch that the target assignment of a share group was computed for (KIP-932). */
export const shareGroupTargetAssignmentMetadataRecord = coordinatorRecord({
  type: 12,
  name: 'ShareGroupTargetAssignmentMetadata',
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
