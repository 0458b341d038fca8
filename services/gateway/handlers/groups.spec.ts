import { afterEach, describe, expect, it } from 'vitest';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import type {
  CommitOffsetsRequest,
  FetchOffsetsRequest,
  JoinGroupRequest,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import type { ControllerPort, GroupPort } from '@streamline/wire/contracts/ports';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import { joinGroup } from '@streamline/wire/kafka/apis/11-join-group';
import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { leaveGroup } from '@streamline/wire/kafka/apis/13-leave-group';
import { describeGroups } from '@streamline/wire/kafka/apis/15-describe-groups';
import { initProducerId } from '@streamline/wire/kafka/apis/22-init-producer-id';
import { deleteGroups } from '@streamline/wire/kafka/apis/42-delete-groups';
import { offsetDelete } from '@streamline/wire/kafka/apis/47-offset-delete';
import { coordinatorIndex } from '../context/group-coordinator';
import type { GatewayConfig } from '../context/gateway-config';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const ORDERS = { name: 'orders', leaders: [1, 1] };
const OFFSETS = { name: '__consumer_offsets', leaders: [1, 2, 1], replicas: [[1], [2], [1]] };
const CLUSTER: FakeCluster = { brokers: [{ id: 1 }, { id: 2, host: 'two', port: 9192 }], topics: [ORDERS, OFFSETS] };

/** Groups by the partition of the offsets topic that is theirs. */
const LED_HERE = groupIn(0);
const LED_ELSEWHERE = groupIn(1);

let bench: GatewayBench<GatewayRole>;

async function start(groups: Partial<GroupPort> = {}, options: BenchOptions<GatewayConfig> = {}): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, groups, ...options });
  return bench.client();
}

afterEach(() => bench.close());

function groupIn(partition: number): string {
  for (let i = 0; ; i++) if (coordinatorIndex(`group-${i}`, OFFSETS.leaders.length) === partition) return `group-${i}`;
}

describe('coordinators', () => {
  it('are found by the hash that Java gives', async () => {
    await start();
    expect(coordinatorIndex('hello', 50)).toBe(99162322 % 50);
    expect(coordinatorIndex('x'.repeat(40), 50)).toBe(847293440 % 50);
    expect(coordinatorIndex('', 50)).toBe(0);
    // The one string hash of which Math.abs in Java stays negative.
    expect(coordinatorIndex('polygenelubricants', 50)).toBe(0);
  });

  it('FindCoordinator answers the leader of the group: alone up to v3, several from v4', async () => {
    const client = await start();
    const one = await client.request(findCoordinator, 3, { key: LED_ELSEWHERE, keyType: 0 });
    expect(one).toMatchObject({ errorCode: 0, nodeId: 2, host: 'two', port: 9192 });
    const many = await client.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: [LED_HERE, LED_ELSEWHERE] });
    expect(many.coordinators.map(({ key, nodeId, errorCode }) => [key, nodeId, errorCode])).toEqual([
      [LED_HERE, 1, 0],
      [LED_ELSEWHERE, 2, 0],
    ]);
  });

  it('FindCoordinator creates the offsets topic (50 partitions, compacted) and answers 15 meanwhile', async () => {
    const requests: Parameters<ControllerPort['createTopics']>[0][] = [];
    const createTopics: ControllerPort['createTopics'] = async (request) => {
      requests.push(request);
      bench.metadata.update({ topics: [{ name: '__consumer_offsets', leaders: Array<number>(50).fill(1) }] });
      return { topics: [], metadataIndex: 2 };
    };
    const client = await start({}, { cluster: { topics: [] }, controller: { createTopics } });
    const first = await client.request(findCoordinator, 2, { key: 'g' });
    expect(first).toMatchObject({ errorCode: 15, nodeId: -1, host: '', port: -1 });
    const second = await client.request(findCoordinator, 2, { key: 'g' });
    expect(second).toMatchObject({ errorCode: 0, nodeId: 1 });
    expect(requests).toHaveLength(1);
    expect(requests[0]?.topics[0]).toMatchObject({ name: '__consumer_offsets', partitions: 50, replicationFactor: 1 });
    expect(requests[0]?.topics[0]?.configs).toEqual([
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'compression.type', value: 'producer' },
      { name: 'segment.bytes', value: String(16 << 20) },
    ]);
  });

  it('creates the offsets topic with offsets_topic_num_partitions of its node', async () => {
    const partitions: number[] = [];
    const createTopics: ControllerPort['createTopics'] = async ({ topics }) => {
      partitions.push(...topics.map((topic) => topic.partitions));
      return { topics: [], metadataIndex: 2 };
    };
    const config = { offsetsTopicPartitions: 7 };
    const client = await start({}, { cluster: { topics: [] }, controller: { createTopics }, config });
    await client.request(findCoordinator, 2, { key: 'g' });
    expect(partitions).toEqual([7]);
  });

  it('FindCoordinator refuses transactions with 53 and unknown types with 42', async () => {
    const client = await start();
    expect((await client.request(findCoordinator, 1, { key: 't', keyType: 1 })).errorCode).toBe(53);
    const many = await client.request(findCoordinator, 6, { keyType: 2, coordinatorKeys: ['s'] });
    expect(many.coordinators[0]?.errorCode).toBe(42);
  });

  it('a group whose coordinator is not here is 16 for every request', async () => {
    const client = await start();
    const join = { sessionTimeoutMs: 10_000, memberId: '', protocolType: 'consumer', protocols: [] };
    expect((await client.request(joinGroup, 5, { groupId: LED_ELSEWHERE, ...join })).errorCode).toBe(16);
    expect((await client.request(heartbeat, 3, { groupId: LED_ELSEWHERE, generationId: 1, memberId: 'm' })).errorCode).toBe(16);
    const described = await client.request(describeGroups, 5, { groups: [LED_ELSEWHERE] });
    expect(described.groups[0]?.errorCode).toBe(16);
    const deleted = await client.request(deleteGroups, 2, { groupsNames: [LED_ELSEWHERE] });
    expect(deleted.results[0]).toMatchObject({ groupId: LED_ELSEWHERE, errorCode: 16 });
  });
});

describe('JoinGroup', () => {
  const answer = { errorCode: 79, generationId: -1, leader: '', memberId: 'new', skipAssignment: true, members: [] };
  const request = {
    groupId: LED_HERE,
    sessionTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('p') }],
  };

  it('asks for a member id from v4 on, tells SkipAssignment from v9, and takes the session timeout for v0', async () => {
    const asked: JoinGroupRequest[] = [];
    const client = await start({
      joinGroup: async (join) => {
        asked.push(join);
        return answer;
      },
    });
    for (const version of [0, 3, 4, 8, 9]) {
      const rebalance = version === 0 ? {} : { rebalanceTimeoutMs: 60_000 };
      const joined = await client.request(joinGroup, version, { ...request, ...rebalance });
      expect(joined.skipAssignment).toBe(version === 9);
      expect(joined.protocolName).toBe(version >= 7 ? null : '');
    }
    expect(asked.map(({ requireKnownMemberId }) => requireKnownMemberId)).toEqual([false, false, true, true, true]);
    expect(asked.map(({ supportsSkipAssignment }) => supportsSkipAssignment)).toEqual([false, false, false, false, true]);
    expect(asked.map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs)).toEqual([10_000, 60_000, 60_000, 60_000, 60_000]);
    expect(asked[0]).toMatchObject({ clientId: 'test', clientHost: '/127.0.0.1' });
    expect(Buffer.from(asked[0]?.protocols[0]?.metadata ?? []).toString()).toBe('p');
  });

  it('waits as long as the group does, and holds up only its own connection', async () => {
    let finish: (() => void) | undefined;
    const client = await start({
      joinGroup: (_join, context) => {
        expect(context?.deadlineMs).toBeGreaterThan(400_000);
        return new Promise((resolve) => (finish = () => resolve(answer)));
      },
      heartbeat: async () => ({ errorCode: 27 }),
    });
    const waiting = client.request(joinGroup, 5, { ...request, rebalanceTimeoutMs: 400_000 });
    const other = await bench.client();
    const beat = await other.request(heartbeat, 3, { groupId: LED_HERE, generationId: 1, memberId: 'm' });
    expect(beat.errorCode).toBe(27);
    finish?.();
    expect((await waiting).memberId).toBe('new');
  });
});

describe('LeaveGroup', () => {
  it('v3+ of an unknown group: top-level 0, members 25; below v3 the member is the answer', async () => {
    const client = await start({
      leaveGroup: async ({ members }) => ({ errorCode: 0, members: members.map((member) => ({ ...member, errorCode: 25 })) }),
    });
    const batched = await client.request(leaveGroup, 3, { groupId: LED_HERE, members: [{ memberId: 'm' }] });
    expect(batched).toMatchObject({ errorCode: 0, members: [{ memberId: 'm', errorCode: 25 }] });
    const single = await client.request(leaveGroup, 2, { groupId: LED_HERE, memberId: 'm' });
    expect(single.errorCode).toBe(25);
  });
});

describe('OffsetCommit', () => {
  const commits: CommitOffsetsRequest[] = [];
  const commitOffsets: GroupPort['commitOffsets'] = async (request) => {
    commits.push(request);
    return { errorCodes: request.offsets.map(({ metadata }) => (metadata === 'too long' ? 12 : 0)) };
  };
  const partition = (partitionIndex: number, committedMetadata: string | null = null) => ({
    partitionIndex,
    committedOffset: 5n,
    committedMetadata,
  });

  it('an unknown partition is 3, too much metadata 12; the other partitions commit', async () => {
    commits.length = 0;
    const client = await start({ commitOffsets });
    const answer = await client.request(offsetCommit, 9, {
      groupId: LED_HERE,
      memberId: 'm',
      generationIdOrMemberEpoch: 4,
      topics: [
        { name: 'nope', partitions: [partition(0)] },
        { name: 'orders', partitions: [partition(9), partition(0, 'kept'), partition(1, 'too long')] },
      ],
    });
    expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([[3], [3, 0, 12]]);
    expect(commits[0]).toMatchObject({ generationId: 4, apiVersion: 9, retentionTimeMs: -1 });
    expect(commits[0]?.offsets.map(({ topicId, metadata }) => [topicId, metadata])).toEqual([
      [fakeTopicId('orders'), 'kept'],
      [fakeTopicId('orders'), 'too long'],
    ]);
  });

  it('v10 takes topic ids; an unknown id is 100', async () => {
    const client = await start({ commitOffsets });
    const answer = await client.request(offsetCommit, 10, {
      groupId: LED_HERE,
      memberId: 'm',
      topics: [
        { topicId: fakeTopicId('nope'), partitions: [partition(0)] },
        { topicId: fakeTopicId('orders'), partitions: [partition(0), partition(9)] },
      ],
    });
    expect(answer.topics.map(({ topicId, partitions }) => [topicId, ...partitions.map(({ errorCode }) => errorCode)])).toEqual([
      [fakeTopicId('nope'), 100],
      [fakeTopicId('orders'), 0, 3],
    ]);
  });

  it('gives the coordinator offsets.commit.timeout.ms, and two seconds more to say that it was not enough', async () => {
    const given: [number, number | undefined][] = [];
    const timed: GroupPort['commitOffsets'] = async (request, context) => {
      given.push([request.timeoutMs, context?.deadlineMs]);
      return commitOffsets(request);
    };
    const client = await start({ commitOffsets: timed }, { config: { offsetsCommitTimeoutMs: 1234 } });
    const topics = [{ name: 'orders', partitions: [partition(0)] }];
    await client.request(offsetCommit, 9, { groupId: LED_HERE, memberId: 'm', topics });
    expect(given).toEqual([[1234, 3234]]);
  });

  it('asks nobody where no partition exists', async () => {
    const client = await start();
    const topics = [{ name: 'nope', partitions: [partition(0)] }];
    const answer = await client.request(offsetCommit, 2, { groupId: LED_HERE, memberId: '', topics });
    expect(answer.topics[0]?.partitions[0]?.errorCode).toBe(3);
  });
});

describe('OffsetFetch', () => {
  const asked: FetchOffsetsRequest[] = [];
  const fetchOffsets: GroupPort['fetchOffsets'] = async (request) => {
    asked.push(request);
    const topics = request.allTopics ? [{ topic: 'orders', topicId: '', partitions: [1] }] : request.topics;
    const offsets = topics.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partition) => ({ topic, topicId, partition, offset: 42, leaderEpoch: 3, metadata: 'm', errorCode: 0 })),
    );
    return { errorCode: request.groupId === 'gone' ? 69 : 0, offsets };
  };

  it('v1-v7 of one group; null topics from v2 are all', async () => {
    asked.length = 0;
    const client = await start({ fetchOffsets });
    for (const version of [1, 2, 5, 7]) {
      const named = await client.request(offsetFetch, version, {
        groupId: LED_HERE,
        topics: [{ name: 'orders', partitionIndexes: [0] }],
      });
      expect(named.topics[0]?.partitions[0]).toMatchObject({
        partitionIndex: 0,
        committedOffset: 42n,
        metadata: 'm',
        errorCode: 0,
      });
    }
    const all = await client.request(offsetFetch, 2, { groupId: LED_HERE, topics: null });
    expect(all.topics[0]).toMatchObject({ name: 'orders', partitions: [{ partitionIndex: 1 }] });
    expect(asked.at(-1)?.allTopics).toBe(true);
  });

  it('v8+ of several groups, each with its own error', async () => {
    const client = await start({ fetchOffsets });
    const topics = [{ name: 'orders', partitionIndexes: [0] }];
    const answer = await client.request(offsetFetch, 8, {
      groups: [
        { groupId: LED_HERE, topics },
        { groupId: LED_ELSEWHERE, topics },
      ],
    });
    expect(answer.groups.map(({ groupId, errorCode, topics: told }) => [groupId, errorCode, told.length])).toEqual([
      [LED_HERE, 0, 1],
      [LED_ELSEWHERE, 16, 0],
    ]);
  });

  it('v10 by topic id: an unknown id is 100, and a topic that is gone is left out of all', async () => {
    const client = await start({ fetchOffsets });
    const answer = await client.request(offsetFetch, 10, {
      groups: [
        {
          groupId: LED_HERE,
          topics: [
            { topicId: fakeTopicId('orders'), partitionIndexes: [0] },
            { topicId: fakeTopicId('nope'), partitionIndexes: [0, 1] },
          ],
        },
      ],
    });
    const told = answer.groups[0]?.topics.map(({ topicId, partitions }) => [
      topicId,
      ...partitions.map(({ errorCode }) => errorCode),
    ]);
    expect(told).toEqual([
      [fakeTopicId('orders'), 0],
      [fakeTopicId('nope'), 100, 100],
    ]);
    bench.metadata.update({ topics: [OFFSETS] });
    const all = await client.request(offsetFetch, 10, { groups: [{ groupId: LED_HERE, topics: null }] });
    expect(all.groups[0]?.topics).toEqual([]);
  });

  it('v1 tells an error of the group with its partitions, v2 at the top', async () => {
    const client = await start();
    const request = { groupId: LED_ELSEWHERE, topics: [{ name: 'orders', partitionIndexes: [0] }] };
    const v1 = await client.request(offsetFetch, 1, request);
    expect(v1.topics[0]?.partitions[0]).toMatchObject({ errorCode: 16, committedOffset: -1n });
    expect(await client.request(offsetFetch, 2, request)).toMatchObject({ errorCode: 16, topics: [] });
  });
});

describe('describing and deleting groups', () => {
  it('DescribeGroups of an unknown group: Dead and 0 up to v5, 69 from v6', async () => {
    const client = await start({
      describeGroups: async ({ groupIds }) => ({
        groups: groupIds.map((groupId) => ({
          errorCode: 69,
          errorMessage: 'not found',
          groupId,
          state: 'Dead',
          protocolType: '',
          protocol: '',
          members: [],
        })),
      }),
    });
    const v5 = await client.request(describeGroups, 5, { groups: [LED_HERE], includeAuthorizedOperations: true });
    expect(v5.groups[0]).toMatchObject({ errorCode: 0, groupState: 'Dead', authorizedOperations: 3400 });
    const v6 = await client.request(describeGroups, 6, { groups: [LED_HERE] });
    expect(v6.groups[0]).toMatchObject({ errorCode: 69, groupState: 'Dead', errorMessage: 'not found' });
  });

  it('DeleteGroups asks each coordinator and keeps the order', async () => {
    const client = await start({
      deleteGroups: async ({ groupIds }) => ({ groups: groupIds.map((groupId) => ({ groupId, errorCode: 68 })) }),
    });
    const groupsNames = [LED_ELSEWHERE, LED_HERE];
    const answer = await client.request(deleteGroups, 3, { groupsNames });
    expect(answer.results.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
      [LED_ELSEWHERE, 16],
      [LED_HERE, 68],
    ]);
  });

  it('OffsetDelete answers 3 for what does not exist', async () => {
    const client = await start({
      deleteOffsets: async ({ topics }) => ({
        errorCode: 0,
        offsets: topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition, errorCode: 86 }))),
      }),
    });
    const answer = await client.request(offsetDelete, 0, {
      groupId: LED_HERE,
      topics: [
        { name: 'nope', partitions: [{ partitionIndex: 0 }] },
        { name: 'orders', partitions: [{ partitionIndex: 1 }, { partitionIndex: 9 }] },
      ],
    });
    expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([[3], [86, 3]]);
  });
});

describe('InitProducerId', () => {
  it('gives each producer an id of its own from the blocks of the controller, asking once for many', async () => {
    let blocks = 0;
    const client = await start(
      {},
      {
        controller: {
          allocateProducerIds: async ({ brokerId, brokerEpoch }) => {
            expect([brokerId, brokerEpoch]).toEqual([1, 101]);
            return { error: undefined, firstProducerId: 3 * blocks++, count: 3 };
          },
        },
      },
    );
    const clients = await Promise.all([0, 1, 2, 3].map(() => bench.client()));
    const request = { transactionalId: null, transactionTimeoutMs: 0 };
    const answers = await Promise.all(clients.map((each) => each.request(initProducerId, 4, request)));
    const ids = answers.map(({ producerId, producerEpoch, errorCode }) => [producerId, producerEpoch, errorCode]);
    expect(ids.map(([id]) => Number(id)).sort()).toEqual([0, 1, 2, 3]);
    expect(ids.every(([, epoch, code]) => epoch === 0 && code === 0)).toBe(true);
    expect(blocks).toBe(2);
    const again = await client.request(initProducerId, 3, { ...request, producerId: 1n, producerEpoch: 5 });
    expect(again).toMatchObject({ errorCode: 0, producerId: 4n, producerEpoch: 0 });
  });

  it('answers 14, which clients retry, while there is no block', async () => {
    const error = { errorCode: 77, errorMessage: 'stale broker epoch' };
    const client = await start(
      {},
      { controller: { allocateProducerIds: async () => ({ error, firstProducerId: 0, count: 0 }) } },
    );
    const answer = await client.request(initProducerId, 0, { transactionalId: null, transactionTimeoutMs: 0 });
    expect(answer).toMatchObject({ errorCode: 14, producerId: -1n });
    bench.metadata.update({ brokers: [] });
    expect((await client.request(initProducerId, 0, { transactionalId: null, transactionTimeoutMs: 0 })).errorCode).toBe(14);
  });

  it('refuses a transactional id with 53, an empty one and half an id with 42', async () => {
    const client = await start();
    const code = async (fields: object) =>
      (await client.request(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 0, ...fields })).errorCode;
    expect(await code({ transactionalId: 't' })).toBe(53);
    expect(await code({ transactionalId: '' })).toBe(42);
    expect(await code({ producerId: 5n })).toBe(42);
    expect(await code({ producerEpoch: 5 })).toBe(42);
  });
});
