import { api } from '../schema/api';
import { bool, int16, int32, int64, string } from '../schema/field';

/**
 * Gives out a producer id and epoch, to transactional and to idempotent producers (KIP-98).
 * v3 can raise the epoch of a known producer (KIP-360), v5 serves transactions v2 (KIP-890), v6 two-phase commit
 * (KIP-939), which is unstable in 4.4 and must not be advertised.
 */
export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: '0-6',
  flexible: '2+',
  unstable: '6',
  request: {
    transactionalId: string({ nullable: true }),
    transactionTimeoutMs: int32(),
    producerId: int64({ versions: '3+', default: -1n }),
    producerEpoch: int16({ versions: '3+', default: -1 }),
    enable2Pc: bool({ versions: '6+', default: false }),
    keepPreparedTxn: bool({ versions: '6+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    producerId: int64({ default: -1n }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64({ versions: '6+', default: -1n }),
    ongoingTxnProducerEpoch: int16({ versions: '6+', default: -1 }),
  },
});
