import { api } from '../schema/api';
import { int16, int32, string } from '../schema/field';

/**
 * Tells a classic group's coordinator that the member is alive, and the member that a rebalance has begun.
 * v3 knows static members (KIP-345).
 */
export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: '3+', nullable: true, default: null }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    errorCode: int16(),
  },
});
