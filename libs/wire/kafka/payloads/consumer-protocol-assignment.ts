import { array, bytes, int32, string } from '../schema/field';
import { Message } from '../schema/message';

/** What the leader of a classic consumer group assigns to a member; opaque to the broker, but admins look into it. */
export const consumerProtocolAssignment = new Message('ConsumerProtocolAssignment', '0-3', 'none', {
  assignedPartitions: array({
    topic: string(),
    partitions: array(int32()),
  }),
  userData: bytes({ nullable: true, default: null }),
});
