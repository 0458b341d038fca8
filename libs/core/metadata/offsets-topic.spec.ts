import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetadataHarness } from '@streamline/testing/metadata/metadata-harness';
import type { BrokerEpoch, NodeId } from '../types/ids';
import { alterConfigs } from './alter-configs';
import { alterPartition } from './alter-partition';
import { growOffsetsTopic, OFFSETS_TOPIC, offsetsTopicGrowth, offsetsTopicReplicas } from './offsets-topic';

const REPLICATED = { replicationFactorMax: 32_767 };

/** A cluster of brokers 1, 2, ... in these racks, with an offsets topic that was created when only broker 1 was there. */
function grownTo(racks: readonly (string | undefined)[], partitions: number): MetadataHarness {
  const harness = new MetadataHarness(REPLICATED).bootstrap().start(1, { rack: racks[0] });
  harness.create({ name: OFFSETS_TOPIC, partitions, replicationFactor: 1 });
  for (const [at, rack] of racks.entries()) if (at > 0) harness.start(at + 1, { rack });
  return harness;
}

function partitionsOf(harness: MetadataHarness) {
  const id = harness.state.topicIdsByName.get(OFFSETS_TOPIC);
  return (id === undefined ? undefined : harness.state.topics.get(id)?.partitions) ?? [];
}

/** All replicas of these partitions are in sync: their leaders say so. */
function catchUp(harness: MetadataHarness, partitions: readonly number[]): void {
  const epochOf = (id: NodeId): BrokerEpoch => harness.epoch(id) as BrokerEpoch;
  for (const brokerId of harness.state.brokers.keys()) {
    const led = partitionsOf(harness).filter(({ partition, leader }) => leader === brokerId && partitions.includes(partition));
    const proposals = led.map((one) => {
      return { ...one, newIsr: one.replicas.map((id) => ({ brokerId: id, brokerEpoch: epochOf(id) })) };
    });
    if (proposals.length === 0) continue;
    harness.run(alterPartition(harness.state, { brokerId, brokerEpoch: epochOf(brokerId), proposals }));
  }
}

function grow(harness: MetadataHarness): number[] {
  const outcomes = harness.run(growOffsetsTopic(harness.state, REPLICATED));
  for (const { error } of outcomes) expect(error).toBeUndefined();
  return outcomes.map(({ partition }) => partition);
}

function growFully(harness: MetadataHarness): void {
  for (let round = 1; round < 100; round += 1) {
    const partitions = grow(harness);
    if (partitions.length === 0) return;
    catchUp(harness, partitions);
  }
  throw new Error('it never ends');
}

describe('the replicas of the offsets topic', () => {
  it('are three, but no more than there are live brokers, than are allowed, or than the config says', () => {
    const harness = grownTo([undefined], 1);
    expect(offsetsTopicReplicas(new MetadataHarness().bootstrap().state, REPLICATED)).toBe(1);
    expect(offsetsTopicReplicas(harness.state, REPLICATED)).toBe(1);
    harness.start(2).start(3);
    harness.register(4);
    expect(offsetsTopicReplicas(harness.state, REPLICATED)).toBe(3);
    expect(offsetsTopicReplicas(harness.state, { replicationFactorMax: 1 })).toBe(1);
    harness.heartbeat(3, { wantFence: true });
    expect(offsetsTopicReplicas(harness.state, REPLICATED)).toBe(2);
    const changes = [{ name: 'offsets.topic.replication.factor', operation: 'set' as const, value: '1' }];
    const resource = { resourceType: 4, resourceName: '', changes, replaceAll: false };
    harness.run(alterConfigs(harness.state, { resources: [resource], validateOnly: false }, REPLICATED));
    expect(offsetsTopicReplicas(harness.state, REPLICATED)).toBe(1);
  });
});

describe('the growth of the offsets topic', () => {
  it('is nothing where there is no topic, where it has enough replicas, and where more are not allowed', () => {
    expect(offsetsTopicGrowth(new MetadataHarness().bootstrap().state, REPLICATED)).toEqual([]);
    expect(offsetsTopicGrowth(grownTo([undefined], 5).state, REPLICATED)).toEqual([]);
    expect(offsetsTopicGrowth(grownTo([undefined, undefined], 5).state, { replicationFactorMax: 1 })).toEqual([]);
  });

  it('only adds replicas, up to three, on as many racks as there are, evenly, with leaders on all', () => {
    const racks = fc.array(fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(racks, fc.integer({ min: 1, max: 15 }), (ofBrokers, count) => {
        const harness = grownTo(ofBrokers, count);
        growFully(harness);
        const partitions = partitionsOf(harness);
        const wanted = Math.min(3, ofBrokers.length);
        const rackOf = (id: NodeId): string | undefined => ofBrokers[id - 1];
        const leads = new Map<NodeId, number>();
        for (const { replicas } of partitions) {
          expect(replicas).toHaveLength(wanted);
          expect(new Set(replicas).size).toBe(wanted);
          expect(replicas).toContain(1);
          expect(new Set(replicas.map(rackOf)).size).toBe(Math.min(wanted, new Set(ofBrokers).size));
          const [leader] = replicas;
          if (leader !== undefined) leads.set(leader, (leads.get(leader) ?? 0) + 1);
        }
        if (ofBrokers.length > 3 || new Set(ofBrokers).size > 1) return;
        for (const led of leads.values()) expect(Math.abs(led - count / wanted)).toBeLessThan(1);
      }),
      { numRuns: 12 },
    );
  });

  it('takes ten partitions at a time, those that are under way included, unless they wait for a broker that is gone', () => {
    const harness = grownTo([undefined, undefined], 25);
    expect(grow(harness)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(grow(harness)).toEqual([]);
    catchUp(harness, [0, 1, 2, 3]);
    expect(grow(harness)).toEqual([10, 11, 12, 13]);
    expect(grow(harness)).toEqual([]);
    harness.start(3);
    harness.heartbeat(2, { wantFence: true });
    const others = offsetsTopicGrowth(harness.state, REPLICATED);
    expect(others).toHaveLength(10);
    expect(others.every(({ replicas }) => replicas.includes(3 as NodeId) && !replicas.includes(2 as NodeId))).toBe(true);
  });

  it('goes on when more brokers join, without moving what is there', () => {
    const harness = grownTo([undefined, undefined], 12);
    growFully(harness);
    const before = partitionsOf(harness).map(({ replicas }) => replicas);
    harness.start(3);
    harness.start(4);
    growFully(harness);
    const after = partitionsOf(harness).map(({ replicas }) => replicas);
    for (const [at, replicas] of after.entries()) expect(replicas).toEqual(expect.arrayContaining([...(before[at] ?? [])]));
    const ofNew = [3, 4].map((id) => after.filter((replicas) => replicas.includes(id as NodeId)).length);
    expect(ofNew).toEqual([6, 6]);
  });
});
