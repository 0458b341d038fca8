import { array, bytes, int32, string } from '../schema/field';
import { Message } from '../schema/message';

/**
 * What a member of a classic consumer group subscribes to; v1 adds what it owns (KIP-429), v2 the generation, v3 the
 * rack (KIP-881).
 */
export const consumerProtocolSubscription = new Message('ConsumerProtocolSubscription', '0-3', 'none', {
  topics: array(string()),
  userData: bytes({ nullable: true, default: null }),
  ownedPartitions: array(
    {
      topic: string(),
      partitions: array(int32()),
    },
    { versions: '1+', ignorable: true },
  ),
  generationId: int32({ versions: '2+', default: -1, ignorable: true }),
  rackId: string({ versions: '3+', nullable: true, default: null, ignorable: true }),
});
