import { api } from '../schema/api';
import { int16, int32, string } from '../schema/field';

/** Takes a broker that is gone for good out of the cluster (KIP-631). */
export const unregisterBroker = api({
  key: 64,
  name: 'UnregisterBroker',
  versions: '0',
  flexible: '0+',
  request: {
    brokerId: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
  },
});
