import { api } from '../schema/api';
import { array, int16, int32, int64, string, uuid } from '../schema/field';

/**
 * Reads the offsets of the state of share partitions; between brokers (KIP-932).
 * v1 adds the count of completed deliveries (KIP-1226).
 */
export const readShareGroupStateSummary = api({
  key: 87,
  name: 'ReadShareGroupStateSummary',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: int32(),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    results: array({
      topicId: uuid(),
      partitions: array({
        partition: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: true, default: null }),
        stateEpoch: int32(),
        leaderEpoch: int32(),
        startOffset: int64(),
        deliveryCompleteCount: int32({ versions: '1+', default: -1, ignorable: true }),
      }),
    }),
  },
});
