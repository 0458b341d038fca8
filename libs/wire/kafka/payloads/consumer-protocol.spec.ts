import { describe, expect, it } from 'vitest';
import { encodeVersioned } from '../schema/versioned';
import { decodeAssignment, decodeSubscription } from './consumer-protocol';
import { consumerProtocolAssignment } from './consumer-protocol-assignment';
import { consumerProtocolSubscription } from './consumer-protocol-subscription';

const subscription = { topics: ['a', 'b'], userData: null, ownedPartitions: [], generationId: 4, rackId: 'r' };

describe('the consumer protocol', () => {
  it('reads subscriptions and assignments with their version before them', () => {
    expect(decodeSubscription(encodeVersioned(consumerProtocolSubscription, 3, subscription))).toStrictEqual(subscription);
    const assignment = { assignedPartitions: [{ topic: 'a', partitions: [0, 1] }], userData: null };
    expect(decodeAssignment(encodeVersioned(consumerProtocolAssignment, 0, assignment))).toStrictEqual(assignment);
  });

  it('reads a version from the future as the newest that it knows', () => {
    const bytes = encodeVersioned(consumerProtocolSubscription, 3, subscription);
    bytes.writeInt16BE(9, 0);
    expect(decodeSubscription(Buffer.concat([bytes, Buffer.from('more')]))).toStrictEqual(subscription);
  });

  it('refuses a negative version', () => {
    expect(() => decodeSubscription(Buffer.from('ffff00000000', 'hex'))).toThrow('ConsumerProtocolSubscription of version -1');
  });
});
