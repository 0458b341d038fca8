import { api } from '../schema/api';
import { array, int16, string } from '../schema/field';

/**
 * Names the SASL mechanism that the client wants. Never flexible.
 * v0 is followed by raw SASL tokens, v1 by SaslAuthenticate requests (KIP-152).
 */
export const saslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  versions: '0-1',
  flexible: 'none',
  request: {
    mechanism: string(),
  },
  response: {
    errorCode: int16(),
    mechanisms: array(string()),
  },
});
