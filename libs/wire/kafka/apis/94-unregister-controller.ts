import { api } from '../schema/api';
import { int16, int32, string } from '../schema/field';

/** Takes a controller that is gone for good out of the cluster's registrations. */
export const unregisterController = api({
  key: 94,
  name: 'UnregisterController',
  versions: '0',
  flexible: '0+',
  request: {
    controllerId: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
  },
});
