import { describe, expect, it } from 'vitest';
import type { BrokerImage } from '@streamline/core/metadata/image';
import { FollowerProgress } from '@streamline/core/replication/follower-progress';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import { brokerImage } from '@streamline/testing/partitions/test-metadata';
import { preferredReaderOf, type LeaderView } from './reader-choice';

const [ONE, TWO, THREE] = [1, 2, 3] as [NodeId, NodeId, NodeId];

function broker(id: NodeId, rack: string | undefined, parts: Partial<BrokerImage> = {}): [NodeId, BrokerImage] {
  return [id, brokerImage(id, 5 as BrokerEpoch, { rack, ...parts })];
}

function progress(id: NodeId, end: number, start = 0): FollowerProgress {
  const follower = new FollowerProgress(id);
  follower.startOffset = start as Offset;
  follower.acknowledge(end as Offset, end as Offset);
  return follower;
}

/** Broker 1 leads in rack a; 2 is in rack b, 3 in rack c. */
const BROKERS = new Map([broker(ONE, 'a'), broker(TWO, 'b'), broker(THREE, 'c')]);

function leader(committedIsr: readonly NodeId[] = [ONE, TWO, THREE]): LeaderView {
  const followers = [progress(TWO, 10), progress(THREE, 8, 3)];
  return { nodeId: ONE, leading: 4 as LeaderEpoch, replica: { committedIsr, followers } };
}

describe('preferredReaderOf', () => {
  it('is the follower in the rack of the consumer that has the offset', () => {
    expect(preferredReaderOf(leader(), BROKERS, 'b', 10)).toBe(TWO);
    expect(preferredReaderOf(leader(), BROKERS, 'c', 8)).toBe(THREE);
  });

  it('is nobody where the leader is in that rack, or no replica is', () => {
    expect(preferredReaderOf(leader(), BROKERS, 'a', 5)).toBeUndefined();
    expect(preferredReaderOf(leader(), BROKERS, 'd', 5)).toBeUndefined();
    const withoutRack = new Map([broker(ONE, undefined), broker(TWO, undefined)]);
    expect(preferredReaderOf(leader(), withoutRack, 'b', 5)).toBeUndefined();
  });

  it('is nobody where the follower lacks the offset: it is behind, or has dropped it', () => {
    expect(preferredReaderOf(leader(), BROKERS, 'b', 11)).toBeUndefined();
    expect(preferredReaderOf(leader(), BROKERS, 'c', 2)).toBeUndefined();
  });

  it('is nobody who is out of sync, fenced, dead or no longer registered', () => {
    expect(preferredReaderOf(leader([ONE, THREE]), BROKERS, 'b', 5)).toBeUndefined();
    for (const parts of [{ fenced: true }, { state: 'Dead' as const }]) {
      expect(preferredReaderOf(leader(), new Map([broker(ONE, 'a'), broker(TWO, 'b', parts)]), 'b', 5)).toBeUndefined();
    }
    expect(preferredReaderOf(leader(), new Map([broker(ONE, 'a')]), 'b', 5)).toBeUndefined();
  });

  it('is said by leaders only, and where there are other replicas', () => {
    expect(preferredReaderOf({ ...leader(), leading: undefined }, BROKERS, 'b', 5)).toBeUndefined();
    expect(preferredReaderOf({ ...leader(), replica: undefined }, BROKERS, 'b', 5)).toBeUndefined();
  });
});
