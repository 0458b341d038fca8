import { beforeEach, describe, expect, it } from 'vitest';
import { MetadataHarness } from '@streamline/testing/metadata/metadata-harness';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, NodeId, PartitionIndex, TopicId } from '../types/ids';
import { alterPartition } from './alter-partition';
import { brokerGone, brokerHeartbeat } from './brokers';
import type { ElectionKind } from './elect-leaders';
import { balanceLeaders, electLeaders } from './elect-leaders';

let harness: MetadataHarness;

function elect(kind: ElectionKind, partitions?: readonly number[], name = 't') {
  const topics = partitions === undefined ? undefined : [{ name, partitions }];
  return harness.run(electLeaders(harness.state, { kind, topics })).map(({ error }) => error?.errorCode ?? 0);
}

function lose(id: number): void {
  harness.run(brokerGone(harness.state, id as NodeId, harness.epoch(id) as BrokerEpoch));
}

/** The leader of the partition takes the broker into the ISR. */
function join(id: number, partition = 0): void {
  const known = harness.partition('t', partition);
  if (known?.leader === undefined) throw new Error('nobody leads');
  const { topicId, leader, leaderEpoch, partitionEpoch, isr } = known;
  const newIsr = [...isr, id].map((each) => ({ brokerId: each as NodeId, brokerEpoch: harness.epoch(each) as BrokerEpoch }));
  const proposal = { topicId, partition: partition as PartitionIndex, leaderEpoch, partitionEpoch, newIsr };
  const command = { brokerId: leader, brokerEpoch: harness.epoch(leader) as BrokerEpoch, proposals: [proposal] };
  harness.run(alterPartition(harness.state, command));
}

beforeEach(() => {
  harness = new MetadataHarness({ replicationFactorMax: 3 }).bootstrap();
  for (const id of [1, 2, 3]) harness.start(id);
  const assignments = [0, 1].map((partition) => ({ partition, replicas: [1, 2, 3] as NodeId[] }));
  harness.create({ name: 't', assignments });
});

describe('the election of preferred leaders', () => {
  it('makes the first replica leader again once it is back in the ISR', () => {
    lose(1);
    harness.heartbeat(1);
    expect(elect('preferred', [0])).toEqual([ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE]);
    join(1);
    expect(elect('preferred', [0, 1])).toEqual([0, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE]);
    expect(harness.partition('t')).toMatchObject({ leader: 1, leaderEpoch: 2 });
    expect(elect('preferred', [0])).toEqual([ErrorCode.ELECTION_NOT_NEEDED]);
  });

  it('of all partitions tells only of those that need it', () => {
    expect(elect('preferred')).toEqual([]);
    lose(1);
    harness.heartbeat(1);
    join(1, 1);
    expect(elect('preferred')).toEqual([ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, 0]);
  });

  it('is refused for topics and partitions that are not there', () => {
    expect(elect('preferred', [5])).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
    expect(elect('preferred', [0], 'x')).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]);
  });
});

describe('an unclean election', () => {
  it('makes anybody leader where nobody leads, as an operator asks', () => {
    expect(elect('unclean', [0])).toEqual([ErrorCode.ELECTION_NOT_NEEDED]);
    for (const id of [2, 3, 1]) lose(id);
    expect(elect('unclean', [0])).toEqual([ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE]);
    harness.heartbeat(3);
    expect(harness.partition('t')?.leader).toBeUndefined();
    expect(elect('unclean', [0])).toEqual([0]);
    expect(harness.partition('t', 0)).toMatchObject({ leader: 3, isr: [3], elr: [] });
    expect(harness.partition('t', 1)?.leader).toBeUndefined();
  });
});

describe('the balance of leaders', () => {
  it('gives leaderships back, a bounded number at a time', () => {
    lose(1);
    harness.heartbeat(1);
    expect(harness.run(balanceLeaders(harness.state))).toBe(0);
    for (const partition of [0, 1]) join(1, partition);
    expect(harness.run(balanceLeaders(harness.state, 1))).toBe(1);
    expect([0, 1].map((partition) => harness.partition('t', partition)?.leader)).toEqual([1, 2]);
    expect(harness.run(balanceLeaders(harness.state))).toBe(1);
    expect(harness.run(balanceLeaders(harness.state))).toBe(0);
  });
});

describe('a broker that stops', () => {
  it('gives its leaderships away and leaves the ISRs before it is told to go (controlled shutdown)', () => {
    const command = {
      ...{ brokerId: 1 as NodeId, brokerEpoch: harness.epoch(1) as BrokerEpoch, appliedMetadataIndex: harness.state.index },
      ...{ wantFence: false, wantShutdown: true },
    };
    const decision = brokerHeartbeat(harness.state, command);
    expect(decision.answer).toMatchObject({ shouldShutDown: true });
    expect(decision.entries.map((records) => records[0]?.kind)).toEqual(['partitionChange', 'brokerState']);
    harness.run(decision);
    for (const partition of [0, 1]) expect(harness.partition('t', partition)).toMatchObject({ leader: 2, isr: [2, 3] });
    harness.heartbeat(2, { wantShutdown: true });
    harness.heartbeat(3, { wantShutdown: true });
    expect(harness.partition('t')).toMatchObject({ leader: undefined, isr: [], elr: [3] });
    harness.start(1, { incarnation: 'second' });
    expect(harness.partition('t')?.leader).toBeUndefined();
    harness.start(3, { incarnation: 'second' });
    expect(harness.partition('t')).toMatchObject({ leader: 3, isr: [3] });
  });
});

describe('the loss of a broker that leads thousands of partitions', () => {
  it('gives each another leader in as few entries as their bound allows, and keeps all who are in sync', () => {
    const large = new MetadataHarness({ replicationFactorMax: 3 }).bootstrap();
    for (const id of [1, 2, 3]) large.start(id);
    const partitions = Array.from({ length: 5000 }, (_, partition) => ({
      kind: 'partition' as const,
      topicId: 'large' as TopicId,
      partition: partition as PartitionIndex,
      ...{ replicas: [1, 2, 3] as NodeId[], isr: [1, 2, 3] as NodeId[], elr: [], lastKnownElr: [] },
      ...{ addingReplicas: [], removingReplicas: [], failedReplicas: [] },
      ...{ leader: 1 as NodeId, leaderEpoch: 0 as never, partitionEpoch: 0 },
    }));
    large.run({ entries: [[{ kind: 'topic', topicId: 'large' as TopicId, name: 'large' }, ...partitions]], answer: undefined });
    const decision = brokerGone(large.state, 1 as NodeId, large.epoch(1) as BrokerEpoch);
    expect(decision.entries).toHaveLength(4);
    large.run(decision);
    const after = large.state.topics.get('large' as TopicId)?.partitions ?? [];
    expect(after).toHaveLength(5000);
    expect(after.every(({ leader, isr, leaderEpoch }) => leader === 2 && isr.length === 2 && leaderEpoch === 1)).toBe(true);
  });
});
