import { api } from '../schema/api';
import { array, int16, int32, int64, string } from '../schema/field';

/**
 * Lists the transactions that a broker coordinates (KIP-664).
 * v1 filters by duration (KIP-994), v2 by a pattern of the id (KIP-1152).
 */
export const listTransactions = api({
  key: 66,
  name: 'ListTransactions',
  versions: '0-2',
  flexible: '0+',
  request: {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ versions: '1+', default: -1n }),
    transactionalIdPattern: string({ versions: '2+', nullable: true, default: null }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array({
      transactionalId: string(),
      producerId: int64(),
      transactionState: string(),
    }),
  },
});
