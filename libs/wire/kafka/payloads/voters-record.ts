import { array, int16, int32, string, struct, uint16, uuid } from '../schema/field';
import { Message } from '../schema/message';

/** The value of the control record that sets the voters of a Raft log (KIP-853). */
export const votersRecord = new Message('VotersRecord', '0', '0+', {
  version: int16(),
  voters: array({
    voterId: int32(),
    voterDirectoryId: uuid(),
    endpoints: array({
      name: string(),
      host: string(),
      port: uint16(),
    }),
    kRaftVersionFeature: struct({
      minSupportedVersion: int16(),
      maxSupportedVersion: int16(),
    }),
  }),
});
