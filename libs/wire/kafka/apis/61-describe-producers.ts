import { api } from '../schema/api';
import { array, int16, int32, int64, string } from '../schema/field';

/** Describes the producers that have state in partitions (KIP-664). */
export const describeProducers = api({
  key: 61,
  name: 'DescribeProducers',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array({
      name: string(),
      partitionIndexes: array(int32()),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: true, default: null }),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ default: -1 }),
          lastTimestamp: int64({ default: -1n }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64({ default: -1n }),
        }),
      }),
    }),
  },
});
