import { array, int16, int32, int64, int8, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/**
 * The state of a transactional id: its producer id and epoch, and the transaction with its partitions (KIP-98).
 * v1 is flexible and has the ids of the epoch before and after in tagged fields (KIP-890).
 */
export const transactionLogRecord = coordinatorRecord({
  type: 0,
  name: 'TransactionLog',
  key: {
    transactionalId: string(),
  },
  valueVersions: '0-1',
  flexible: '1+',
  value: {
    producerId: int64(),
    previousProducerId: int64({ versions: '1+', tag: 0, default: -1n }),
    nextProducerId: int64({ versions: '1+', tag: 1, default: -1n }),
    producerEpoch: int16(),
    nextProducerEpoch: int16({ versions: '1+', tag: 3, default: -1 }),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    transactionPartitions: array(
      {
        topic: string(),
        partitionIds: array(int32()),
      },
      { nullable: true },
    ),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ versions: '1+', tag: 2, default: 0 }),
  },
});
