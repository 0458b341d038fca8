import { describe, expect, it } from 'vitest';
import { MetadataHarness } from '@streamline/testing/metadata/metadata-harness';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, NodeId } from '../types/ids';
import { alterPartition } from './alter-partition';
import { brokerGone } from './brokers';
import { cancelDrain, drainBroker, replaceForgottenReplicas } from './drain-broker';
import { movingPartitions } from './reassignments';
import { removeBroker } from './remove-broker';

const RACKS = ['a', 'a', 'b', 'b', 'c'];

function cluster(brokers: number, { racks = false, limit = 5 } = {}): MetadataHarness {
  const harness = new MetadataHarness({ replicationFactorMax: limit }).bootstrap();
  for (let id = 1; id <= brokers; id++) {
    const rack = RACKS[id - 1];
    harness.start(id, { ...(racks && rack !== undefined && { rack }) });
  }
  return harness;
}

function drain(harness: MetadataHarness, id: number) {
  return harness.run(drainBroker(harness.state, id as NodeId, harness.limits));
}

/** Every leader takes all that are added into the ISR. */
function copyAll(harness: MetadataHarness): void {
  for (const { partition: moving } of [...movingPartitions(harness.state)]) {
    const { topicId, partition, leader, leaderEpoch, partitionEpoch, isr, addingReplicas } = moving;
    if (leader === undefined) continue;
    const newIsr = [...isr, ...addingReplicas].map((id) => ({ brokerId: id, brokerEpoch: harness.epoch(id) as BrokerEpoch }));
    const proposals = [{ topicId, partition, leaderEpoch, partitionEpoch, newIsr }];
    const command = { brokerId: leader, brokerEpoch: harness.epoch(leader) as BrokerEpoch, proposals };
    harness.run(alterPartition(harness.state, command));
  }
}

function partitionsOn(harness: MetadataHarness, id: number): number {
  const all = [...harness.state.topics.values()].flatMap(({ partitions }) => partitions);
  return all.filter(({ replicas }) => replicas.includes(id as NodeId)).length;
}

describe('draining a broker', () => {
  it('moves all its replicas to the others, evenly, and it can be removed then', () => {
    const harness = cluster(4);
    harness.create({ name: 'a', partitions: 12, replicationFactor: 2 }, { name: 'b', partitions: 9, replicationFactor: 1 });
    const before = partitionsOn(harness, 2);
    expect(drain(harness, 2)).toMatchObject({ error: undefined, held: { total: before }, waiting: { total: 0 } });
    expect([...movingPartitions(harness.state)]).toHaveLength(before);
    const { partitionEpoch } = harness.partition('a') ?? {};
    expect(drain(harness, 2).held.total).toBe(before);
    expect(harness.partition('a')?.partitionEpoch).toBe(partitionEpoch);
    copyAll(harness);
    expect(drain(harness, 2)).toMatchObject({ error: undefined, held: { total: 0 } });
    const counts = [1, 3, 4].map((id) => partitionsOn(harness, id));
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(harness.run(removeBroker(harness.state, { brokerId: 2 as NodeId, force: false })).error).toBeUndefined();
  });

  it('keeps replicas spread over racks', () => {
    const harness = cluster(5, { racks: true });
    harness.create({ name: 'a', partitions: 10, replicationFactor: 3 });
    drain(harness, 1);
    copyAll(harness);
    for (const { replicas } of harness.state.topics.get(harness.partition('a')?.topicId as never)?.partitions ?? []) {
      expect(new Set(replicas.map((id) => RACKS[id - 1])).size).toBe(3);
    }
  });

  it('moves what was placed there meanwhile when it is asked again', () => {
    const harness = cluster(3);
    harness.create({ name: 'a', replicationFactor: 1, partitions: 3 });
    drain(harness, 1);
    harness.create({ name: 'late', assignments: [{ partition: 0, replicas: [1] as NodeId[] }] });
    drain(harness, 1);
    copyAll(harness);
    expect(partitionsOn(harness, 1)).toBe(0);
  });

  it('moves nothing to others that are to leave', () => {
    const harness = cluster(4);
    harness.create({ name: 'a', partitions: 12, replicationFactor: 2 });
    drain(harness, 1);
    drain(harness, 2);
    harness.create({ name: 'late', assignments: [{ partition: 0, replicas: [1] as NodeId[] }] });
    drain(harness, 1);
    copyAll(harness);
    expect([1, 2].map((id) => partitionsOn(harness, id))).toEqual([0, 0]);
  });

  it('is refused where replicas fit nowhere, and then nothing moves', () => {
    const harness = cluster(3);
    harness.create({ name: 'narrow', replicationFactor: 1 }, { name: 'wide', replicationFactor: 3, partitions: 2 });
    const { error, held } = drain(harness, 2);
    expect(error).toMatchObject({ errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT });
    expect(error?.message).toContain(
      'of 2 partition(s), wide-0, wide-1, on broker 2 fit nowhere: there are 2 other live broker(s)',
    );
    expect(held.names).toContain('wide-1');
    expect([...movingPartitions(harness.state)]).toEqual([]);
  });

  it('is refused as long as replicas are not copied, and by an old metadata version', () => {
    const alone = cluster(2, { limit: 1 });
    alone.create({ name: 'a', assignments: [{ partition: 0, replicas: [1] as NodeId[] }] });
    expect(drain(alone, 1).error).toMatchObject({ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR });
    const old = cluster(2);
    old.create({ name: 'a', assignments: [{ partition: 0, replicas: [1] as NodeId[] }] });
    old.run({ entries: [[{ kind: 'featureLevel', name: 'metadata.version', level: 1 }]], answer: undefined });
    expect(drain(old, 1).error).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
  });

  it('tells which partitions nobody leads, so that nobody can copy them', () => {
    const harness = cluster(3);
    harness.create({ name: 'a', assignments: [{ partition: 0, replicas: [1] as NodeId[] }] });
    harness.run(brokerGone(harness.state, 1 as NodeId, harness.epoch(1) as BrokerEpoch));
    expect(drain(harness, 1)).toMatchObject({ error: undefined, waiting: { names: ['a-0'] } });
    harness.heartbeat(1);
    copyAll(harness);
    expect(partitionsOn(harness, 1)).toBe(0);
  });

  it('is called off: everything is where it was', () => {
    const harness = cluster(4);
    harness.create({ name: 'a', partitions: 8, replicationFactor: 2 });
    const before = partitionsOn(harness, 3);
    drain(harness, 3);
    expect(harness.run(cancelDrain(harness.state, 3 as NodeId))).toBe(before);
    expect([...movingPartitions(harness.state)]).toEqual([]);
    expect(partitionsOn(harness, 3)).toBe(before);
  });
});

describe('replicas of a broker that was removed by force', () => {
  it('move to others where there is room, and stay where there is none or nobody leads', () => {
    const harness = cluster(3);
    const on = (...replicas: number[]) => [{ partition: 0, replicas: replicas as NodeId[] }];
    harness.create(
      { name: 'two', assignments: on(1, 2) },
      { name: 'three', assignments: on(1, 2, 3) },
      { name: 'lost', assignments: on(1) },
    );
    const replace = () => harness.run(replaceForgottenReplicas(harness.state, harness.limits));
    expect(replace()).toBe(0);
    expect(harness.run(removeBroker(harness.state, { brokerId: 1 as NodeId, force: true })).error).toBeUndefined();
    expect(replace()).toBe(1);
    expect(harness.partition('two')).toMatchObject({ replicas: [3, 2, 1], addingReplicas: [3], removingReplicas: [1] });
    expect(replace()).toBe(0);
    copyAll(harness);
    expect(harness.partition('two')).toMatchObject({ replicas: [3, 2], isr: [2, 3] });
    expect(harness.partition('three')).toMatchObject({ replicas: [1, 2, 3], isr: [2, 3] });
    harness.start(4);
    expect(replace()).toBe(1);
    copyAll(harness);
    expect(harness.partition('three')).toMatchObject({ replicas: [4, 2, 3] });
    expect(harness.partition('lost')).toMatchObject({ replicas: [1], leader: undefined });
  });
});
