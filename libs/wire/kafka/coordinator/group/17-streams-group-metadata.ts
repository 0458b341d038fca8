import { array, int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const lastAssignmentConfig = {
  key: string(),
  value: string(),
};

/** The epoch of a streams group, and a hash of what its topics look like (KIP-1071). */
export const streamsGroupMetadataRecord = coordinatorRecord({
  type: 17,
  name: 'StreamsGroupMetadata',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    epoch: int32(),
    metadataHash: int64(),
    validatedTopologyEpoch: int32({ tag: 0, default: -1 }),
    lastAssignmentConfigs: array(lastAssignmentConfig, { nullable: true, tag: 1 }),
    storedDescriptionTopologyEpoch: int32({ tag: 2, default: -1 }),
    failedDescriptionTopologyEpoch: int32({ tag: 3, default: -1 }),
  },
});
