import { api } from '../schema/api';
import { array, int16, int32, int64, int8, string } from '../schema/field';

/**
 * Finds an offset by timestamp or by one of the special timestamps: -1 latest, -2 earliest, -3 maximal timestamp (v7),
 * -4 earliest local (v8), -5 latest tiered (v9), -6 earliest pending upload (v11).
 * v4 adds leader epochs, v10 a timeout for reads from tiered storage.
 */
export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    replicaId: int32(),
    isolationLevel: int8({ versions: '2+' }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ versions: '4+', default: -1, ignorable: true }),
        timestamp: int64(),
      }),
    }),
    timeoutMs: int32({ versions: '10+', ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64({ default: -1n }),
        offset: int64({ default: -1n }),
        leaderEpoch: int32({ versions: '4+', default: -1 }),
      }),
    }),
  },
});
