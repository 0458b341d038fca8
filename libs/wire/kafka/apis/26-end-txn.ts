import { api } from '../schema/api';
import { bool, int16, int32, int64, string } from '../schema/field';

/**
 * Commits or aborts a transaction (KIP-98).
 * v5 answers with the epoch to use next (transactions v2, KIP-890).
 */
export const endTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: '0-5',
  flexible: '3+',
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ versions: '5+', default: -1n, ignorable: true }),
    producerEpoch: int16({ versions: '5+', default: -1, ignorable: true }),
  },
});
