import { int16 } from '../schema/field';
import { Message } from '../schema/message';

/** The value of the control record that sets the version of the Raft protocol (KIP-853). */
export const kRaftVersionRecord = new Message('KRaftVersionRecord', '0', '0+', {
  version: int16(),
  kRaftVersion: int16(),
});
