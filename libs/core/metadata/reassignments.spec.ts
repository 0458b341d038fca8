import { beforeEach, describe, expect, it } from 'vitest';
import { MetadataHarness } from '@streamline/testing/metadata/metadata-harness';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, NodeId, PartitionIndex } from '../types/ids';
import { alterPartition } from './alter-partition';
import { brokerGone } from './brokers';
import { alterReassignments, movingPartitions } from './reassignments';

let harness: MetadataHarness;

function reassign(replicas: readonly number[] | undefined, { topic = 't', partition = 0, allowChange = true } = {}) {
  const topics = [{ name: topic, partitions: [{ partition, replicas: replicas as NodeId[] | undefined }] }];
  const command = { topics, allowReplicationFactorChange: allowChange };
  return harness.run(alterReassignments(harness.state, command, harness.limits))[0]?.error;
}

function current() {
  const partition = harness.partition('t');
  if (partition === undefined) throw new Error('no topic t');
  return partition;
}

/** The leader's proposal of an ISR; the error code, or what it came to. */
function propose(...isr: readonly number[]) {
  const { topicId, leader, leaderEpoch, partitionEpoch } = current();
  const newIsr = isr.map((id) => ({ brokerId: id as NodeId, brokerEpoch: harness.epoch(id) as BrokerEpoch }));
  const proposal = { topicId, partition: 0 as PartitionIndex, leaderEpoch, partitionEpoch, newIsr };
  const brokerId = leader ?? (0 as NodeId);
  const command = { brokerId, brokerEpoch: harness.epoch(brokerId) as BrokerEpoch, proposals: [proposal] };
  const answer = harness.run(alterPartition(harness.state, command));
  return 'errorCode' in answer ? answer : answer[0]?.outcome;
}

function lose(id: number): void {
  harness.run(brokerGone(harness.state, id as NodeId, harness.epoch(id) as BrokerEpoch));
}

beforeEach(() => {
  harness = new MetadataHarness({ replicationFactorMax: 5 }).bootstrap();
  for (const id of [1, 2, 3, 4, 5]) harness.start(id);
  const configs = [{ name: 'min.insync.replicas', value: '2' }];
  harness.create({ name: 't', assignments: [{ partition: 0, replicas: [1, 2, 3] as NodeId[] }], configs });
});

describe('a reassignment', () => {
  it('adds before it drops: it ends with the ISR that has all that are added, in a new leader epoch', () => {
    expect(reassign([4, 5, 3])).toBeUndefined();
    expect(current()).toMatchObject({ replicas: [4, 5, 3, 1, 2], addingReplicas: [4, 5], removingReplicas: [1, 2] });
    expect(current()).toMatchObject({ isr: [1, 2, 3], leader: 1, leaderEpoch: 0 });
    expect(propose(1, 2, 3, 4)).toMatchObject({ leader: 1, leaderEpoch: 0 });
    expect(current()).toMatchObject({ removingReplicas: [1, 2] });
    expect(propose(1, 2, 3, 4, 5)).toMatchObject({ errorCode: ErrorCode.NEW_LEADER_ELECTED });
    expect(current()).toMatchObject({ replicas: [4, 5, 3], addingReplicas: [], removingReplicas: [], leaderEpoch: 1, leader: 4 });
    expect(current().isr.toSorted()).toEqual([3, 4, 5]);
  });

  it('leaves a leader that stays where it is, with a new leader epoch for the drop (REPL-18)', () => {
    reassign([1, 2, 4]);
    expect(propose(1, 2, 3, 4)).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [1, 2, 4] });
    expect(current()).toMatchObject({ replicas: [1, 2, 4], removingReplicas: [] });
  });

  it('that only drops or only reorders is over at once', () => {
    reassign([3, 2, 1]);
    expect(current()).toMatchObject({ replicas: [3, 2, 1], leader: 1, leaderEpoch: 0, partitionEpoch: 1 });
    reassign([3, 2]);
    expect(current()).toMatchObject({ replicas: [3, 2], isr: [2, 3], leader: 3, leaderEpoch: 1 });
    reassign([3, 2]);
    expect(current().partitionEpoch).toBe(2);
  });

  it('does not take the ISR below its minimum by a drop', () => {
    propose(1, 2);
    expect(reassign([3, 1, 4])).toBeUndefined();
    expect(propose(1, 2, 4)).toMatchObject({ isr: [1, 4], leaderEpoch: 1 });
    reassign([3, 4, 5]);
    expect(propose(1, 5)).toMatchObject({ isr: [1, 5] });
    expect(current()).toMatchObject({ removingReplicas: [1], addingReplicas: [5] });
    propose(1, 5, 4);
    expect(current()).toMatchObject({ replicas: [3, 4, 5], isr: [5, 4], leader: 4 });
  });

  it('goes on over the loss of its leader', () => {
    reassign([4, 5, 3]);
    lose(1);
    expect(current()).toMatchObject({ leader: 3, isr: [2, 3], addingReplicas: [4, 5] });
    propose(2, 3, 4, 5);
    expect(current()).toMatchObject({ replicas: [4, 5, 3], isr: [3, 4, 5], leader: 3 });
  });

  it('gives way to a later one: what nobody wants any more is dropped at once', () => {
    reassign([4, 2, 3]);
    propose(1, 2, 3);
    reassign([5, 2, 3]);
    expect(current()).toMatchObject({ replicas: [5, 2, 3, 1], addingReplicas: [5], removingReplicas: [1], leaderEpoch: 1 });
  });

  it('gives way to a later one that keeps those it added, whose copies go on', () => {
    reassign([4, 5, 3]);
    propose(1, 2, 3, 4);
    reassign([4, 2, 3]);
    expect(current()).toMatchObject({ replicas: [4, 2, 3], isr: [2, 3, 4], addingReplicas: [], leader: 4 });
  });

  it('is called off: the partition is as it was', () => {
    reassign([4, 5, 3]);
    propose(1, 2, 3, 4);
    expect(reassign(undefined)).toBeUndefined();
    expect(current()).toMatchObject({ replicas: [3, 1, 2], isr: [1, 2, 3], addingReplicas: [], removingReplicas: [] });
    expect(reassign(undefined)).toMatchObject({ errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS });
  });

  it('is not called off where only those that it adds have all records', () => {
    reassign([4, 5]);
    propose(1, 4);
    propose(1, 2, 3, 4);
    for (const id of [2, 3, 1]) lose(id);
    expect(current()).toMatchObject({ isr: [4], leader: 4, addingReplicas: [4, 5] });
    propose(4);
    expect(reassign(undefined)).toBeUndefined();
    expect(current()).toMatchObject({ replicas: [1, 2, 3], isr: [], elr: [1], leader: undefined });
  });

  it('is told of as long as it lasts', () => {
    const moving = () => [...movingPartitions(harness.state)].map(({ topic, partition }) => `${topic}-${partition.partition}`);
    expect(moving()).toEqual([]);
    reassign([4, 2, 3]);
    expect(moving()).toEqual(['t-0']);
    propose(1, 2, 3, 4);
    expect(moving()).toEqual([]);
  });
});

describe('a reassignment that cannot be', () => {
  it.each([
    ['an unknown partition', [1], { partition: 7 }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['an unknown topic', [1], { topic: 'x' }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['no replicas', [], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ['a broker twice', [1, 1], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ['a broker that is not registered', [1, 9], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    [
      'another replication factor where that is not allowed',
      [1, 2],
      { allowChange: false },
      ErrorCode.INVALID_REPLICATION_FACTOR,
    ],
    ['a cancellation where nothing moves', undefined, {}, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS],
  ])('is refused: %s', (_, replicas, rest, errorCode) => {
    expect(reassign(replicas, rest)).toMatchObject({ errorCode });
    expect(current().partitionEpoch).toBe(0);
  });

  it('is refused where an older version would lose what is written of it', () => {
    harness.run({ entries: [[{ kind: 'featureLevel', name: 'metadata.version', level: 1 }]], answer: undefined });
    expect(reassign([4, 2, 3])).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
  });

  it('is refused where there would be more replicas than are built', () => {
    const command = { topics: [{ name: 't', partitions: [{ partition: 0, replicas: [4] as NodeId[] }] }] };
    const limits = { replicationFactorMax: 1 };
    const answer = alterReassignments(harness.state, { ...command, allowReplicationFactorChange: true }, limits).answer;
    expect(answer[0]?.error).toMatchObject({ errorCode: ErrorCode.INVALID_REPLICATION_FACTOR });
  });

  it('does not keep others of the request from moving', () => {
    const partitions = [
      { partition: 0, replicas: [3, 2, 1] as NodeId[] },
      { partition: 0, replicas: [1] as NodeId[] },
      { partition: 8, replicas: [1] as NodeId[] },
    ];
    const command = { topics: [{ name: 't', partitions }], allowReplicationFactorChange: true };
    const answer = harness.run(alterReassignments(harness.state, command, harness.limits));
    expect(answer.map(({ error }) => error?.errorCode ?? 0)).toEqual([
      0,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]);
    expect(current().replicas).toEqual([3, 2, 1]);
  });
});
