import { api } from '../schema/api';
import { array, int16, int32, string } from '../schema/field';

/**
 * Leaves a classic group; from v3 on for several members at once, which admins use for static ones (KIP-345).
 * v5 gives the reason (KIP-800).
 */
export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    memberId: string({ versions: '0-2' }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: true, default: null }),
        reason: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
      },
      { versions: '3+' },
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    errorCode: int16(),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: true }),
        errorCode: int16(),
      },
      { versions: '3+' },
    ),
  },
});
