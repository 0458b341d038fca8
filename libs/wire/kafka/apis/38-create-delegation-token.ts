import { api } from '../schema/api';
import { array, bytes, int16, int32, int64, string } from '../schema/field';

/**
 * Creates a delegation token (KIP-48).
 * v3 allows to create one for another principal (KIP-373).
 */
export const createDelegationToken = api({
  key: 38,
  name: 'CreateDelegationToken',
  versions: '1-3',
  flexible: '2+',
  request: {
    ownerPrincipalType: string({ versions: '3+', nullable: true }),
    ownerPrincipalName: string({ versions: '3+', nullable: true }),
    renewers: array({
      principalType: string(),
      principalName: string(),
    }),
    maxLifetimeMs: int64(),
  },
  response: {
    errorCode: int16(),
    principalType: string(),
    principalName: string(),
    tokenRequesterPrincipalType: string({ versions: '3+' }),
    tokenRequesterPrincipalName: string({ versions: '3+' }),
    issueTimestampMs: int64(),
    expiryTimestampMs: int64(),
    maxTimestampMs: int64(),
    tokenId: string(),
    hmac: bytes(),
    throttleTimeMs: int32(),
  },
});
