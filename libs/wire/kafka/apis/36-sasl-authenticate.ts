import { api } from '../schema/api';
import { bytes, int16, int64, string } from '../schema/field';

/**
 * Carries one SASL token each way (KIP-152).
 * v1 tells how long the session lasts before it has to be renewed (KIP-368).
 */
export const saslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: '0-2',
  flexible: '2+',
  request: {
    authBytes: bytes(),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ versions: '1+', default: 0n, ignorable: true }),
  },
});
