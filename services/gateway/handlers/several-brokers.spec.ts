import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '@streamline/core/types/error-code';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import type {
  AppendedPartition,
  FetchedPartition,
  LeaderHint,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { GroupPort, PartitionPort, StoragePort } from '@streamline/wire/contracts/ports';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { listOffsets } from '@streamline/wire/kafka/apis/02-list-offsets';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import { joinGroup } from '@streamline/wire/kafka/apis/11-join-group';
import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { leaveGroup } from '@streamline/wire/kafka/apis/13-leave-group';
import { syncGroup } from '@streamline/wire/kafka/apis/14-sync-group';
import { describeGroups } from '@streamline/wire/kafka/apis/15-describe-groups';
import { listGroups } from '@streamline/wire/kafka/apis/16-list-groups';
import { deleteRecords } from '@streamline/wire/kafka/apis/21-delete-records';
import { offsetForLeaderEpoch } from '@streamline/wire/kafka/apis/23-offset-for-leader-epoch';
import { describeLogDirs } from '@streamline/wire/kafka/apis/35-describe-log-dirs';
import { deleteGroups } from '@streamline/wire/kafka/apis/42-delete-groups';
import { offsetDelete } from '@streamline/wire/kafka/apis/47-offset-delete';
import { describeCluster } from '@streamline/wire/kafka/apis/60-describe-cluster';
import { describeProducers } from '@streamline/wire/kafka/apis/61-describe-producers';
import { describeTopicPartitions } from '@streamline/wire/kafka/apis/75-describe-topic-partitions';
import type { RequestInput } from '@streamline/wire/kafka/schema/api';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { GatewayConfig } from '../context/gateway-config';
import { coordinatorIndex } from '../context/group-coordinator';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

/** Broker 1 is the gateway's: it leads partition 0, follows in 1 and has no replica of 2; 3 has no leader. */
const CLUSTER: FakeCluster = {
  brokers: [
    { id: 1, host: 'one', port: 9092, rack: 'a' },
    { id: 2, host: 'two', port: 9192, rack: 'b' },
    { id: 3, host: 'three', port: 9292, rack: 'c' },
    { id: 4, host: 'four', fenced: true, rack: 'a' },
  ],
  topics: [
    {
      name: 'orders',
      leaders: [1, 2, 3, undefined],
      replicas: [
        [1, 2, 3],
        [2, 1, 4],
        [3, 2, 4],
        [1, 2, 4],
      ],
      isr: [[1, 2, 3], [2, 1], [3, 2], []],
      elr: [[], [], [4], [2]],
      lastKnownElr: [[], [], [], [1]],
      failedReplicas: [[], [], [], [1]],
      leaderEpoch: 5,
    },
  ],
};
const ORDERS_ID = fakeTopicId('orders');

const LED_HERE = 0;
const FOLLOWED_HERE = 1;
const NOT_HERE = 2;
const WITHOUT_LEADER = 3;

const AT_TWO = { nodeId: 2, host: 'two', port: 9192, rack: 'b' };
const AT_THREE = { nodeId: 3, host: 'three', port: 9292, rack: 'c' };

let bench: GatewayBench<GatewayRole>;

/** A storage of which any call fails the test. */
const UNEXPECTED: StoragePort = { partitions: fakePort<PartitionPort>({}), groups: fakePort<GroupPort>({}) };

async function start(partitions: Partial<PartitionPort> = {}, options: BenchOptions<GatewayConfig> = {}): Promise<KafkaClient> {
  const otherStorages = new Map([2, 3, 4].map((id) => [id, UNEXPECTED]));
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, partitions, otherStorages, ...options });
  return bench.client();
}

afterEach(() => bench.close());

/** The cluster after broker 2 lost all that it led to broker 3. */
function moveLeaders(): void {
  const topics = (CLUSTER.topics ?? []).map((topic) => ({ ...topic, leaders: [3, 3, 3, undefined], leaderEpoch: 6 }));
  bench.metadata.update({ topics });
}

function appended(errorCode: number, currentLeader?: LeaderHint): AppendedPartition {
  const nothing = { errorMessage: '', baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, recordErrors: [] };
  return { ...nothing, errorCode, currentLeader };
}

function appending(outcome: (partition: number) => AppendedPartition, first?: () => void): Partial<PartitionPort> {
  return {
    append: async ({ request: { partitions } }) => {
      await Promise.resolve();
      first?.();
      return { correlationId: 0, creditBytes: 0, partitions: partitions.map(({ partition }) => outcome(partition)) };
    },
  };
}

async function produceTo(client: KafkaClient, version: number, ...partitions: number[]) {
  const records = buildBatch({ records: [{ value: Buffer.from('x') }], timestamp: 1 });
  const partitionData = partitions.map((index) => ({ index, records }));
  const topicData = [{ name: 'orders', topicId: ORDERS_ID, partitionData }];
  const answer = await client.request(produce, version, { acks: -1, timeoutMs: 1000, topicData });
  return { nodeEndpoints: answer.nodeEndpoints, partitions: answer.responses[0]?.partitionResponses ?? [] };
}

describe('Produce at one of several brokers', () => {
  it.each([10, 12, 13])(
    'v%i names the leader and its address, so that a producer moves on in one round trip',
    async (version) => {
      const client = await start();
      const { partitions, nodeEndpoints } = await produceTo(client, version, LED_HERE, FOLLOWED_HERE, NOT_HERE, WITHOUT_LEADER);
      expect(
        partitions.map(({ errorCode, currentLeader }) => [errorCode, currentLeader.leaderId, currentLeader.leaderEpoch]),
      ).toEqual([
        [0, -1, -1],
        [6, 2, 5],
        [6, 3, 5],
        [6, -1, 5],
      ]);
      expect(nodeEndpoints).toEqual([AT_TWO, AT_THREE]);
    },
  );

  it('asks its own storage about every partition that it has a replica of, and no other storage', async () => {
    const client = await start();
    await produceTo(client, 9, LED_HERE, FOLLOWED_HERE, NOT_HERE, WITHOUT_LEADER);
    const asked = bench.partitions.appends.flatMap(({ request }) => request.partitions.map(({ partition }) => partition));
    expect(asked).toEqual([LED_HERE, FOLLOWED_HERE, WITHOUT_LEADER]);
  });

  it('answers a producer whose leader was lost while it waited with the one that there is by then', async () => {
    const client = await start(appending(() => appended(6, { leaderId: 1, leaderEpoch: 5 }), moveLeaders));
    const { partitions, nodeEndpoints } = await produceTo(client, 10, LED_HERE);
    expect(partitions[0]?.currentLeader).toMatchObject({ leaderId: 3, leaderEpoch: 6 });
    expect(nodeEndpoints).toEqual([AT_THREE]);
  });

  it.each([7, 10])(
    'v%i of a partition that it led before it was cut off has Metadata name who probably leads',
    async (version) => {
      const client = await start(appending(() => appended(6, { leaderId: 3, leaderEpoch: 5 })));
      const namedLeader = async () => {
        const { topics } = await client.request(metadata, 9, { topics: [{ name: 'orders' }] });
        return topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === LED_HERE)?.leaderId;
      };
      expect(await namedLeader()).toBe(1);
      const { partitions } = await produceTo(client, version, LED_HERE);
      expect(partitions[0]).toMatchObject({ errorCode: 6 });
      expect(await namedLeader()).toBe(3);
      const described = await client.request(describeTopicPartitions, 0, { topics: [{ name: 'orders' }], cursor: null });
      expect(described.topics[0]?.partitions[LED_HERE]).toMatchObject({ leaderId: 3 });
      const topics = (CLUSTER.topics ?? []).map((topic) => ({ ...topic, leaders: [1, 3, 3, undefined], leaderEpoch: 6 }));
      bench.metadata.update({ topics });
      expect(await namedLeader()).toBe(1);
    },
  );

  it('believes a storage that knows of a later leader than its own metadata', async () => {
    const client = await start(appending(() => appended(6, { leaderId: 2, leaderEpoch: 9 })));
    const { partitions } = await produceTo(client, 10, LED_HERE);
    expect(partitions[0]?.currentLeader).toMatchObject({ leaderId: 2, leaderEpoch: 9 });
  });

  it.each([
    ['NOT_ENOUGH_REPLICAS', ErrorCode.NOT_ENOUGH_REPLICAS],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND],
    ['REQUEST_TIMED_OUT', ErrorCode.REQUEST_TIMED_OUT],
    ['KAFKA_STORAGE_ERROR of an offline replica', ErrorCode.KAFKA_STORAGE_ERROR],
  ])('passes %s on, without a hint', async (_, code) => {
    const client = await start(appending(() => appended(code)));
    const { partitions, nodeEndpoints } = await produceTo(client, 13, LED_HERE);
    expect(partitions[0]).toMatchObject({ errorCode: code, currentLeader: { leaderId: -1, leaderEpoch: -1 } });
    expect(nodeEndpoints).toEqual([]);
  });
});

type FetchInput = RequestInput<typeof fetch>;

function fetchOf(partitions: readonly number[], fields: Partial<FetchInput> = {}): FetchInput {
  const asked = partitions.map((partition) => ({ partition, currentLeaderEpoch: 5, fetchOffset: 0n, partitionMaxBytes: 1000 }));
  return { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 'orders', topicId: ORDERS_ID, partitions: asked }], ...fields };
}

function fetching(outcome: (partition: number) => Partial<FetchedPartition>): Partial<PartitionPort> {
  const none = { errorCode: 0, highWatermark: 7, lastStableOffset: 7, logStartOffset: 0, recordBytes: 0 };
  return {
    fetch: async ({ partitions }) => ({
      response: {
        correlationId: 0,
        creditBytes: 0,
        partitions: partitions.map(({ partition }) => ({ ...none, ...outcome(partition) })),
      },
      records: partitions.map(() => []),
    }),
  };
}

async function fetchFrom(client: KafkaClient, version: number, request: FetchInput) {
  const answer = await client.request(fetch, version, request);
  return { ...answer, partitions: answer.responses.flatMap(({ partitions }) => partitions) };
}

describe('Fetch at one of several brokers', () => {
  it('a follower serves consumers from v11; before, only the leader does', async () => {
    const client = await start();
    const codes = async (version: number) =>
      (await fetchFrom(client, version, fetchOf([LED_HERE, FOLLOWED_HERE, NOT_HERE]))).partitions.map(
        ({ errorCode }) => errorCode,
      );
    expect([await codes(10), await codes(11), await codes(17)]).toEqual([
      [0, 6, 6],
      [0, 0, 6],
      [0, 0, 6],
    ]);
    expect(bench.partitions.fetches.map(({ leaderOnly }) => leaderOnly)).toEqual([true, false, false]);
  });

  it('tells the storage the epoch that the consumer knows, also where it follows: epochs come before leadership', async () => {
    const client = await start(fetching((partition) => ({ errorCode: partition === LED_HERE ? 75 : 74 })));
    const { partitions, nodeEndpoints } = await fetchFrom(client, 16, fetchOf([LED_HERE, FOLLOWED_HERE]));
    expect(
      partitions.map(({ errorCode, currentLeader }) => [errorCode, currentLeader.leaderId, currentLeader.leaderEpoch]),
    ).toEqual([
      [75, -1, -1],
      [74, 2, 5],
    ]);
    expect(nodeEndpoints).toEqual([AT_TWO]);
  });

  it.each([16, 17, 18])('v%i names the leader and its address with 6', async (version) => {
    const client = await start();
    const { partitions, nodeEndpoints } = await fetchFrom(client, version, fetchOf([NOT_HERE]));
    expect(partitions[0]).toMatchObject({ errorCode: 6, currentLeader: { leaderId: 3, leaderEpoch: 5 } });
    expect(nodeEndpoints).toEqual([AT_THREE]);
  });

  it('names the newest leader to a long poll that ends with the leadership of its partition', async () => {
    const client = await start({
      fetch: async (request) => {
        moveLeaders();
        const failed = { errorCode: 6, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, recordBytes: 0 };
        const partitions = request.partitions.map(() => ({ ...failed, currentLeader: { leaderId: 2, leaderEpoch: 4 } }));
        return { response: { correlationId: 0, creditBytes: 0, partitions }, records: [[]] };
      },
    });
    const { partitions } = await fetchFrom(client, 17, fetchOf([LED_HERE], { maxWaitMs: 60_000 }));
    expect(partitions[0]?.currentLeader).toMatchObject({ leaderId: 3, leaderEpoch: 6 });
  });

  it("sends a consumer to the follower in its rack where the leader's storage names one, from v11", async () => {
    const racks: (string | undefined)[] = [];
    const answering = fetching(() => ({ preferredReadReplica: 2 }));
    const client = await start({
      fetch: (request, context) => {
        racks.push(request.clientRack);
        return answering.fetch?.(request, context) ?? Promise.reject(new Error('no fetch'));
      },
    });
    for (const version of [11, 12, 17]) {
      const { partitions } = await fetchFrom(client, version, fetchOf([LED_HERE], { rackId: 'b' }));
      expect(partitions[0]).toMatchObject({ errorCode: 0, preferredReadReplica: 2, highWatermark: 7n });
    }
    await fetchFrom(client, 17, fetchOf([LED_HERE]));
    expect(racks).toEqual(['b', 'b', 'b', undefined]);
  });

  it('OFFSET_NOT_AVAILABLE (78) and OFFSET_OUT_OF_RANGE (1) of a follower reach the consumer', async () => {
    const client = await start(fetching((partition) => ({ errorCode: partition === LED_HERE ? 78 : 1 })));
    const { partitions } = await fetchFrom(client, 17, fetchOf([LED_HERE, FOLLOWED_HERE]));
    expect(partitions.map(({ errorCode }) => errorCode)).toEqual([78, 1]);
  });
});

describe('fetch sessions over a change of leaders', () => {
  const next = (sessionId: number, sessionEpoch: number): FetchInput => fetchOf([], { topics: [], sessionId, sessionEpoch });

  it('tell of the leader that was lost, at each fetch until it is asked for no longer or is back', async () => {
    const client = await start();
    const { sessionId } = await fetchFrom(client, 10, fetchOf([LED_HERE, FOLLOWED_HERE], { sessionEpoch: 0 }));
    const lost = async (epoch: number) =>
      (await fetchFrom(client, 10, next(sessionId, epoch))).partitions.map(({ partitionIndex, errorCode }) => [
        partitionIndex,
        errorCode,
      ]);
    expect(await lost(1)).toEqual([[FOLLOWED_HERE, 6]]);
    moveLeaders();
    expect(await lost(2)).toEqual([
      [LED_HERE, 6],
      [FOLLOWED_HERE, 6],
    ]);
    bench.metadata.update({ topics: CLUSTER.topics });
    expect(await lost(3)).toEqual([
      [LED_HERE, 0],
      [FOLLOWED_HERE, 6],
    ]);
    expect(await lost(4)).toEqual([[FOLLOWED_HERE, 6]]);
  });

  it('repeat where to read from as long as they ask the leader', async () => {
    const client = await start(fetching(() => ({ preferredReadReplica: 3 })));
    const { sessionId } = await fetchFrom(client, 12, fetchOf([LED_HERE], { sessionEpoch: 0, rackId: 'c' }));
    for (const epoch of [1, 2]) {
      const { partitions } = await fetchFrom(client, 12, { ...next(sessionId, epoch), rackId: 'c' });
      expect(partitions).toMatchObject([{ partitionIndex: LED_HERE, preferredReadReplica: 3 }]);
    }
  });
});

describe('questions to logs at one of several brokers', () => {
  /** What storages say of replicas: led here, followed here with an older epoch than the client's, without a leader. */
  const codeOf = (partition: number): number => ({ [LED_HERE]: 0, [FOLLOWED_HERE]: 75, [WITHOUT_LEADER]: 74 })[partition] ?? -1;
  const indexes = [WITHOUT_LEADER, NOT_HERE, FOLLOWED_HERE, LED_HERE];
  const codes = [74, 6, 75, 0];

  it('ListOffsets and OffsetForLeaderEpoch have epochs checked by their own replica', async () => {
    const epochs: number[] = [];
    const client = await start({
      listOffsets: async ({ partitions }) => ({
        partitions: partitions.map(({ partition, currentLeaderEpoch }) => {
          epochs.push(currentLeaderEpoch);
          return { errorCode: codeOf(partition), timestamp: -1, offset: 3, leaderEpoch: 5 };
        }),
      }),
      getEpochEndOffsets: async ({ partitions }) => ({
        partitions: partitions.map(({ partition, currentLeaderEpoch }) => {
          epochs.push(currentLeaderEpoch);
          return { errorCode: codeOf(partition), leaderEpoch: 5, endOffset: 3 };
        }),
      }),
    });
    const partitions = indexes.map((index) => ({ partitionIndex: index, currentLeaderEpoch: 40 + index, timestamp: -1n }));
    const listed = await client.request(listOffsets, 9, { replicaId: -1, topics: [{ name: 'orders', partitions }] });
    expect(listed.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(codes);
    const queries = indexes.map((partition) => ({ partition, currentLeaderEpoch: 40 + partition, leaderEpoch: 4 }));
    const ends = await client.request(offsetForLeaderEpoch, 4, { topics: [{ topic: 'orders', partitions: queries }] });
    expect(ends.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(codes);
    expect(epochs).toEqual([43, 41, 40, 43, 41, 40]);
  });

  it('DeleteRecords and DescribeProducers of what has no replica here are 6', async () => {
    const client = await start({
      deleteRecords: async ({ partitions }) => ({
        partitions: partitions.map(({ partition }) => ({ errorCode: codeOf(partition), lowWatermark: 2 })),
      }),
      describeProducers: async ({ partitions }) => ({
        partitions: partitions.map(({ partition }) => ({ errorCode: codeOf(partition), errorMessage: '', producers: [] })),
      }),
    });
    const partitions = indexes.map((partitionIndex) => ({ partitionIndex, offset: 2n }));
    const deleted = await client.request(deleteRecords, 2, { timeoutMs: 1000, topics: [{ name: 'orders', partitions }] });
    expect(deleted.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(codes);
    const described = await client.request(describeProducers, 0, { topics: [{ name: 'orders', partitionIndexes: indexes }] });
    expect(described.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(codes);
  });

  it('DescribeLogDirs and ListGroups tell of this broker alone: tools ask each', async () => {
    const client = await start(
      {
        describeLogDirs: async () => ({
          logDirs: [{ errorCode: 0, path: '/one', totalBytes: 1, usableBytes: 1, partitions: [] }],
        }),
      },
      {
        groups: { listGroups: async () => ({ errorCode: 0, groups: [{ groupId: 'g', protocolType: '', state: '', type: '' }] }) },
      },
    );
    expect((await client.request(describeLogDirs, 4, { topics: null })).results.map(({ logDir }) => logDir)).toEqual(['/one']);
    expect((await client.request(listGroups, 5, {})).groups.map(({ groupId }) => groupId)).toEqual(['g']);
  });
});

describe('groups at one of several brokers', () => {
  /** The group's partition is led by 2; broker 1 follows, or has no replica of it. */
  const offsetsTopic = (replicas: readonly number[]) => ({ name: '__consumer_offsets', leaders: [2], replicas: [replicas] });
  const join = { sessionTimeoutMs: 10_000, memberId: '', protocolType: 'consumer', protocols: [] };
  const member = { groupId: 'g', generationId: 1, memberId: 'm' };
  const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }];

  async function codes(client: KafkaClient): Promise<readonly unknown[]> {
    const commit = [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: 1n, committedMetadata: '' }] }];
    const offsets = { groupId: 'g', topics: [{ name: 'orders', partitionIndexes: [0] }] };
    return [
      (await client.request(joinGroup, 5, { groupId: 'g', ...join })).errorCode,
      (await client.request(syncGroup, 5, { ...member, assignments: [] })).errorCode,
      (await client.request(heartbeat, 4, member)).errorCode,
      (await client.request(leaveGroup, 4, { groupId: 'g', members: [{ memberId: 'm' }] })).errorCode,
      (await client.request(offsetCommit, 8, { groupId: 'g', memberId: '', topics: commit })).topics[0]?.partitions[0]?.errorCode,
      (await client.request(offsetFetch, 7, offsets)).errorCode,
      (await client.request(offsetFetch, 9, { groups: [offsets] })).groups[0]?.errorCode,
      (await client.request(describeGroups, 5, { groups: ['g'] })).groups[0]?.errorCode,
      (await client.request(deleteGroups, 2, { groupsNames: ['g'] })).results[0]?.errorCode,
      (await client.request(offsetDelete, 0, { groupId: 'g', topics })).errorCode,
    ];
  }

  it('every request of a group whose partition has no replica here is 16, without asking anybody', async () => {
    const cluster = { ...CLUSTER, topics: [...(CLUSTER.topics ?? []), offsetsTopic([2, 3])] };
    const client = await start({}, { cluster });
    expect(await codes(client)).toEqual(new Array(10).fill(ErrorCode.NOT_COORDINATOR));
  });

  it('where this broker follows the partition, its own storage says whether it coordinates', async () => {
    const errorCode = ErrorCode.NOT_COORDINATOR;
    const none = { generationId: -1, leader: '', memberId: '', skipAssignment: false, members: [] };
    const groups: Partial<GroupPort> = {
      joinGroup: async () => ({ ...none, errorCode }),
      syncGroup: async () => ({ errorCode, assignment: new Uint8Array() }),
      heartbeat: async () => ({ errorCode }),
      leaveGroup: async () => ({ errorCode, members: [] }),
      commitOffsets: async ({ offsets }) => ({ errorCodes: offsets.map(() => errorCode) }),
      fetchOffsets: async () => ({ errorCode, offsets: [] }),
      describeGroups: async ({ groupIds }) => ({
        groups: groupIds.map((groupId) => ({ errorCode, groupId, state: '', protocolType: '', protocol: '', members: [] })),
      }),
      deleteGroups: async ({ groupIds }) => ({ groups: groupIds.map((groupId) => ({ groupId, errorCode })) }),
      deleteOffsets: async () => ({ errorCode, offsets: [] }),
    };
    const cluster = { ...CLUSTER, topics: [...(CLUSTER.topics ?? []), offsetsTopic([2, 1])] };
    const client = await start({}, { cluster, groups });
    expect(await codes(client)).toEqual(new Array(10).fill(ErrorCode.NOT_COORDINATOR));
  });

  it('FindCoordinator names the broker that leads the partition; while it is gone or nobody leads, 15', async () => {
    const cluster = { ...CLUSTER, topics: [offsetsTopic([2, 1, 3])] };
    const client = await start({}, { cluster });
    const found = async () => {
      const old = await client.request(findCoordinator, 0, { key: 'g' });
      const batch = await client.request(findCoordinator, 6, { keyType: 0, coordinatorKeys: ['g', 'h'] });
      const answers = [old, ...batch.coordinators];
      return answers.map(({ errorCode, nodeId, host, port }) => [errorCode, nodeId, host, port].join(' '));
    };
    expect(await found()).toEqual(new Array(3).fill('0 2 two 9192'));
    bench.metadata.update({
      brokers: (CLUSTER.brokers ?? []).map((broker) => (broker.id === 2 ? { ...broker, fenced: true } : broker)),
    });
    expect(await found()).toEqual(new Array(3).fill('15 -1  -1'));
    bench.metadata.update({ topics: [{ ...offsetsTopic([2, 1, 3]), leaders: [3] }] });
    expect(await found()).toEqual(new Array(3).fill('0 3 three 9292'));
    bench.metadata.update({ topics: [{ ...offsetsTopic([2, 1, 3]), leaders: [undefined] }] });
    expect(await found()).toEqual(new Array(3).fill('15 -1  -1'));
  });
});

describe('FindCoordinator at a broker that coordinates by its metadata', () => {
  const cluster = {
    ...CLUSTER,
    topics: [
      {
        name: '__consumer_offsets',
        leaders: [1, 2],
        replicas: [
          [1, 2, 3],
          [2, 1],
        ],
      },
    ],
  };
  const [ledHere, ledElsewhere] = [0, 1].map((partition) => {
    const key = Array.from({ length: 100 }, (_, i) => `g${i}`).find((id) => coordinatorIndex(id, 2) === partition);
    if (key === undefined) throw new Error('no group is in the partition');
    return key;
  });
  const found = async (client: KafkaClient) => {
    const coordinatorKeys = [ledHere ?? '', ledElsewhere ?? '', ledHere ?? ''];
    const batch = await client.request(findCoordinator, 6, { keyType: 0, coordinatorKeys });
    const old = await client.request(findCoordinator, 3, { key: ledHere, keyType: 0 });
    return [...batch.coordinators, old].map(({ errorCode, nodeId }) => [errorCode, nodeId]);
  };

  it('names itself while its storage leads, which is asked once for all groups of a partition', async () => {
    const asked: number[] = [];
    const getEpochEndOffsets: PartitionPort['getEpochEndOffsets'] = async ({ partitions }) => {
      asked.push(...partitions.map(({ partition }) => partition));
      return { partitions: partitions.map(() => ({ errorCode: 0, leaderEpoch: 5, endOffset: 0 })) };
    };
    expect(await found(await start({ getEpochEndOffsets }, { cluster }))).toEqual([
      [0, 1],
      [0, 2],
      [0, 1],
      [0, 1],
    ]);
    expect(asked).toEqual([0, 0]);
  });

  it.each([
    ['does not serve since it is cut off from the controller', ErrorCode.NOT_LEADER_OR_FOLLOWER],
    ['has a log that failed', ErrorCode.KAFKA_STORAGE_ERROR],
  ])('says 15 of itself where its storage %s, so that clients ask another', async (_, errorCode) => {
    const getEpochEndOffsets: PartitionPort['getEpochEndOffsets'] = async ({ partitions }) => {
      return { partitions: partitions.map(() => ({ errorCode, leaderEpoch: -1, endOffset: -1 })) };
    };
    expect(await found(await start({ getEpochEndOffsets }, { cluster }))).toEqual([
      [15, -1],
      [0, 2],
      [15, -1],
      [15, -1],
    ]);
  });

  it('says 15 of itself where its storage does not answer', async () => {
    const getEpochEndOffsets: PartitionPort['getEpochEndOffsets'] = async () => {
      throw new PortError('unavailable', 'the process is gone');
    };
    expect(await found(await start({ getEpochEndOffsets }, { cluster }))).toEqual([
      [15, -1],
      [0, 2],
      [15, -1],
      [15, -1],
    ]);
  });
});

describe('what clients are told of several brokers', () => {
  it('Metadata has all brokers with their racks, and of each partition leader, ISR and offline replicas, such as one whose log failed', async () => {
    const client = await start();
    const answer = await client.request(metadata, 12, { topics: null });
    expect(answer.brokers.map(({ nodeId, rack }) => [nodeId, rack])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(answer.topics[0]?.partitions).toMatchObject([
      { errorCode: 0, leaderId: 1, leaderEpoch: 5, replicaNodes: [1, 2, 3], isrNodes: [1, 2, 3], offlineReplicas: [] },
      { errorCode: 0, leaderId: 2, replicaNodes: [2, 1, 4], isrNodes: [2, 1], offlineReplicas: [4] },
      { errorCode: 0, leaderId: 3, replicaNodes: [3, 2, 4], isrNodes: [3, 2], offlineReplicas: [4] },
      { errorCode: 5, leaderId: -1, leaderEpoch: 5, replicaNodes: [1, 2, 4], isrNodes: [], offlineReplicas: [1, 4] },
    ]);
  });

  it('DescribeTopicPartitions has the eligible leader replicas as well', async () => {
    const client = await start();
    const answer = await client.request(describeTopicPartitions, 0, { topics: [{ name: 'orders' }] });
    expect(answer.topics[0]?.partitions).toMatchObject([
      { errorCode: 0, leaderId: 1, eligibleLeaderReplicas: [], lastKnownElr: [] },
      { errorCode: 0, leaderId: 2, isrNodes: [2, 1], offlineReplicas: [4], eligibleLeaderReplicas: [], lastKnownElr: [] },
      { errorCode: 0, leaderId: 3, eligibleLeaderReplicas: [4], lastKnownElr: [] },
      { errorCode: 0, leaderId: -1, isrNodes: [], offlineReplicas: [1, 4], eligibleLeaderReplicas: [2], lastKnownElr: [1] },
    ]);
  });

  it('DescribeCluster has all brokers, fenced ones where it is asked for them', async () => {
    const client = await start();
    const brokers = async (includeFencedBrokers: boolean) => {
      const request = { includeClusterAuthorizedOperations: false, includeFencedBrokers };
      return (await client.request(describeCluster, 2, request)).brokers.map(({ brokerId, rack }) => [brokerId, rack]);
    };
    const alive = [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ];
    expect(await brokers(false)).toEqual(alive);
    expect(await brokers(true)).toEqual([...alive, [4, 'a']]);
  });
});
