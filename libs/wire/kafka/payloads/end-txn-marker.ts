import { int32 } from '../schema/field';
import { Message } from '../schema/message';

/** The value of the control record that commits or aborts a transaction (KIP-98). */
export const endTxnMarker = new Message('EndTxnMarker', '0', 'none', {
  coordinatorEpoch: int32(),
});
