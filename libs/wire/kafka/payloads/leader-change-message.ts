import { array, int16, int32, uuid } from '../schema/field';
import { Message } from '../schema/message';

const voter = {
  voterId: int32(),
  voterDirectoryId: uuid({ versions: '1+' }),
};

/**
 * The value of the control record with which a new leader of a Raft log begins (KIP-595); v1 adds directory ids
 * (KIP-853).
 */
export const leaderChangeMessage = new Message('LeaderChangeMessage', '0-1', '0+', {
  version: int16(),
  leaderId: int32(),
  voters: array(voter),
  grantingVoters: array(voter),
});
