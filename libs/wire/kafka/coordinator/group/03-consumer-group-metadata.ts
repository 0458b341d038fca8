import { int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The epoch of a consumer group of the new protocol (KIP-848), and a hash of what its topics look like. */
export const consumerGroupMetadataRecord = coordinatorRecord({
  type: 3,
  name: 'ConsumerGroupMetadata',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    epoch: int32(),
    metadataHash: int64({ tag: 0, default: 0n }),
  },
});
