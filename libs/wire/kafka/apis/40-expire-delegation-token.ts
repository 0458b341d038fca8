import { api } from '../schema/api';
import { bytes, int16, int32, int64 } from '../schema/field';

/** Ends the life of a delegation token (KIP-48). */
export const expireDelegationToken = api({
  key: 40,
  name: 'ExpireDelegationToken',
  versions: '1-2',
  flexible: '2+',
  request: {
    hmac: bytes(),
    expiryTimePeriodMs: int64(),
  },
  response: {
    errorCode: int16(),
    expiryTimestampMs: int64(),
    throttleTimeMs: int32(),
  },
});
