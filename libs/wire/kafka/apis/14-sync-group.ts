import { api } from '../schema/api';
import { array, bytes, int16, int32, string } from '../schema/field';

/**
 * Hands the leader's assignment to the members of a classic group; answered when the leader has sent it.
 * v3 knows static members (KIP-345), v5 the protocol type and name (KIP-559).
 */
export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: '3+', nullable: true, default: null }),
    protocolType: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
    protocolName: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    errorCode: int16(),
    protocolType: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
    protocolName: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
    assignment: bytes(),
  },
});
