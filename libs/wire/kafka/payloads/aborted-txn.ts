import { int64 } from '../schema/field';
import { Message } from '../schema/message';

/** An entry of the transaction index: an aborted transaction and the last stable offset when it ended (KIP-98). */
export const abortedTxn = new Message('AbortedTxn', '0', 'none', {
  producerId: int64(),
  firstOffset: int64(),
  lastOffset: int64(),
  lastStableOffset: int64(),
});
