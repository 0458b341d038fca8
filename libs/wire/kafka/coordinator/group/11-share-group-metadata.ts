import { int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The epoch of a share group, and a hash of what its topics look like (KIP-932). */
export const shareGroupMetadataRecord = coordinatorRecord({
  type: 11,
  name: 'ShareGroupMetadata',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    epoch: int32(),
    metadataHash: int64(),
  },
});
