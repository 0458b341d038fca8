import { int16 } from '../schema/field';
import { Message } from '../schema/message';

/** The value of the control record that ends a snapshot (KIP-630). */
export const snapshotFooterRecord = new Message('SnapshotFooterRecord', '0', '0+', {
  version: int16(),
});
