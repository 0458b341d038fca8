import { api } from '../schema/api';
import { array, bool, int16, int32, string, uint16, uuid } from '../schema/field';

/**
 * Adds a voter to the quorum of the metadata log (KIP-853).
 * v1 can answer as soon as the leader has written the change (KIP-1186).
 */
export const addRaftVoter = api({
  key: 80,
  name: 'AddRaftVoter',
  versions: '0-1',
  flexible: '0+',
  request: {
    clusterId: string({ nullable: true }),
    timeoutMs: int32(),
    voterId: int32(),
    voterDirectoryId: uuid(),
    listeners: array({
      name: string(),
      host: string(),
      port: uint16(),
    }),
    ackWhenCommitted: bool({ versions: '1+', default: true }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, ignorable: true }),
  },
});
