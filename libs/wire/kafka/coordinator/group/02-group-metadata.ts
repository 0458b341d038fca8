import { array, bytes, int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const memberMetadata = {
  memberId: string(),
  groupInstanceId: string({ versions: '3+', nullable: true, default: null, ignorable: true }),
  clientId: string(),
  clientHost: string(),
  rebalanceTimeout: int32({ versions: '1+', default: -1, ignorable: true }),
  sessionTimeout: int32(),
  subscription: bytes(),
  assignment: bytes(),
};

/**
 * A classic group: its generation, protocol and members with their assignments; a tombstone deletes it.
 * v2 adds the time of the last change of state, v3 static members (KIP-345), v4 is flexible (KIP-915).
 */
export const groupMetadataRecord = coordinatorRecord({
  type: 2,
  name: 'GroupMetadata',
  key: {
    group: string(),
  },
  valueVersions: '0-4',
  flexible: '4+',
  value: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: true }),
    leader: string({ nullable: true }),
    currentStateTimestamp: int64({ versions: '2+', default: -1n, ignorable: true }),
    members: array(memberMetadata),
  },
});
