import { int16 } from '../schema/field';
import { Message } from '../schema/message';

/**
 * The key of a control record: 0 abort, 1 commit, 2 leader change, 3 snapshot header, 4 snapshot footer, 5 KRaft
 * version, 6 voters.
 */
export const controlRecordTypeSchema = new Message('ControlRecordTypeSchema', '0', 'none', {
  type: int16(),
});
