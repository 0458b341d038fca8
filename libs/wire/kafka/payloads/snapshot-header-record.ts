import { int16, int64 } from '../schema/field';
import { Message } from '../schema/message';

/** The value of the control record that begins a snapshot (KIP-630). */
export const snapshotHeaderRecord = new Message('SnapshotHeaderRecord', '0', '0+', {
  version: int16(),
  lastContainedLogTimestamp: int64(),
});
