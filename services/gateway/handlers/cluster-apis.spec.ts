import { afterEach, describe, expect, it } from 'vitest';
import { CLUSTER_ID, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { fakeMember, fakeQuorum } from '@streamline/testing/gateway/fake-quorum';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { describeQuorum } from '@streamline/wire/kafka/apis/55-describe-quorum';
import { updateFeatures } from '@streamline/wire/kafka/apis/57-update-features';
import { listConfigResources } from '@streamline/wire/kafka/apis/74-list-config-resources';
import { addRaftVoter } from '@streamline/wire/kafka/apis/80-add-raft-voter';
import { removeRaftVoter } from '@streamline/wire/kafka/apis/81-remove-raft-voter';
import type { GatewayConfig } from '../context/gateway-config';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const CLUSTER: FakeCluster = {
  brokers: [{ id: 1 }, { id: 2, fenced: true }, { id: 3 }],
  topics: [
    { name: 'orders', leaders: [1] },
    { name: '__consumer_offsets', leaders: [1] },
  ],
};

let bench: GatewayBench<GatewayRole>;

async function start(controller: Partial<ControllerPort> = {}, options: BenchOptions<GatewayConfig> = {}): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, controller, ...options });
  return bench.client();
}

afterEach(() => bench.close());

describe('ListConfigResources', () => {
  const orders = { resourceName: 'orders', resourceType: 2 };
  const offsets = { resourceName: '__consumer_offsets', resourceType: 2 };
  const brokers = ['1', '3'].map((resourceName) => ({ resourceName, resourceType: 4 }));

  it('lists topics and the brokers that are alive, all or of the types that are asked for', async () => {
    const client = await start();
    const list = async (...resourceTypes: number[]) => {
      const { errorCode, configResources } = await client.request(listConfigResources, 1, { resourceTypes });
      expect(errorCode).toBe(0);
      return configResources;
    };
    expect(await list()).toEqual([...brokers, orders, offsets]);
    expect(await list(2)).toEqual([orders, offsets]);
    expect(await list(4, 16)).toEqual(brokers);
    expect(await list(8, 32)).toEqual([]);
  });

  it('answers 35 for a type that has no configs in Kafka either; v0 asks for client metrics, of which there are none', async () => {
    const client = await start();
    expect(await client.request(listConfigResources, 1, { resourceTypes: [2, 7] })).toMatchObject({
      errorCode: 35,
      configResources: [],
    });
    expect(await client.request(listConfigResources, 0, {})).toMatchObject({ errorCode: 0, configResources: [] });
  });
});

describe('UpdateFeatures', () => {
  const featureUpdates = [{ feature: 'metadata.version', maxVersionLevel: 33 }];

  it('has the controller update all features, and answers when this node sees them', async () => {
    const seen: unknown[] = [];
    const client = await start({
      updateFeatures: async (request) => {
        seen.push(request);
        return { error: undefined, metadataIndex: 12 };
      },
    });
    expect(await client.request(updateFeatures, 1, { featureUpdates, timeoutMs: 5000 })).toMatchObject({
      errorCode: 0,
      errorMessage: null,
      results: [{ feature: 'metadata.version', errorCode: 0, errorMessage: null }],
    });
    expect(bench.metadata.waited).toEqual([12]);
    await client.request(updateFeatures, 2, {
      featureUpdates: [{ ...featureUpdates[0], feature: 'x', maxVersionLevel: 1, upgradeType: 3 }],
      validateOnly: true,
    });
    expect(bench.metadata.waited).toEqual([12]);
    expect(seen).toMatchObject([
      { updates: [{ name: 'metadata.version', kafkaLevel: 33, upgradeType: 1 }], validateOnly: false, timeoutMs: 5000 },
      { updates: [{ name: 'x', kafkaLevel: 1, upgradeType: 3 }], validateOnly: true },
    ]);
  });

  it('v0 allows a downgrade, which is a safe one, or does not', async () => {
    const types: (number | undefined)[] = [];
    const client = await start({
      updateFeatures: async ({ updates }) => {
        types.push(updates[0]?.upgradeType);
        return { error: undefined, metadataIndex: 0 };
      },
    });
    for (const allowDowngrade of [false, true]) {
      await client.request(updateFeatures, 0, { featureUpdates: [{ feature: 'f', maxVersionLevel: 1, allowDowngrade }] });
    }
    expect(types).toEqual([1, 2]);
  });

  it.each([0, 1, 2])('v%i tells the error of all features at the top', async (version) => {
    const error = { errorCode: 95, errorMessage: 'Invalid update version' };
    const client = await start({ updateFeatures: async () => ({ error, metadataIndex: 0 }) });
    expect(await client.request(updateFeatures, version, { featureUpdates })).toMatchObject({ ...error, results: [] });
  });
});

describe('DescribeQuorum', () => {
  const asked = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] };

  it('tells voters and observers with how far they are and when they were heard of, as the leader knows it', async () => {
    const members = [
      fakeMember(1),
      fakeMember(2, { logEndIndex: 48, silentMs: 30 }),
      fakeMember(3, { logEndIndex: -1, silentMs: -1, isVoter: false }),
    ];
    let ofLeader: boolean | undefined;
    const client = await start({
      getQuorumStatus: async (request) => {
        ({ ofLeader } = request);
        return fakeQuorum(members);
      },
    });
    const answer = await client.request(describeQuorum, 2, asked);
    const now = BigInt(bench.clock.wallMs());
    expect(ofLeader).toBe(true);
    expect(answer).toMatchObject({ errorCode: 0, errorMessage: null });
    const state = (id: number, logEndOffset: bigint, lastFetchTimestamp: bigint, lastCaughtUpTimestamp: bigint) => {
      const replicaDirectoryId = fakeMember(id).directoryId;
      return { replicaId: id, replicaDirectoryId, logEndOffset, lastFetchTimestamp, lastCaughtUpTimestamp };
    };
    expect(answer.topics[0]?.partitions).toMatchObject([
      {
        partitionIndex: 0,
        errorCode: 0,
        leaderId: 1,
        leaderEpoch: 7,
        highWatermark: 50n,
        currentVoters: [state(1, 51n, now, now), state(2, 49n, now - 30n, -1n)],
        observers: [state(3, -1n, -1n, -1n)],
      },
    ]);
    expect(answer.nodes?.[1]).toEqual({ nodeId: 2, listeners: [{ name: 'CONTROLLER', host: 'node2', port: 9093 }] });
  });

  it('answers 3 for anything but the metadata, and 6 while nobody knows the leader', async () => {
    const client = await start({
      getQuorumStatus: async () => ({ ...fakeQuorum(), leaderId: undefined, nodeState: 'Candidate' }),
    });
    const codeOf = async (topics: typeof asked.topics) => {
      const answer = await client.request(describeQuorum, 2, { topics });
      expect(answer.errorCode).toBe(0);
      return answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
    };
    expect(await codeOf([{ topicName: 'orders', partitions: [{ partitionIndex: 0 }] }])).toEqual([3]);
    expect(await codeOf([{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 1 }] }])).toEqual([3]);
    expect(await codeOf([...asked.topics, ...asked.topics])).toEqual([3, 3]);
    expect(await codeOf(asked.topics)).toEqual([6]);
  });
});

describe('the voters', () => {
  const DONE = { outcome: MembershipOutcome.DONE, reason: '' };
  const ADDED = { ...DONE, field: '', role: 'voter' };
  const REMOVED = { ...DONE, partitionsLeft: 0, partitionsTotal: 0, lostPartitions: [] };
  const listeners = [{ name: 'CONTROLLER', host: 'node4', port: 9093 }];
  const { directoryId } = fakeMember(4);
  const add = { clusterId: CLUSTER_ID, timeoutMs: 5000, voterId: 4, voterDirectoryId: directoryId, listeners };
  const remove = { clusterId: CLUSTER_ID, voterId: 2, voterDirectoryId: fakeMember(2).directoryId };

  async function startWith(membership: BenchOptions<GatewayConfig>['membership'], members = [fakeMember(1), fakeMember(2)]) {
    return start({ getQuorumStatus: async () => fakeQuorum(members) }, { ...(membership && { membership }) });
  }

  it('AddRaftVoter has the node at its controller listener added as a voter', async () => {
    const seen: unknown[] = [];
    const client = await startWith({
      addMember: async (request) => {
        seen.push(request);
        return ADDED;
      },
    });
    const more = [{ name: 'OTHER', host: 'x', port: 1 }, ...listeners];
    expect(await client.request(addRaftVoter, 1, { ...add, listeners: more })).toMatchObject({
      errorCode: 0,
      errorMessage: null,
    });
    const six = [{ name: 'ANY', host: 'fd00::4', port: 9093 }];
    await client.request(addRaftVoter, 0, { ...add, clusterId: null, listeners: six });
    expect(seen).toEqual([
      { nodeId: 4, address: 'node4:9093', promoteToVoter: true, directoryId },
      { nodeId: 4, address: '[fd00::4]:9093', promoteToVoter: true, directoryId },
    ]);
  });

  it.each([
    ['of another cluster', { clusterId: 'other' }, 104, /this is cluster/],
    ['of a node without an id', { voterId: 0 }, 42, /above 0/],
    [
      'without the listener',
      {
        listeners: [
          { name: 'A', host: 'h', port: 1 },
          { name: 'B', host: 'h', port: 2 },
        ],
      },
      42,
      /default listener CONTROLLER/,
    ],
    ['without any listener', { listeners: [] }, 42, /default listener/],
    ['of a voter that is one already', { voterId: 2 }, 126, /already part of the set/],
  ])('AddRaftVoter %s is refused', async (_, changes, errorCode, message) => {
    const client = await startWith({});
    const answer = await client.request(addRaftVoter, 0, { ...add, ...changes });
    expect(answer).toMatchObject({ errorCode, errorMessage: expect.stringMatching(message) });
  });

  it.each([
    [MembershipOutcome.NOT_PROMOTED, 7],
    [MembershipOutcome.FAILED, 7],
    [MembershipOutcome.UNDER_WAY, 7],
    [MembershipOutcome.NOT_LEADER, 41],
    [MembershipOutcome.OTHER_CLUSTER, 104],
    [MembershipOutcome.INVALID, 42],
  ])('AddRaftVoter with outcome %i is code %i, with the reason', async (outcome, errorCode) => {
    const client = await startWith({ addMember: async () => ({ ...ADDED, outcome, reason: 'why' }) });
    expect(await client.request(addRaftVoter, 0, add)).toMatchObject({ errorCode, errorMessage: 'why' });
  });

  it('AddRaftVoter v1 is answered while the change is under way, where nobody wants to wait', async () => {
    const client = await startWith({ addMember: async () => ({ ...ADDED, outcome: MembershipOutcome.UNDER_WAY }) });
    expect((await client.request(addRaftVoter, 1, { ...add, ackWhenCommitted: false })).errorCode).toBe(0);
    expect((await client.request(addRaftVoter, 1, add)).errorCode).toBe(7);
  });

  it('RemoveRaftVoter takes the vote alone; a leader hands leadership over before', async () => {
    const calls: unknown[] = [];
    const client = await startWith({
      removeMember: async (request) => {
        calls.push(request);
        return calls.length === 1 ? { ...REMOVED, outcome: MembershipOutcome.IS_LEADER } : REMOVED;
      },
      transferLeadership: async (request) => {
        calls.push(request);
        return DONE;
      },
    });
    expect(await client.request(removeRaftVoter, 0, remove)).toMatchObject({ errorCode: 0, errorMessage: null });
    const command = { nodeId: 2, force: false, directoryId: remove.voterDirectoryId, keepAsLearner: true };
    expect(calls).toEqual([command, { nodeId: 0 }, command]);
  });

  it('RemoveRaftVoter tells why leadership could not be handed over', async () => {
    const client = await startWith({
      removeMember: async () => ({ ...REMOVED, outcome: MembershipOutcome.IS_LEADER }),
      transferLeadership: async () => ({ outcome: MembershipOutcome.FAILED, reason: 'nobody took over' }),
    });
    expect(await client.request(removeRaftVoter, 0, remove)).toMatchObject({ errorCode: 7, errorMessage: 'nobody took over' });
  });

  it.each([
    ['of another cluster', { clusterId: 'other' }, 104],
    ['of a stranger', { voterId: 3 }, 127],
    ['of the same node on another disk', { voterDirectoryId: directoryId }, 127],
    ['of a learner', { voterId: 5 }, 127],
  ])('RemoveRaftVoter %s is refused', async (_, changes, errorCode) => {
    const client = await startWith({}, [fakeMember(1), fakeMember(2), fakeMember(5, { isVoter: false })]);
    expect((await client.request(removeRaftVoter, 0, { ...remove, ...changes })).errorCode).toBe(errorCode);
  });

  it('RemoveRaftVoter of the only voter is refused', async () => {
    const client = await startWith({}, [fakeMember(2)]);
    expect(await client.request(removeRaftVoter, 0, remove)).toMatchObject({
      errorCode: 42,
      errorMessage: expect.stringContaining('it is the only one'),
    });
  });
});
