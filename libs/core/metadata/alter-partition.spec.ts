import { beforeEach, describe, expect, it } from 'vitest';
import { MetadataHarness } from '@streamline/testing/metadata/metadata-harness';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, PartitionIndex } from '../types/ids';
import type { FailedReplicas, IsrProposal } from './alter-partition';
import { alterPartition, reportFailedReplicas } from './alter-partition';
import { brokerGone } from './brokers';

let harness: MetadataHarness;

interface Proposed {
  readonly partition?: number;
  readonly leaderEpoch?: number;
  readonly partitionEpoch?: number;
  /** Broker epochs in place of the registered ones. */
  readonly epochs?: Readonly<Record<number, number>>;
}

function proposal(isr: readonly number[], { partition = 0, epochs = {}, ...rest }: Proposed = {}): IsrProposal {
  const known = harness.partition('t', partition) ?? harness.partition('t');
  if (known === undefined) throw new Error('no topic t');
  return {
    topicId: known.topicId,
    partition: partition as PartitionIndex,
    leaderEpoch: (rest.leaderEpoch ?? known.leaderEpoch) as LeaderEpoch,
    partitionEpoch: rest.partitionEpoch ?? known.partitionEpoch,
    newIsr: isr.map((id) => ({ brokerId: id as NodeId, brokerEpoch: (epochs[id] ?? harness.epoch(id)) as BrokerEpoch })),
  };
}

function propose(proposals: readonly IsrProposal[], by = 1, brokerEpoch = harness.epoch(by)) {
  const command = { brokerId: by as NodeId, brokerEpoch: brokerEpoch as BrokerEpoch, proposals };
  return harness.run(alterPartition(harness.state, command));
}

/** The error of a single proposal, or what it came to. */
function outcome(isr: readonly number[], rest: Proposed & { readonly by?: number } = {}) {
  const answer = propose([proposal(isr, rest)], rest.by);
  return 'errorCode' in answer ? answer : answer[0]?.outcome;
}

function lose(id: number): void {
  harness.run(brokerGone(harness.state, id as NodeId, harness.epoch(id) as BrokerEpoch));
}

function failLogs(
  id: number,
  partitions: readonly number[],
  brokerEpoch = harness.epoch(id),
  condition: FailedReplicas['condition'] = 'failed',
) {
  const topicId = harness.partition('t')?.topicId;
  if (topicId === undefined) throw new Error('no topic t');
  const topics = [{ topicId, partitions: partitions as PartitionIndex[] }];
  return harness.run(
    reportFailedReplicas(harness.state, {
      brokerId: id as NodeId,
      brokerEpoch: brokerEpoch as BrokerEpoch,
      topics,
      condition,
    }),
  );
}

beforeEach(() => {
  harness = new MetadataHarness({ replicationFactorMax: 5 }).bootstrap();
  for (const id of [1, 2, 3]) harness.start(id);
  const assignments = [0, 1].map((partition) => ({ partition, replicas: [1, 2, 3] as NodeId[] }));
  harness.create({ name: 't', assignments, configs: [{ name: 'min.insync.replicas', value: '2' }] });
});

describe('AlterPartition', () => {
  it('shrinks and expands the ISR, and moves the partition epoch on each time', () => {
    expect(outcome([1, 2])).toEqual({ leader: 1, leaderEpoch: 0, partitionEpoch: 1, isr: [1, 2] });
    expect(outcome([1])).toMatchObject({ partitionEpoch: 2, isr: [1] });
    expect(harness.partition('t')).toMatchObject({ isr: [1], elr: [2], leader: 1, leaderEpoch: 0 });
    expect(outcome([1, 3])).toMatchObject({ partitionEpoch: 3, isr: [1, 3] });
    expect(harness.partition('t')).toMatchObject({ isr: [1, 3], elr: [] });
  });

  it('gives the ISR that is there already a partition epoch of its own: a proposal that is withdrawn comes too late', () => {
    const late = proposal([1, 2]);
    expect(outcome([1, 2, 3], { epochs: { 2: -1, 3: -1 } })).toMatchObject({ partitionEpoch: 1, isr: [1, 2, 3] });
    expect(propose([late])).toMatchObject([{ outcome: { errorCode: ErrorCode.INVALID_UPDATE_VERSION } }]);
    expect(harness.partition('t')?.isr).toEqual([1, 2, 3]);
  });

  it('refuses what comes of an older registration of the broker, as a whole', () => {
    expect(propose([proposal([1])], 1, harness.epoch(1) - 1)).toMatchObject({ errorCode: ErrorCode.STALE_BROKER_EPOCH });
    expect(propose([proposal([1])], 9)).toMatchObject({ errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED });
  });

  it('decides each partition by itself', () => {
    const unknown = { ...proposal([1]), topicId: 'unknownunknownunknown0' as never };
    const answer = propose([unknown, proposal([1, 2], { partition: 1 }), proposal([1], { partition: 7 })]);
    expect(answer).toMatchObject([
      { outcome: { errorCode: ErrorCode.UNKNOWN_TOPIC_ID } },
      { partition: 1, outcome: { isr: [1, 2] } },
      { outcome: { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION } },
    ]);
    expect(harness.partition('t', 0)?.partitionEpoch).toBe(0);
  });

  it('takes the first of two proposals for one partition', () => {
    expect(propose([proposal([1, 2]), proposal([1, 3])])).toMatchObject([
      { outcome: { isr: [1, 2] } },
      { outcome: { errorCode: ErrorCode.INVALID_REQUEST } },
    ]);
    expect(harness.partition('t')).toMatchObject({ isr: [1, 2], partitionEpoch: 1 });
  });

  it('fences leaders of earlier epochs and refuses who does not lead', () => {
    lose(1);
    expect(harness.partition('t')).toMatchObject({ leader: 2, leaderEpoch: 1 });
    expect(outcome([1, 2], { leaderEpoch: 0 })).toMatchObject({ errorCode: ErrorCode.FENCED_LEADER_EPOCH });
    expect(outcome([3], { by: 3 })).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
    expect(outcome([2, 3], { by: 2 })).toMatchObject({ leaderEpoch: 1, isr: [2, 3] });
  });

  it('asks a leader that knows later epochs than this controller to try again', () => {
    expect(outcome([1], { leaderEpoch: 4 })).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER });
    expect(outcome([1], { partitionEpoch: 4 })).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER });
  });

  it.each([
    ['names a broker twice', [1, 2, 2]],
    ['lacks the leader', [2, 3]],
    ['names somebody who is no replica', [1, 4]],
    ['is empty', []],
  ])('refuses an ISR that %s', (_, isr) => {
    harness.start(4);
    expect(outcome(isr)).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
  });

  it('takes no broker into the ISR that is fenced, shuts down, or is another incarnation (KIP-841, KIP-903)', () => {
    outcome([1]);
    const ineligible = { errorCode: ErrorCode.INELIGIBLE_REPLICA };
    expect(outcome([1, 2], { epochs: { 2: harness.epoch(2) - 1 } })).toMatchObject(ineligible);
    harness.heartbeat(2, { wantFence: true });
    expect(outcome([1, 2])).toMatchObject(ineligible);
    harness.heartbeat(3, { wantShutdown: true });
    expect(outcome([1, 3])).toMatchObject(ineligible);
    harness.heartbeat(2);
    expect(outcome([1, 2])).toMatchObject({ isr: [1, 2] });
  });
});

describe('replicas whose logs failed', () => {
  it('leave the ISR, and others lead', () => {
    expect(failLogs(1, [0])).toBeUndefined();
    expect(harness.partition('t', 0)).toMatchObject({ leader: 2, leaderEpoch: 1, isr: [2, 3], failedReplicas: [1] });
    expect(harness.partition('t', 1)).toMatchObject({ leader: 1, isr: [1, 2, 3], failedReplicas: [] });
  });

  it('are not taken back into the ISR nor elected until their broker begins anew', () => {
    failLogs(1, [0]);
    expect(outcome([2, 1], { by: 2 })).toMatchObject({ errorCode: ErrorCode.INELIGIBLE_REPLICA });
    failLogs(2, [0]);
    failLogs(3, [0]);
    expect(harness.partition('t', 0)).toMatchObject({ leader: undefined, isr: [], elr: [], lastKnownElr: [3] });
    harness.heartbeat(3, { wantFence: true });
    harness.heartbeat(3);
    expect(harness.partition('t', 0)).toMatchObject({ leader: undefined, failedReplicas: [1, 2, 3] });
    harness.start(3, { incarnation: 'second' });
    expect(harness.partition('t', 0)).toMatchObject({ leader: 3, isr: [3], failedReplicas: [1, 2] });
  });

  it('are told again without effect, and are passed over where there is no such replica', () => {
    failLogs(1, [0, 0]);
    const { partitionEpoch } = harness.partition('t', 0) ?? {};
    expect(failLogs(1, [0, 8])).toBeUndefined();
    expect(harness.partition('t', 0)?.partitionEpoch).toBe(partitionEpoch);
    harness.start(4);
    expect(failLogs(4, [1])).toBeUndefined();
    expect(harness.partition('t', 1)?.failedReplicas).toEqual([]);
  });

  it('are told by the registered incarnation only', () => {
    expect(failLogs(1, [0], harness.epoch(1) - 1)).toMatchObject({ errorCode: ErrorCode.STALE_BROKER_EPOCH });
  });

  it('are refused where an older version would lose what is written of them', () => {
    harness.run({ entries: [[{ kind: 'featureLevel', name: 'metadata.version', level: 1 }]], answer: undefined });
    expect(failLogs(1, [0])).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
    expect(harness.partition('t', 0)).toMatchObject({ leader: 1, failedReplicas: [] });
  });
});

describe('replicas of a broker without space', () => {
  const tell = (id: number, condition: 'full' | 'whole') => failLogs(id, [0], harness.epoch(id), condition);

  it('leave the ISR, others lead, and they join again when there is space', () => {
    expect(tell(1, 'full')).toBeUndefined();
    expect(harness.partition('t', 0)).toMatchObject({ leader: 2, leaderEpoch: 1, isr: [2, 3], failedReplicas: [1] });
    expect(outcome([2, 3, 1], { by: 2 })).toMatchObject({ errorCode: ErrorCode.INELIGIBLE_REPLICA });
    tell(1, 'whole');
    expect(harness.partition('t', 0)).toMatchObject({ leader: 2, isr: [2, 3], failedReplicas: [] });
    expect(outcome([2, 3, 1], { by: 2 })).toMatchObject({ isr: [2, 3, 1] });
  });

  it('lead on where nobody else can: consumers read, and what is there is complete', () => {
    lose(2);
    lose(3);
    tell(1, 'full');
    expect(harness.partition('t', 0)).toMatchObject({ leader: 1, leaderEpoch: 0, isr: [1], failedReplicas: [] });
  });

  it('keep what they acknowledged: they stay eligible, and lead again where nobody does', () => {
    lose(3);
    tell(1, 'full');
    expect(harness.partition('t', 0)).toMatchObject({ leader: 2, isr: [2], elr: [1] });
    lose(2);
    expect(harness.partition('t', 0)).toMatchObject({ leader: undefined, isr: [], elr: [1, 2] });
    tell(1, 'whole');
    expect(harness.partition('t', 0)).toMatchObject({ leader: 1, isr: [1], elr: [2], failedReplicas: [] });
  });

  it('are eligible no longer where a log that had no space fails as well', () => {
    lose(3);
    tell(1, 'full');
    failLogs(1, [0]);
    expect(harness.partition('t', 0)).toMatchObject({ leader: 2, isr: [2], elr: [], failedReplicas: [1] });
  });
});
