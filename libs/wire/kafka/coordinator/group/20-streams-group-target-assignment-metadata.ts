import { int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The epoch that the target assignment of a streams group was computed for (KIP-1071). */
export const streamsGroupTargetAssignmentMetadataRecord = coordinatorRecord({
  type: 20,
  name: 'StreamsGroupTargetAssignmentMetadata',
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
