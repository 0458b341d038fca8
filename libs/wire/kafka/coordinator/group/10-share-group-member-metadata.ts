import { array, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** A member of a share group and its subscription (KIP-932). */
export const shareGroupMemberMetadataRecord = coordinatorRecord({
  type: 10,
  name: 'ShareGroupMemberMetadata',
  key: {
    groupId: string(),
    memberId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
  },
});
