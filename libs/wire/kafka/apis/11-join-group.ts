import { api } from '../schema/api';
import { array, bool, bytes, int16, int32, string } from '../schema/field';

/**
 * Enters a classic group, or a new generation of it; answered when the generation stands.
 * v4 answers a newcomer with MEMBER_ID_REQUIRED and an id (KIP-394), v5 knows static members (KIP-345), v7 the protocol
 * type (KIP-559), v8 the reason (KIP-800), v9 lets the leader skip the assignment (KIP-814).
 */
export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ versions: '1+', default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ versions: '5+', nullable: true, default: null }),
    protocolType: string(),
    protocols: array({
      name: string(),
      metadata: bytes(),
    }),
    reason: string({ versions: '8+', nullable: true, default: null, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ versions: '7+', nullable: true, default: null, ignorable: true }),
    protocolName: string({ nullable: '7+' }),
    leader: string(),
    skipAssignment: bool({ versions: '9+', default: false }),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
});
